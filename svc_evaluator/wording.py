"""A sentence word for word, with its numbers and denials taken out: what two copies of one sentence differ in."""

from dataclasses import dataclass
from functools import lru_cache

from meshkit.text.quantities import is_unit, quantities
from meshkit.text.words import words
from svc_evaluator.statements import CONDITIONS, MONTHS, NEGATIONS, named_numbers

# What is left of a verb when its "n't" is taken away, where that is not the verb.
_VERBS = {"ca": "can", "wo": "will", "sha": "shall"}
_JOINED = {"cannot": "can"}


@dataclass(frozen=True, slots=True)
class Wording:
    """`words` are all words in small letters, with `#` and its unit for a number and `#month` for a month. `values` are
    those numbers and months, `denials` the places in `words` before which a denial stands, `condition` the place of the
    first `if`, `when` and their like (the number of words without one)."""

    words: tuple[str, ...]
    values: tuple[str, ...]
    denials: tuple[int, ...]
    condition: int


@lru_cache(maxsize=8192)
def wording(sentence: str) -> Wording:
    """Reads `sentence`. The same text gives the same wording."""
    found = words(sentence)
    numbers = {each.start: each for each in quantities(sentence)}
    # The number of `Lumen 2` is no value: another one is another product.
    for named in named_numbers(sentence, found, numbers).values():
        del numbers[named.start]
    said: list[str] = []
    values: list[str] = []
    denials: list[int] = []
    unit, end = "", 0
    for word in found:
        if word.start < end:
            # The rest of a date.
            continue
        text = word.text.lower().replace("’", "'")
        number = numbers.get(word.start)
        if number is not None:
            said.append(f"#{number.unit}")
            values.append(number.value)
            end = number.end
        elif unit and is_unit(text):
            # It is in the number's sign already, as in `2GB`.
            pass
        elif text in MONTHS:
            said.append("#month")
            values.append(text)
        elif text in NEGATIONS and text not in _JOINED:
            denials.append(len(said))
        elif text in _JOINED or text.endswith("n't"):
            plain = _JOINED.get(text) or text.removesuffix("n't")
            said.append(_VERBS.get(plain, plain))
            denials.append(len(said))
        else:
            said.append(text)
        unit = number.unit if number is not None else ""
    condition = next((index for index, each in enumerate(said) if each in CONDITIONS), len(said))
    return Wording(tuple(said), tuple(values), tuple(denials), condition)


def contradict(one: Wording, other: Wording) -> bool:
    """Whether the same words are said with other numbers, or once with a denial more: one that is outside of the
    condition, for what does not hold if something is so may hold if it is not."""
    if one.words != other.words:
        return False
    if one.denials == other.denials:
        return not all(map(_alike, one.values, other.values))
    fewer, more = sorted((one.denials, other.denials), key=len)
    added = [each for each in more if each not in fewer]
    same = one.values == other.values and len(more) == len(fewer) + 1 and len(added) == 1
    return same and added[0] <= one.condition


def _alike(one: str, other: str) -> bool:
    """The same, or the same said less exactly: `3.6` and `3.6.2`."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
