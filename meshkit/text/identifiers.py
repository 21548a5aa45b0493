"""Identifiers in a text: error codes, part numbers, versions. A stemmer takes apart what a person wants as written."""

import re
import unicodedata

MAX_IDENTIFIER_CHARS = 64
MAX_IDENTIFIERS = 256

# Runs of letters and digits joined by single hyphens, points or underscores. What ends a sentence is no part of them.
_IDENTIFIER = re.compile(r"[^\W_]+(?:[-._][^\W_]+)*")
_DIGIT = re.compile(r"\d")
_JOINT_OR_LETTER = re.compile(r"[^\d]")
# Typographic dashes and minus signs, which word processors put where a hyphen was typed.
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"), "-")


def identifiers(text: str) -> list[str]:
    """The identifiers in `text` in small letters, each once, in the order of their first appearance.

    An identifier has at least one digit, and a letter or one of `-._` between: `e-4012`, `lm3-pro-eu`, `v3.6`, `2.10`.
    Longer ones than MAX_IDENTIFIER_CHARS are no identifiers; after MAX_IDENTIFIERS the rest of the text is left out.
    """
    found: dict[str, None] = {}
    for match in identifier_matches(plain_dashes(text)):
        found.setdefault(match[0].lower())
        if len(found) == MAX_IDENTIFIERS:
            break
    return list(found)


def identifier_matches(text: str) -> list[re.Match[str]]:
    """Where identifiers stand in `text`, whose dashes are plain (`plain_dashes`)."""
    return [
        each
        for each in _IDENTIFIER.finditer(text)
        if _DIGIT.search(each[0]) and _JOINT_OR_LETTER.search(each[0]) and len(each[0]) <= MAX_IDENTIFIER_CHARS
    ]


def plain_dashes(text: str) -> str:
    """`text` in Unicode's compatibility form (full-width letters and the like become plain), with plain hyphens."""
    return unicodedata.normalize("NFKC", text).translate(_DASHES)
