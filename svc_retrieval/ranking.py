"""How a search ranks: weights, bounds and stop words, under an id that changes with any of them."""

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property

# What questions to a help desk are full of and documents are not about, as stems; beyond PostgreSQL's own list.
SUPPORT_STOP_LEXEMES = (
    "abl also anybodi anyon could get got hello help hey hi know like may might must need pleas possibl question still "
    "tell thank thx tri us use want way wonder would"
)


@dataclass(frozen=True)
class Ranking:
    """A linear fusion of what each signal says. All weights are ≥ 0; those that apply to a question are scaled to 1.

    BM25 is divided by the greater of the best candidate's and what a passage of average length would have that holds
    every word of the question once: the best of a bad lot must not look like a good one, because the score is compared
    with thresholds over all questions.
    """

    name: str = "lin-1"
    bm25_weight: float = 0.20
    cosine_weight: float = 0.50
    coverage_weight: float = 0.15
    bigram_weight: float = 0.05
    k1: float = 1.2
    b: float = 0.75
    candidates: int = 60
    """Chunks that each leg brings."""
    max_terms: int = 64
    """Words of a question that count: its rarest."""
    max_postings: int = 3000
    """In how many chunks the words that choose the lexical candidates stand together."""
    default_top_k: int = 8
    stop_lexemes: tuple[str, ...] = tuple(SUPPORT_STOP_LEXEMES.split())

    @cached_property
    def config_id(self) -> str:
        """Its name and a digest of all its values."""
        return f"{self.name}:{hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:12]}"
