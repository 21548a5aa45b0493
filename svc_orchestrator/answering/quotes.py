"""Where a quote stands in a text, if it stands there."""

import re

_WORD = re.compile(r"[^\W_]+")
_LEAST_CHARS = 3


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """The code points of `quote` in `text`, half-open: as written, else word by word, whatever their case, white space
    and punctuation. None if it is not there, or says nothing."""
    quote = quote.strip()
    if len(quote) < _LEAST_CHARS:
        return None
    at = text.find(quote)
    if at >= 0:
        return at, at + len(quote)
    wanted = [each[0].lower() for each in _WORD.finditer(quote)]
    if not wanted:
        return None
    there = list(_WORD.finditer(text))
    found = [each[0].lower() for each in there]
    for first in range(len(found) - len(wanted) + 1):
        if found[first : first + len(wanted)] == wanted:
            return there[first].start(), there[first + len(wanted) - 1].end()
    return None
