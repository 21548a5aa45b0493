"""Numbers in a text, in one normal form, with the unit that goes with them."""

import re
from dataclasses import dataclass

_UP_TO_TWENTY = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty
"""
_TENS = {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100"}
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_UP_TO_TWENTY.split())} | _TENS
_UNITS = {
    unit: names.split()[0]
    for names in (
        "second seconds sec secs s",
        "minute minutes min mins",
        "hour hours hr hrs h",
        "day days",
        "week weeks",
        "month months",
        "year years",
        "% percent",
        "€ eur euro euros",
        "$ usd dollar dollars",
        "£ gbp pound pounds",
        "kb kilobyte kilobytes",
        "mb megabyte megabytes",
        "gb gigabyte gigabytes",
        "tb terabyte terabytes",
        "ms millisecond milliseconds",
        "mbit/s mbps",
        "gbit/s gbps",
        "mm",
        "cm",
        "m metre metres meter meters",
        "km",
        "g gram grams",
        "kg",
        "w watt watts",
        "v volt volts",
        "°c",
        "dbm",
        "ghz",
        "mhz",
    )
    for unit in names.split()
}
_QUANTITY = re.compile(
    r"(?P<sign>[€$£])?\s?(?<![\w.:/@])(?P<number>\d{4}-\d\d-\d\d(?!\w)|\d+(?:[.,:]\d+)*)(?!\w*\d)"
    r"(?:\s?(?P<unit>%|°C|[€$£]|[A-Za-zµ]+(?:/s)?)(?![\w]))?"
)
_SPELLED = re.compile(rf"\b(?P<number>{'|'.join(_NUMBER_WORDS)})\b(?:[\s-](?P<unit>[A-Za-z]+(?:/s)?))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number at code points `start` to `end`. `unit` is "" where none is known.

    Versions and times keep their shape (`3.6.2`, `02:00`); grouping commas are left out; numbers spelled in English up
    to twenty read as digits.
    """

    value: str
    unit: str
    start: int
    end: int


def quantities(text: str) -> list[Quantity]:
    """The numbers of `text` in order. Digits inside a word (`LM3-PRO`, `E-4012`) are no number."""
    found = [
        Quantity(_normal(each["number"]), _unit(each["sign"] or each["unit"]), each.start("number"), each.end("number"))
        for each in _QUANTITY.finditer(text)
        if not _inside_identifier(text, each.start("number"))
    ]
    found.extend(
        Quantity(_NUMBER_WORDS[each["number"].lower()], _unit(each["unit"]), each.start(), each.end("number"))
        for each in _SPELLED.finditer(text)
        # "One" alone is mostly an article or a pronoun.
        if each["number"].lower() != "one" or _unit(each["unit"])
    )
    return sorted(found, key=lambda each: (each.start, each.end))


def is_unit(word: str) -> bool:
    """Whether `word` is a unit that quantities are given with."""
    return word.lower() in _UNITS


def _normal(number: str) -> str:
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", number):
        return number.replace(",", "")
    if re.fullmatch(r"\d+,\d{1,2}", number):
        return number.replace(",", ".")
    return number


def _unit(name: str | None) -> str:
    return _UNITS.get(name.lower(), "") if name else ""


def _inside_identifier(text: str, start: int) -> bool:
    return start > 1 and text[start - 1] in "-_/" and text[start - 2].isalnum() and not text[start - 2].isdigit()
