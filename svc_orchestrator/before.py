"""What was said before a question: the question that it may go on from, and the topic that it may leave unsaid."""

import re
from collections.abc import Iterable
from dataclasses import replace

from meshkit.text.versions import carried_over
from svc_orchestrator.leaning import Needs, needs
from svc_orchestrator.topic import Piece, is_thin, topic_of, unsaid

_CLOSING = " ?.!"
_OF_VERSION = re.compile(r"\b(?:on|in|under) (?:v|version |release )?\d+(?:\.\d+)+\b", re.IGNORECASE)


class Before:
    """The customer's messages so far, heard one after the other."""

    def __init__(self) -> None:
        self._question = ""
        # The latest message that asked the same of another thing.
        self._same = ""
        self._topic: tuple[Piece, ...] = ()
        # What the conversation was about before it came to details.
        self._main: tuple[Piece, ...] = ()

    def hear(self, text: str) -> None:
        """Takes in the next message."""
        needed = needs(text) if self._question else Needs.NOTHING
        completed = self.completed(text, needed)
        if needed is Needs.QUESTION:
            self._ask_of(text)
            return
        if needed in (Needs.NOTHING, Needs.NAME):
            self._turn_to(text)
        self._question, self._same = completed, ""

    def completed(self, text: str, needed: Needs) -> str:
        """The text with what it needs of what was heard; as it is where it needs nothing or nothing was heard."""
        if not self._question or needed is Needs.NOTHING:
            return text
        if needed is Needs.QUESTION:
            before = " ".join(each for each in (self._question, self._same) if each)
            return f"{carried_over(before, text)} {text}"
        wanted = [each for each in self._topic if each.name or needed is Needs.TOPIC]
        version = _OF_VERSION.search(text)
        if version is not None:
            # "Does it need a restart on 3.5?", of etcd 3.4: of etcd 3.5.
            wanted = [replace(each, text=carried_over(each.text, version[0])) for each in wanted]
        return _with(text, unsaid(wanted, text))

    def _turn_to(self, text: str) -> None:
        own = topic_of(text)
        if is_thin(own) and self._main:
            self._topic = (*own, *unsaid(self._main, text)[:1])
        else:
            self._topic = self._main = own

    def _ask_of(self, text: str) -> None:
        own, asked = topic_of(text), carried_over(self._question, text)
        if asked != self._question:
            self._question = asked
            self._topic = self._main = topic_of(asked)
        elif any(each.name for each in own):
            # Of a new thing, the same is asked: "and on an Acme hub?" still speaks of resetting.
            rest = [Piece(each.plain, name=False) for each in self._topic if each.plain]
            self._topic = (*own, *unsaid(rest, text)[:1])
        self._same = text


def _with(text: str, pieces: Iterable[Piece]) -> str:
    """The text with the pieces at its end, before what closes it: who reads how it begins reads the customer.

    Commas stand between, or "on Linux" and "3.5" would become a version of Linux.
    """
    end = len(text.rstrip(_CLOSING)) or len(text)
    return ", ".join((text[:end], *(each.text for each in pieces))) + text[end:]
