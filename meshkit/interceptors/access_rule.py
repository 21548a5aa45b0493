"""Enforces the contract's access rule: the role, and what ties a customer to the thing called upon."""

from typing import Self

from google.protobuf.message import Message

from groundline.options.v1 import access_pb2
from meshkit.call import Call, Method
from meshkit.errors import CredentialMissing, NoAccessRule, OutOfScope, RoleNotAllowed
from meshkit.identity import ANONYMOUS
from meshkit.interceptors.layer import Layer


class AccessRule(Layer):
    """A method without a rule is refused, whoever calls. Health and reflection are exempt by name (`call.py`)."""

    name = "access_rule"
    inside = ("errors", "authentication")

    def __init__(self, method: Method | None = None) -> None:
        self._method = method
        access = method.access if method else None
        self._roles = frozenset(access.roles) if access else frozenset()
        self._public = bool(access and access.public)
        self._tied_to_session = bool(access and access.scope == access_pb2.SCOPE_SESSION)

    def for_method(self, method: Method) -> Self:
        return type(self)(method)

    def before(self, call: Call) -> None:
        method = call.method
        if method.exempt:
            return
        if method.access is None:
            raise NoAccessRule(method=method.path)
        if self._public:
            return
        if call.principal is ANONYMOUS:
            raise CredentialMissing(method=method.path)
        if call.principal.role not in self._roles:
            raise RoleNotAllowed(method=method.path, role=call.principal.role_name)

    def on_message(self, call: Call, message: Message) -> None:
        if not self._tied_to_session or call.principal.role != access_pb2.ROLE_CUSTOMER:
            return
        # A rule that names a field which the request doesn't have is a bug of the contract: AttributeError, INTERNAL.
        if call.principal.session_id != message.session_id:  # type: ignore[attr-defined]
            raise OutOfScope()
