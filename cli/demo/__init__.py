"""The scripted conversation: everything that the desk is for, once, against a running mesh over REST and SSE."""

from cli.demo.rest import DemoFailed, Rest
from cli.demo.story import Story, play

__all__ = ["DemoFailed", "Rest", "Story", "play"]
