"""Knowledge bases of any size that nobody wrote, alike on every machine: words distributed as in real documentation,
and vectors that lie as an embedding model's do.

Text: a page has a topic; a third of its words are its topic's, the others are drawn from the vocabulary as often as
they stand in the documentation that lends it. One word in forty is a rare name, so that the number of different words
goes on growing with the text, and each page has a code of its own. Vectors: few of a model's dimensions are
independent, and neighbours crowd around topics; so a vector is a mixture's draw in 40 dimensions, turned into the
model's by a fixed matrix, with a little noise in all of them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parent.parent.parent
# Where there is real documentation beside the repository, its vocabulary is used; nothing else of it.
DOCUMENTATION = (REPOSITORY.parent / "shared/data/etcd-docs", REPOSITORY / "samples/knowledge")

DIMENSION = 384
BLOCK = 10_000
"""Chunks made at a time; a block depends on the seed and its number alone, so that 10k are the first of 100k."""
CHUNKS_OF_A_PAGE = 8
GROUPS, SHARES = ("tenth", "one", "ten", "rest"), (0.001, 0.009, 0.09, 0.90)
"""The pages are dealt out to these groups by chance, in these shares."""
VISIBLE = {"0.1 %": ("tenth",), "1 %": ("tenth", "one"), "10 %": ("tenth", "one", "ten"),
           "100 %": ("tenth", "one", "ten", "rest")}  # fmt: skip
"""Who sees how much: groups by the share of the chunks that they may read together."""

_LATENT = 40
_TOPICS = 4000
_TOPIC_WORDS = 40
_NAMES = 2_000_000
_WORD = re.compile(r"[a-z]{1,24}")
_SYLLABLES = (
    "ba be bi bo bu da de di do du fa fe ga go ka ke ki ko la le li lo ma me mi mo na ne no pa po ra re ri ro sa"
)
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk with all that is stored of it. `number` counts from 0; `code` stands in the text of its page's first."""

    number: int
    page: int
    group: str
    text: str
    vector: Floats

    @property
    def chunk_id(self) -> UUID:
        """The same on every machine."""
        return UUID(int=(0x7C << 120) | self.number)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and its vector. `source` is the number of the chunk that it was made from."""

    text: str
    vector: Floats
    source: int


def chunk_number(chunk_id: UUID) -> int:
    """The number of the chunk with this id."""
    return chunk_id.int & ((1 << 120) - 1)


def page_id(page: int) -> UUID:
    """A page's doc_id."""
    return UUID(int=(0x7D << 120) | page)


def code(page: int) -> str:
    """The identifier that only this page has."""
    return f"E-{page + 10_000}"


