"""What a question asks for in particular (a price, a time, a count, a version), and whether a line gives it."""

import re
from dataclasses import dataclass
from functools import cached_property

from meshkit.text.quantities import Quantity, quantities
from meshkit.text.words import Word, words

_PRICE = re.compile(r"\b(?:price|prices|costs?|how much (?:is|are|does|do|for|per))\b", re.IGNORECASE)
_DURATION = re.compile(r"\bhow (?:long|quickly|fast|soon|often)\b|\bafter what time\b", re.IGNORECASE)
_NUMBER = re.compile(
    r"\bhow (?:many|much|long|often|far|fast|soon|quickly|old|big|high)\b|\b(?:max|maximum|min|minimum|number of|limit|"
    r"speed|extension|phone)\b|^when\b|\bwhen (?:will|do|does|did|is|are|was|can|could)\b",
    re.IGNORECASE,
)
_LATEST = re.compile(r"\b(?:latest|newest|current|most recent)\b", re.IGNORECASE)
_VERSION = re.compile(r"\b(?:version|firmware|release|build)\b", re.IGNORECASE)
_COUNTS = re.compile(r"\b(?:how many|number of)\b", re.IGNORECASE)
# What follows is what the answer names: "how many nodes", "which outbound port".
_FOCUS = re.compile(r"\b(?:how many|which|what|number of)\s+", re.IGNORECASE)
_FOCUS_WORDS = 2

_HAS_PRICE = re.compile(r"[€$£]\s?\d|\d\s?(?:€|EUR|USD|GBP)")
_HAS_VERSION = re.compile(r"(?<![\w.])v?\d+\.\d+(?:\.\d+)*(?![\w])")
_TIME_UNITS = frozenset({"second", "minute", "hour", "day", "week", "month", "year", "ms"})


_ASKS_FOR_A_DEFAULT = re.compile(r"\b(?:what|which)(?:['’]s| is| are)? (?:the |its )?defaults?\b", re.IGNORECASE)
# A sentence that only has the word ("the default configuration may cause …") says no default.
_SAYS_A_DEFAULT = re.compile(
    r"\bdefaults?(?: \S+){0,6} (?:is|are|was|has changed|changed)\b|\bdefaults? (?:to|of)\b|\bby default\b|\bdefault:|"
    r"\(default\b",
    re.IGNORECASE,
)

_PARTS = re.compile(
    r"\?\s+|,?\s+and (?=(?:will|can|could|does|do|is|are|must|should|may|how|what|when|where|which|why|who)\b)",
    re.IGNORECASE,
)
_LEAST_WORDS = 4


@dataclass(frozen=True)
class Wanted:
    """What one question asks for."""

    question: str

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The questions that it is made of, where there are two: "Can I …, and will it …?"; else empty."""
        found = [each.strip() for each in _PARTS.split(self.question)]
        return tuple(found) if len(found) == 2 and all(len(each.split()) >= _LEAST_WORDS for each in found) else ()

    @cached_property
    def price(self) -> bool:
        return bool(_PRICE.search(self.question))

    @cached_property
    def duration(self) -> bool:
        return bool(_DURATION.search(self.question))

    @cached_property
    def number(self) -> bool:
        return bool(_NUMBER.search(self.question))

    @cached_property
    def version(self) -> bool:
        asked = self.latest or bool(self.focus)
        return asked and bool(_VERSION.search(self.question)) and not self.counts

    @cached_property
    def latest(self) -> bool:
        return bool(_LATEST.search(self.question))

    @cached_property
    def default(self) -> bool:
        return bool(_ASKS_FOR_A_DEFAULT.search(self.question))

    def default_is_in(self, line: str) -> bool:
        """Whether the line says what something is by default."""
        return bool(_SAYS_A_DEFAULT.search(line))

    @cached_property
    def focus(self) -> tuple[str, ...]:
        """The stems of the words that say what is counted or chosen; empty where nothing is."""
        found = _FOCUS.search(self.question)
        if found is None:
            return ()
        named = list[str]()
        for each in words(self.question):
            if each.start < found.end():
                continue
            if each.stop or len(named) == _FOCUS_WORDS:
                break
            named.append(each.stem)
        return tuple(named)

    def kind_is_in(self, line: str) -> bool:
        """Whether the line has the kind of thing that is asked for: a price, a time, a version, any number."""
        if self.price:
            return bool(_HAS_PRICE.search(line))
        if self.version:
            return bool(_HAS_VERSION.search(line)) and (not self.latest or bool(_LATEST.search(line)))
        if self.duration:
            return any(each.unit in _TIME_UNITS for each in quantities(line))
        return self.number and bool(quantities(line))

    def is_named_in(self, line: str, context: str) -> bool:
        """Whether the line gives a number to the very thing that is counted or chosen: "25 lists", "port 8883"."""
        if not self.focus:
            return False
        said = words(line)
        there = {each.stem for each in said} | {each.stem for each in words(context)}
        return there.issuperset(self.focus) and any(self._is_of_focus(said, each) for each in quantities(line))

    def _is_of_focus(self, said: list[Word], quantity: Quantity) -> bool:
        if self.counts:
            beside = [each for each in said if each.start >= quantity.end][:2]
        else:
            beside = [each for each in said if each.end <= quantity.start][-1:]
        return any(each.stem in self.focus for each in beside)

    @cached_property
    def counts(self) -> bool:
        return bool(_COUNTS.search(self.question))
