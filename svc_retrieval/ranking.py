"""How a search ranks: weights, bounds and stop words, under an id that changes with any of them."""

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property

# What questions to a help desk are full of and documents are not about, as stems; beyond PostgreSQL's own list.
SUPPORT_STOP_LEXEMES = (
    "abl also anybodi anyon could get got hello help hey hi know like may might must need pleas possibl question still "
    "tell thank thx tri us use want way wonder would"
)


@dataclass(frozen=True, slots=True)
class Weights:
    """What the signals are worth beside a cosine, which counts as it is. All are ≥ 0, and `title_instead` ≤ 1."""

    lexical: float = 0.025
    """A unit (nat) of lexical evidence: half the sum of BM25, of the most idf of the question's words that stand close
    together, and of the idf of its neighbouring words that are neighbours in the passage, too."""
    identifier: float = 0.08
    """A nat of idf of an identifier that stands there as it was asked for."""
    title_cosine: float = 0.2
    title_instead: float = 0.25
    """So much of a passage's own cosine is left to a title that asks: who has written the question down has said better
    what the page answers than the answer does."""
    title_overlap: float = 0.05
    another_version: float = 0.2
    """What a page loses that is for another version than the question names."""


@dataclass(frozen=True)
class Ranking:
    """A linear fusion. Meaning counts as a cosine; words count by how much they tell, in nats, and not at all below
    `least_lexical`: a long question with rare words trusts its words, a short one of everyday words its meaning. (Words
    that are divided by the best passage's tell the best of a bad lot from the others as surely as a good match.)
    """

    name: str = "lin-3"
    weights: Weights = Weights()
    least_lexical: float = 3.5
    """Nats of lexical evidence that chance alone may bring; in a small corpus, where the rarest word tells less, at
    most `least_share` of what such a word tells."""
    least_share: float = 0.8
    most_lexical: float = 30.0
    """Nats beyond these change nothing."""
    most_identifying: float = 6.0
    """Nats of identifiers beyond these change nothing: what else the passages of the right page say must still tell
    them apart."""
    together_span: int = 8
    """Words within which words of the question stand close together."""
    title_finalists: int = 8
    """Passages, best first, whose titles are compared with the question, too."""
    certain: float = 1.6
    """The sum of all signals that scores 1. Sums beyond 0.9 of it approach 1 ever slower, so that they keep their
    order."""
    k1: float = 1.2
    b: float = 0.75
    candidates: int = 60
    """Chunks that each leg brings."""
    finalists: int = 24
    """Chunks at least, of those that both legs brought, that are read and scored by all signals."""
    max_terms: int = 64
    """Words of a question that count: its rarest."""
    max_postings: int = 4000
    """How many chunks the lexical leg looks at: where the question's words tell most."""
    postings_grow_from: int = 100_000
    """Where more chunks are visible, it looks at as many more for every tenfold."""
    read_all_below: int = 3000
    """Up to so many chunks that a principal may read, the lexical leg looks at all of them."""
    compare_all_below: int = 10_000
    """Up to so many chunks that a principal may read, the vector leg compares each of them, unless that costs more than
    its index."""
    index_cost: float = 2500.0
    """What a search in the vector index costs, in comparisons (measured: 2.4 ms, and 0.93 µs each): that many where
    everything is visible, ten times as many where a tenth is."""
    default_top_k: int = 8
    stop_lexemes: tuple[str, ...] = tuple(SUPPORT_STOP_LEXEMES.split())

    @cached_property
    def config_id(self) -> str:
        """Its name and a digest of all its values."""
        return f"{self.name}:{hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:12]}"
