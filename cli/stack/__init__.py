"""The one-machine platform: PostgreSQL, every service, Envoy, and the supervisor that keeps them running."""

from cli.stack.errors import StackError
from cli.stack.stack import Stack
from cli.stack.status import ProcessStatus

__all__ = ["ProcessStatus", "Stack", "StackError"]