class Synthetic:
    """A generator of chunks and of questions to them."""

    def __init__(self, seed: int = 1, sources: Sequence[Path] = DOCUMENTATION) -> None:
        self._seed = seed
        self.source = next((each for each in sources if each.is_dir()), None)
        if self.source is None:
            raise FileNotFoundError("there is no documentation whose vocabulary could be used")
        counts = Counter(
            word for path in sorted(self.source.rglob("*.md")) for word in _WORD.findall(_text(path).lower())
        )
        ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        self._words = np.array([word for word, _ in ranked], dtype=object)
        shares = np.array([count for _, count in ranked], dtype=np.float64)
        self._unigram = np.cumsum(shares / shares.sum())
        # A topic's own words: seldom the commonest of the language.
        flat = shares**0.5
        flat[:100] = 0
        rng = np.random.default_rng([seed, 1])
        self._topic_words = np.searchsorted(np.cumsum(flat / flat.sum()), rng.random((_TOPICS, _TOPIC_WORDS)))
        self._centres = rng.standard_normal((_TOPICS, _LATENT)).astype(np.float32)
        self._turn = (rng.standard_normal((_LATENT, DIMENSION)) / _LATENT**0.5).astype(np.float32)

    @cached_property
    def vocabulary(self) -> int:
        """How many different words the documentation lends."""
        return len(self._words)

    def chunks(self, count: int) -> Iterator[list[Chunk]]:
        """The first `count` chunks, a block at a time."""
        for first in range(0, count, BLOCK):
            yield self.block(first // BLOCK)[: count - first]

    def block(self, number: int) -> list[Chunk]:
        """A whole block."""
        rng = np.random.default_rng([self._seed, 2, number])
        pages = number * BLOCK // CHUNKS_OF_A_PAGE + np.arange(BLOCK) // CHUNKS_OF_A_PAGE
        of_page = np.arange(BLOCK) // CHUNKS_OF_A_PAGE
        topics = self._zipf(rng, BLOCK // CHUNKS_OF_A_PAGE, _TOPICS)[of_page]
        groups = rng.choice(len(GROUPS), size=BLOCK // CHUNKS_OF_A_PAGE, p=SHARES)[of_page]
        page_drift = rng.standard_normal((BLOCK // CHUNKS_OF_A_PAGE, _LATENT)).astype(np.float32)[of_page]
        latent = self._centres[topics] + 0.5 * page_drift + 0.5 * _normal(rng, BLOCK, _LATENT)
        vectors = self._turned(rng, latent)
        lengths = np.clip(rng.lognormal(4.85, 0.45, BLOCK), 15, 320).astype(int)
        words = self._draw(rng, np.repeat(topics, lengths))
        ends = np.cumsum(lengths)
        made = []
        for at in range(BLOCK):
            page = int(pages[at])
            drawn = words[ends[at] - lengths[at] : ends[at]].tolist()
            if at % CHUNKS_OF_A_PAGE == 0:
                drawn.append(code(page))
            made.append(Chunk(number * BLOCK + at, page, GROUPS[groups[at]], " ".join(drawn), vectors[at]))
        return made

    def questions(self, count: int, *, of: int) -> list[Question]:
        """Questions to the first `of` chunks: some words of one of them, a few that are not, and a vector near its
        own. One in twenty names a code."""
        rng = np.random.default_rng([self._seed, 3, of])
        block = self.block(int(rng.integers(max(of // BLOCK, 1))))[:of]
        asked = []
        for at, chosen in enumerate(rng.integers(len(block), size=count)):
            chunk = block[int(chosen)]
            own = rng.permutation(chunk.text.split())[: int(rng.integers(3, 9))].tolist()
            other = self._words[np.searchsorted(self._unigram, rng.random(4))].tolist()
            named = [code(chunk.page)] if at % 20 == 0 else []
            vector = chunk.vector + 0.5 * _normal(rng, 1, DIMENSION)[0] / DIMENSION**0.5
            asked.append(Question(" ".join([*own, *other, *named]), _unit(vector[None])[0], chunk.number))
        return asked

    def _draw(self, rng: Any, topics: NDArray[np.int64]) -> NDArray[Any]:
        count = len(topics)
        words: NDArray[Any] = self._words[np.searchsorted(self._unigram, rng.random(count))]
        own = rng.random(count) < 0.33
        words[own] = self._words[self._topic_words[topics[own], self._zipf(rng, int(own.sum()), _TOPIC_WORDS)]]
        rare = rng.random(count) < 0.025
        words[rare] = [_name(each) for each in self._zipf(rng, int(rare.sum()), _NAMES)]
        return words

    def _turned(self, rng: Any, latent: Floats) -> Floats:
        return _unit(latent @ self._turn + 0.15 * _normal(rng, len(latent), DIMENSION))

    @staticmethod
    def _zipf(rng: Any, count: int, kinds: int) -> NDArray[np.int64]:
        """Numbers below `kinds`; the n-th is drawn in proportion to 1/n, nearly."""
        drawn: NDArray[np.int64] = (np.exp(rng.random(count) * np.log(kinds + 1)) - 1).astype(np.int64)
        return drawn


def _normal(rng: Any, count: int, dimension: int) -> Floats:
    drawn: Floats = rng.standard_normal((count, dimension), dtype=np.float32)
    return drawn


def _unit(vectors: Floats) -> Floats:
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _name(number: int) -> str:
    syllables = _SYLLABLES.split()
    parts = []
    rest = int(number) + len(syllables)
    while rest:
        rest, part = divmod(rest, len(syllables))
        parts.append(syllables[part])
    return "x" + "".join(parts)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
