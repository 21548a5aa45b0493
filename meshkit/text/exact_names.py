"""Exact names: codes, article numbers, versions, serial numbers. Whoever says E-8123 does not mean E-8120."""

import re
from functools import lru_cache

from meshkit.text.quantities import quantities

_SHAPE = re.compile(r"(?<![\w@])[A-Za-z0-9]+(?:[-_./][A-Za-z0-9]+)*(?!\w)")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th|x|s)$")
_YEAR = re.compile(r"(?:19|20)\d\d$")
_DATE_OR_RATIO = re.compile(r"\d{4}-\d\d(?:-\d\d)?$|\d{1,4}(?:[-/]\d{1,4})+$")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)+)$", re.IGNORECASE)
_ANY_VERSION = re.compile(r"(?<![\w.])(\d+(?:\.\d+)+)(?!\.?\w)")
_COMPARED = re.compile(
    r"\b(?:before|older|below|earlier|newer|since|at least|or later|or newer|from|up to|until|after|any)\b",
    re.IGNORECASE,
)
_MIN_DIGITS = 4


def exact_names(question: str) -> list[str]:
    """The exact names in `question`, in order, as written. Quantities, years, dates and ordinals are none."""
    measured = [(each.start, each.end) for each in quantities(question) if each.unit]
    found = []
    for each in _SHAPE.finditer(question):
        name = each[0]
        if _is_exact(name) and not any(start <= each.start() < end for start, end in measured):
            found.append(name)
    return list(dict.fromkeys(found))


def _is_exact(name: str) -> bool:
    digits = sum(char.isdigit() for char in name)
    if not digits:
        # LM-MNT-WALL
        return name.isupper() and name.count("-") >= 2
    if name.isdigit():
        return digits >= _MIN_DIGITS and not _YEAR.match(name)
    if _ORDINAL.match(name) or _DATE_OR_RATIO.match(name):
        return False
    if _VERSION.match(name):
        return True
    if name[0].isdigit() and "-" not in name and "." not in name and "_" not in name:
        # 30min, 2x, 5ghz: a number that grew together with its unit.
        return not re.fullmatch(r"\d+[a-z]{1,4}(?:/s)?", name.lower())
    # Letters and digits together: E-4012, LM3-PRO, C30; and "Lumen-2" is for the versions to judge.
    return any(char.isalpha() for char in name) and not re.fullmatch(r"[a-z]{3,}-?\d", name.lower())


def stands_in(name: str, text: str) -> bool:
    """Whether `text` has the name as written, but for case and the separator between letters and digits."""
    return _pattern(name).search(text) is not None


def is_version(name: str) -> bool:
    """Whether the name is a version number (`2.6`, `v3.6.2`)."""
    return _VERSION.match(name) is not None


def compared_in(name: str, text: str) -> bool:
    """Whether `text` speaks of a range that the version can be held against ("before 2.8"), of the same major one."""
    version = _VERSION.match(name)
    if version is None or not _COMPARED.search(text):
        return False
    major = version[1].split(".")[0]
    return any(each[1].split(".")[0] == major for each in _ANY_VERSION.finditer(text))


@lru_cache(maxsize=4096)
def _pattern(name: str) -> re.Pattern[str]:
    runs = re.findall(r"[A-Za-z]+|\d+|[^A-Za-z\d]+", name.removeprefix("v") if is_version(name) else name)
    parts = []
    for index, run in enumerate(runs):
        if run.isalnum():
            if index and runs[index - 1].isalnum():
                parts.append(r"[\s\-_]?")
            parts.append(re.escape(run))
        else:
            parts.append(r"[\s\-_]?" if run in "-_" else re.escape(run))
    # A longer number is another name; a longer article number (LM3-PRO-EU) is one of the same.
    return re.compile(rf"(?<![^\W_])v?{''.join(parts)}(?![^\W_])(?!\.\d)", re.IGNORECASE)
