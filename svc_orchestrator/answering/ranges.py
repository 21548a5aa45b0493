"""Ranges and numbers in the cells of a table, and whether a number is one or falls into one."""

import re

_NUMBER = r"(\d+(?:,\d{3})*(?:\.\d+)?)"
_ALONE = re.compile(_NUMBER)
_BETWEEN = re.compile(rf"{_NUMBER}\s?(?:to|–|—|-|and|bis)\s?{_NUMBER}")
_FROM = re.compile(
    rf"(?:from|at least|over|above|more than|≥|>)\s?{_NUMBER}|{_NUMBER}\s?(?:or more|and more|and above|\+)"
)
_UP_TO = re.compile(rf"(?:up to|at most|below|under|less than|≤|<)\s?{_NUMBER}|{_NUMBER}\s?(?:or less|or fewer)")


def within(cell: str, number: float) -> bool | None:
    """Whether `number` falls into the range that the cell states, or is all that it states; None if it states no range
    and something else."""
    text = cell.lower()
    if found := _ALONE.fullmatch(text.strip()):
        return True if _value(found[1]) == number else None
    if found := _BETWEEN.search(text):
        return _value(found[1]) <= number <= _value(found[2])
    if found := _FROM.search(text):
        return number >= _value(found[1] or found[2])
    if found := _UP_TO.search(text):
        return number <= _value(found[1] or found[2])
    return None


def _value(written: str) -> float:
    return float(written.replace(",", ""))
