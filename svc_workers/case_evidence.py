"""What an answer rests on, and who may therefore read it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from groundline.retrieval.v1 import evidence_pb2
from meshkit.identity import PUBLIC_GROUP
from meshkit.text.identifiers import identifiers

NOBODY_ELSE = "group:admins"
"""Who may read what no single group may read in full."""
SHINGLE_WORDS = 5
_WORD = re.compile(r"\w+")
_LONG_NUMBER = re.compile(r"\d[\d.,]*\d")


@dataclass(frozen=True, slots=True)
class Used:
    """A document that an answer used: where a person finds it, and the groups that may read it."""

    uri: str
    acl: tuple[str, ...]


def echoed(resolution: str, question: str, pack: Sequence[evidence_pb2.Evidence]) -> list[Used]:
    """The evidence that an agent used without citing it.

    A piece counts if the resolution names its uri, repeats five words of it in a row, or gives a value (a code, a
    part number, a number of three digits and more) that stands in it and not in the question.
    """
    said, asked = _shingles(resolution), _values(question)
    given = _values(resolution) - asked
    found: list[Used] = []
    for piece in pack:
        named = bool(piece.doc_uri) and piece.doc_uri in resolution
        if named or said & _shingles(piece.text) or given & _values(piece.text):
            found.append(Used(piece.doc_uri, tuple(piece.acl)))
    return found


def strictest(used: Iterable[Used]) -> tuple[str, ...]:
    """The groups that may read everything that was used.

    Any one group of a document's list may read it, so the readers of several are those in all lists. Public
    documents narrow nothing. Where no group is in all lists, only admins may read; a document without a list is
    taken to be for agents.
    """
    readers: set[str] | None = None
    for each in used:
        acl = set(each.acl) or {"group:agents"}
        if PUBLIC_GROUP not in acl:
            readers = acl if readers is None else readers & acl
    if readers is None:
        return (PUBLIC_GROUP,)
    return tuple(sorted(readers)) or (NOBODY_ELSE,)


def _shingles(text: str) -> set[tuple[str, ...]]:
    found = [word.lower() for word in _WORD.findall(text)]
    return {tuple(found[at : at + SHINGLE_WORDS]) for at in range(len(found) - SHINGLE_WORDS + 1)}


def _values(text: str) -> set[str]:
    numbers = {each for each in _LONG_NUMBER.findall(text) if sum(char.isdigit() for char in each) >= 3}
    return numbers | set(identifiers(text))
