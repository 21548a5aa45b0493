"""What a search found, and what is to be said of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

from meshkit.ids import new_id
from svc_retrieval.folding import Folded
from svc_retrieval.scoring import Signals, Term
from svc_retrieval.store.search import Passage

APPROVED_RECORD = "approved_record"


class Outcome(Enum):
    """How it went; also the metric's label."""

    OK = "ok"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Reranked:
    """What is to be said of it. `passages` were sent; `duration_ms` is in milliseconds."""

    model: str
    passages: int
    duration_ms: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found. `score` orders the pack, 0 to 1; `fused` is the same before a newer page or a
    reranker bounded it.
    `ranks` are its places among all that were read, by bm25, cosine, coverage, bigram, the title's cosine and fused.
    `folded` are the passages that say no more than this one, which stands for them.
    `rerank` is the reranker's score, on its own scale, and the place by it; None for what it was not shown."""

    passage: Passage
    signals: Signals
    fused: float
    score: float
    ranks: tuple[int, int, int, int, int, int]
    folded: tuple[Folded, ...] = ()
    rerank: tuple[float, int] | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """How one leg went. Times are in milliseconds."""

    name: str
    candidates: int
    top_score: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    """All that is to be said of a search. `corpus_chunks` are those that the principal may read; `terms` are the
    question's words as its best reading, `text_configuration` ("": the knowledge base's own) has them. What is
    `cached` was found earlier, at `retrieved_at`; `total_ms` is of this answer."""

    query: str
    knowledge_base: str
    found: list[Found]
    terms: list[Term]
    legs: list[Leg]
    corpus_chunks: int
    config_id: str
    embedding_model: str
    embedding_ms: float
    total_ms: float
    cached: bool = False
    reranked: Reranked | None = None
    text_configuration: str = ""
    pack_id: UUID = field(default_factory=new_id)
    retrieved_at: datetime = field(default_factory=lambda: datetime.now(UTC))
