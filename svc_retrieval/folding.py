"""Passages that say the same: one is shown, and stands for the others. Precision first: whatever differs in a word that
tells something stays, because two sources that disagree must both be seen."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import lru_cache
from uuid import UUID

from meshkit.text.sentences import sentences
from meshkit.text.versions import version_of
from svc_retrieval.store.search import Passage
from svc_retrieval.titles import headings

# Words that change nothing of what a sentence says, whatever stands beside them.
_SILENT = frozenset(("a", "an", "the", "please", "simply", "just", "kindly"))
# Emphasis, headings, tables, quotes; a link's target.
_MARKUP = re.compile(r"[*_`#|\"“”‘’']+|^>|(?<=\])\([^()\s]*\)|[\[\]]")
_AT_THE_END = ".,;:!?…"
# A text of fewer words means what its heading says ("Yes, it is."): it is the same only under the same heading.
_SPEAKS_FOR_ITSELF = 12
# A copy that is so much younger is not the same source: whether the other one is out of date must not be hidden.
_AS_FRESH = timedelta(days=30)
# The share of a text's telling words that another one has at least, if it says the same: markup may differ.
_NEARLY_ALL = 0.7
_TELLING = 8
_LONG = (9, 6, 1)
_PAGE = "page"


Statements = tuple[tuple[str, ...], ...]
"""Sentences or headings as their words."""


class Why(Enum):
    """Why a passage is not shown."""

    NEAR_DUPLICATE = 1
    OTHER_VERSION = 2


@dataclass(frozen=True, slots=True)
class Folded:
    """A passage that another one stands for. `score` is the one that it had, 0 to 1."""

    chunk_id: UUID
    doc_id: UUID
    uri: str
    why: Why
    score: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A passage in the order of the search. `another_version` says that it is for another one than the question
    names."""

    passage: Passage
    score: float
    another_version: bool


def fold(entries: Sequence[Entry]) -> list[tuple[int, tuple[Folded, ...]]]:
    """The entries that are shown, by their place in `entries`, each with what it stands for; best first.

    Of versions of a page that say the same, the newest is shown (where the question names one: a version that it
    names), at its own place; of other passages that say the same, the one that was found best.
    """
    shown: list[int] = []
    into: dict[int, int] = {}
    words = [_words_in(each.passage.text) for each in entries]
    for place, entry in enumerate(entries):
        # A cheap look before the dear one, in both directions.
        new = words[place]
        holding = (each for each in shown if len(new.telling & words[each].all) >= new.needed)
        keeper = next((each for each in holding if _stands_for(entries[each], entry)), None)
        if keeper is not None:
            into[place] = keeper
            continue
        for each in [each for each in shown if len(words[each].telling & new.all) >= words[each].needed]:
            if not (_stands_for(entry, entries[each]) and _is_newer(entry, entries[each])):
                continue
            shown.remove(each)
            into[each] = place
        shown.append(place)
    folded: dict[int, list[Folded]] = {}
    for place in sorted(into):
        end = into[place]
        while end in into:
            end = into[end]
        folded.setdefault(end, []).append(_folded(entries[place], entries[end]))
    return [(place, tuple(folded.get(place, ()))) for place in shown]


def section(passage: Passage) -> tuple[str, tuple[str, ...]] | None:
    """What a passage is a version of: its page's address without the version, and its headings; None without one."""
    version = _version(passage)
    page = _unversioned_address(passage.uri, version)
    if not version or page == passage.uri:
        return None
    path = (passage.title, *(passage.metadata.get("heading_path") or ()))
    return page, tuple(_unversioned(str(each), version).lower() for each in path)


def newest(versions: Sequence[str]) -> str:
    """The highest of some versions: `3.10` before `3.9`, and before anything that is no number."""
    return max(versions, key=_in_order)


def bounds(passages: Sequence[Passage], scores: Sequence[float]) -> list[float]:
    """The most that each passage may score: what the newest version of its section does, if that was found, too."""
    best: dict[tuple[str, tuple[str, ...]], dict[str, float]] = {}
    places = [section(each) for each in passages]
    for passage, score, place in zip(passages, scores, places, strict=True):
        if place is not None and passage.superseded_by is None:
            of = best.setdefault(place, {})
            of[_version(passage)] = max(score, of.get(_version(passage), 0.0))
    found = []
    for passage, score, place in zip(passages, scores, places, strict=True):
        versions = best.get(place, {}) if place is not None else {}
        latest = newest(list(versions)) if versions else ""
        older = bool(versions) and _in_order(_version(passage)) < _in_order(latest)
        found.append(min(score, versions[latest]) if older else score)
    return found


