"""A small search among rewritten questions: does a query find its own?

Among them stand the same questions asked about other matters, so that a query without its matter finds nothing, and the
other questions of the conversation, so that one that drowns in what was said before finds those.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from evals.followups.topics import Turn, told
from evals.metrics import Numbers
from evals.sets import SEED
from meshkit.text.words import words

_K1, _B = 1.2, 0.75


def documents(turns: Sequence[Turn], *, copies: int = 10, seed: int = SEED) -> list[str]:
    """The rewritten questions, and of each that a person added words to `copies` with other conversations' words in
    their place ("What are sharks' symptoms?"). Each text once."""
    chance = Random(seed)
    adding = [each for each in turns if each.added]
    found = [each.rewritten for each in turns]
    for turn in adding:
        others = [each for each in adding if each.topic != turn.topic]
        found += [_about(turn, other) for other in chance.sample(others, min(copies, len(others)))]
    return list(dict.fromkeys(found))


def bm25(queries: Sequence[str], found: Sequence[str]) -> Numbers:
    """The Okapi score of each query (rows) for each document, by the stems of all words but stop words."""
    held = [_stems(each) for each in found]
    mean = sum(map(len, held)) / len(held)
    holding: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for column, stems in enumerate(held):
        for stem, count in Counter(stems).items():
            holding[stem].append((column, count))
    scores = np.zeros((len(queries), len(found)))
    for row, query in enumerate(queries):
        for stem in set(_stems(query)) & holding.keys():
            rare = math.log(1 + (len(held) - len(holding[stem]) + 0.5) / (len(holding[stem]) + 0.5))
            for column, count in holding[stem]:
                long = 1 - _B + _B * len(held[column]) / mean
                scores[row, column] += rare * count * (_K1 + 1) / (count + _K1 * long)
    return scores


def places(scores: Numbers, own: Sequence[int]) -> NDArray[np.int64]:
    """The place, from 1, of each row's own column. What scores the same stands before it."""
    mine = scores[np.arange(len(own)), np.asarray(own)]
    return np.asarray((scores >= mine[:, None] - 1e-9).sum(axis=1), dtype=np.int64)


def _about(turn: Turn, other: Turn) -> str:
    """The turn's rewritten question with the words that the other's person added instead of its own."""
    instead = " ".join(each.text for each in words(other.rewritten) if told(each.text) & other.added)
    text, start = "", 0
    for each in words(turn.rewritten):
        if told(each.text) & turn.added:
            text += turn.rewritten[start : each.start] + instead
            instead, start = "", each.end
    return " ".join((text + turn.rewritten[start:]).split())


def _stems(text: str) -> list[str]:
    # Genitives as what they are the genitive of.
    return [stem for each in words(text) for stem in told(each.text)]
