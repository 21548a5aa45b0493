"""What a single sentence states: its subject words, the names in it, its numbers, and whether it denies."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from meshkit.text.quantities import Quantity, is_unit, quantities
from meshkit.text.words import Word, words

# "cannot", "doesn't", "no longer": what turns a statement into its opposite.
_DENYING = """
    not no never none cannot without nor neither nobody nothing unable
"""
NEGATIONS = frozenset(_DENYING.split())
_CONDITIONAL = """
    if when unless until otherwise whereas except before after while once
"""
CONDITIONS = frozenset(_CONDITIONAL.split())
# Verbs and bounds by which two pages say the same of a limit in different words.
_BOUNDS_AND_VERBS = """
    support manag accept handl allow carri provid offer maximum minimum max min most least limit total altogeth
    current exact onli about approxim default usual simpli can may must
"""
_SAME_SAID_OTHERWISE = frozenset(_BOUNDS_AND_VERBS.split())
_MONTH_NAMES = """
    january february march april may june july august september october november december
"""
# "May" begins too many sentences that are about no month.
MONTHS = frozenset(_MONTH_NAMES.split()) - {"may"}
# Behind these words a number is a value ("firmware 2.10"), behind other capitalised words part of a name ("Lumen 2").
_BEFORE_VALUES = """
    version release firmware build port chapter page step
"""
_VALUE_NOUNS = frozenset(_BEFORE_VALUES.split())


@dataclass(frozen=True, slots=True)
class Value:
    """A number as it is said: with its unit, and the subject words before and after it."""

    number: str
    unit: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, reduced to what can be compared."""

    content: frozenset[str]
    names: frozenset[str]
    values: tuple[Value, ...]
    negated: bool
    conditional: bool


@lru_cache(maxsize=8192)
def state(sentence: str) -> Statement:
    """Reduces `sentence`. The same text gives the same statement."""
    found = words(sentence)
    lower = [each.text.lower().replace("’", "'") for each in found]
    quantity_at = {each.start: each for each in quantities(sentence)}
    in_names = named_numbers(sentence, found, quantity_at)
    content = frozenset(
        each.stem
        for each in found
        if not (each.stop or each.numeric or each.start in quantity_at or is_unit(each.text) or _is_month(each))
    )
    months = {each.text.lower() for each in found if _is_month(each)}
    return Statement(
        content=frozenset(stem for stem in content if stem not in _SAME_SAID_OTHERWISE and stem not in NEGATIONS),
        names=_names(found, lower, in_names),
        values=(
            *(
                _value(quantity, found)
                for start, quantity in quantity_at.items()
                if start not in {each.start for each in in_names.values()}
            ),
            *(Value(month, "month-name", "", "") for month in sorted(months)),
        ),
        negated=any(word in NEGATIONS or word.endswith("n't") for word in lower),
        conditional=any(word in CONDITIONS for word in lower),
    )


def named_numbers(sentence: str, found: list[Word], quantity_at: Mapping[int, Quantity]) -> dict[int, Word]:
    """Numbers that are part of a name, by the index of the name's word: `Lumen 2`, `LAN 1`, `Wi-Fi 6`."""
    pairs = zip(enumerate(found), found[1:], strict=False)
    return {
        index: number
        for (index, word), number in pairs
        if number.start in quantity_at
        and not quantity_at[number.start].unit
        and word.text[0].isupper()
        and not word.stop
        and not _is_month(word)
        and word.text.lower() not in _VALUE_NOUNS
        and sentence[word.end : number.start] == " "
    }


def _names(found: list[Word], lower: list[str], named_numbers: Mapping[int, Word]) -> frozenset[str]:
    names = set()
    for index, word in enumerate(found):
        if index in named_numbers:
            names.add(f"{lower[index]} {named_numbers[index].text}")
        elif _is_name(word, first=index == 0):
            names.add(word.stem)
    return frozenset(names)


def _is_name(word: Word, *, first: bool) -> bool:
    if any(char.isdigit() for char in word.text):
        return any(char.isalpha() for char in word.text)
    if word.stop or not word.text[0].isupper() or _is_month(word):
        return False
    # A sentence's first word is written large whatever it is, unless it is large throughout.
    return not first or (len(word.text) > 1 and word.text.isupper())


def _value(quantity: Quantity, found: list[Word]) -> Value:
    before = [each for each in found if each.end <= quantity.start]
    after = [each for each in found if each.start >= quantity.end]
    return Value(quantity.value, quantity.unit, _last_content(before), _first_content(after))


def _last_content(before: list[Word]) -> str:
    return next((each.stem for each in reversed(before[-3:]) if _tells(each)), "")


def _first_content(after: list[Word]) -> str:
    return next((each.stem for each in after[:3] if _tells(each)), "")


def _tells(word: Word) -> bool:
    return not (word.stop or word.numeric or _is_month(word) or word.stem in _SAME_SAID_OTHERWISE)


def _is_month(word: Word) -> bool:
    return word.text.lower() in MONTHS


_MARKUP = re.compile(r"[*_`#|]+")


def same_wording(one: str, other: str) -> bool:
    """Whether two texts are word for word the same, whatever their case, white space and markup."""
    return [each.text.lower() for each in words(_MARKUP.sub(" ", one))] == [
        each.text.lower() for each in words(_MARKUP.sub(" ", other))
    ]