def _stands_for(kept: Entry, other: Entry) -> bool:
    """Whether nothing is lost if only `kept` is shown: not a statement, nor who may read it, nor that it is current."""
    one, two = kept.passage, other.passage
    if one.kind != _PAGE or two.kind != _PAGE:
        return False
    if kept.another_version and not other.another_version:
        return False
    if one.superseded_by is not None and two.superseded_by is None:
        return False
    if two.superseded_by != one.doc_id and two.updated_at - one.updated_at > _AS_FRESH and not _is_newer(kept, other):
        return False
    if _is_newer(other, kept) or not set(two.acl) <= set(one.acl):
        return False
    if _version(one) != _version(two) and two.superseded_by != one.doc_id and not _is_newer(kept, other):
        # What is said of another version is another statement, unless both are the same section of one page.
        return False
    return _says_all_of(one, two)


def _says_all_of(one: Passage, two: Passage) -> bool:
    said, to_say = _statements(one.text, _own_version(one, two)), _statements(two.text, _own_version(two, one))
    if not _runs_in(to_say, said):
        return False
    over, over_other = _context(one, two), _context(two, one)
    if sum(len(each) for each in to_say) < _SPEAKS_FOR_ITSELF:
        return over == over_other
    return _numbered(over) == _numbered(over_other)


def _runs_in(part: Statements, whole: Statements) -> bool:
    """Whether `whole` holds `part` in one piece: in another order, answers would belong to other questions."""
    starts = (place for place, each in enumerate(whole) if part and each == part[0])
    return any(whole[place : place + len(part)] == part for place in starts)


def _numbered(over: Statements) -> frozenset[str]:
    """What stands over a text with a digit in it: codes, models, numbers."""
    return frozenset(word for each in over for word in each if any(char.isdigit() for char in word))


def _is_newer(one: Entry, two: Entry) -> bool:
    """Whether `one` is the version of the same section to be preferred."""
    place = section(one.passage)
    if place is None or place != section(two.passage) or one.another_version != two.another_version:
        return False
    return _in_order(_version(one.passage)) > _in_order(_version(two.passage))


def _folded(entry: Entry, kept: Entry) -> Folded:
    passage, shown = entry.passage, kept.passage
    same_page = section(passage) is not None and section(passage) == section(shown)
    versions = _version(passage) != _version(shown) and same_page
    why = Why.OTHER_VERSION if versions or passage.superseded_by == shown.doc_id else Why.NEAR_DUPLICATE
    return Folded(passage.chunk_id, passage.doc_id, passage.uri, why, entry.score)


@dataclass(frozen=True, slots=True)
class _Words:
    """A text's words, and some that are `telling`: long ones, if it has enough of them. Another text that says the same
    has at least `needed` of these."""

    all: frozenset[str]
    telling: frozenset[str]
    needed: float


@lru_cache(maxsize=2048)
def _words_in(text: str) -> _Words:
    words = frozenset(text.lower().split())
    telling: list[str] = []
    for least in _LONG:
        # The last by the alphabet, for what begins with markup comes first.
        telling = sorted(each for each in words if len(each) >= least)[-_TELLING:]
        if len(telling) == _TELLING:
            break
    return _Words(words, frozenset(telling), _NEARLY_ALL * len(telling))


@lru_cache(maxsize=2048)
def _statements(text: str, version: str) -> Statements:
    """The sentences of `text` as their words: without markup, silent words and, where given, the page's own version."""
    said = (tuple(_words(_unversioned(text[each.start : each.end], version))) for each in sentences(text))
    return tuple(each for each in said if each)


def _words(text: str) -> Iterator[str]:
    for each in _MARKUP.sub(" ", text).split():
        word = each.rstrip(_AT_THE_END)
        # Letters alone mean the same small or large; `-V` and `-v` need not.
        word = word.lower() if word.isalpha() else word
        if word and word not in _SILENT:
            yield word


def _context(passage: Passage, other: Passage) -> Statements:
    own = _own_version(passage, other)
    return tuple(tuple(_words(_unversioned(each, own))) for each in headings(passage))


def _own_version(passage: Passage, other: Passage) -> str:
    """The version by which a page may speak of itself otherwise than `other` does; "" if they are no versions."""
    place = section(passage)
    return _version(passage) if place is not None and place == section(other) else ""


def _version(passage: Passage) -> str:
    return version_of(passage.product_version, passage.uri)


def _in_order(version: str) -> tuple[tuple[int, int, str], ...]:
    parts = version.split(".")
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)


@lru_cache(maxsize=256)
def _naming(version: str) -> re.Pattern[str]:
    # Only where it is said to be a version: a page for 2 may well speak of 2 minutes.
    return re.compile(rf"(?<![\w.])(?:v|(?:version|release)\s){re.escape(version)}(?!\.?\w)", re.IGNORECASE)


def _unversioned(text: str, version: str) -> str:
    return _naming(version).sub("‹version›", text) if version else text


@lru_cache(maxsize=20_000)
def _unversioned_address(uri: str, version: str) -> str:
    return re.sub(rf"(^|[/_-])v?{re.escape(version)}(?=[/_-]|$)", r"\1‹version›", uri, count=1) if version else uri
