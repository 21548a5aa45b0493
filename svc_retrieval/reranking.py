"""A second reader's order of the best passages. It can hold a passage down, never lift one: the gate judges by scores,
and a model that nobody calibrated must not make it laxer."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from meshkit.models.errors import ChatError, ChatMalformed, ChatTimeout
from meshkit.models.reranking import Reranker
from meshkit.telemetry import counter, get_logger
from svc_retrieval.ranking import Ranking
from svc_retrieval.results import APPROVED_RECORD, Found, Outcome, Reranked
from svc_retrieval.scoring import ranks
from svc_retrieval.store.search import Passage

log = get_logger(__name__)

RERANKED = counter("groundline_rerank_total", "Searches whose best passages were to be reranked.", ["outcome"])


@dataclass(frozen=True)
class Reranking:
    """The `most` best passages in the order of `reranker`, if that answers within `deadline_s` seconds; else as they
    were. Approved records keep their place: they are matched by the wordings they were approved for."""

    reranker: Reranker
    most: int = 20
    deadline_s: float = 1.0

    def config_id(self, ranking: Ranking) -> str:
        """The ranking's id, and a digest of what this adds to it."""
        digest = hashlib.sha256(f"{self.reranker.name} {self.most}".encode()).hexdigest()[:12]
        return f"{ranking.config_id}+rerank:{digest}"

    async def order(self, query: str, found: Sequence[Found]) -> tuple[list[Found], Reranked]:
        """`found` (in any order) with scores that make the model's order; never raises for the model's sake."""
        started = time.perf_counter()
        ordered = sorted(found, key=lambda each: -each.score)
        best = [each for each in ordered if each.passage.kind != APPROVED_RECORD][: self.most]
        outcome, after = Outcome.OK, list(found)
        try:
            # The model's own deadline, and ours around it: a search must not hang on what only orders.
            async with asyncio.timeout(self.deadline_s):
                texts = [_text(each.passage) for each in best]
                values = await self.reranker.scores(query, texts, deadline_s=self.deadline_s)
            after = _reordered(ordered, best, values)
        except (ChatTimeout, TimeoutError):
            outcome = Outcome.TIMEOUT
        except ChatMalformed:
            outcome = Outcome.MALFORMED
        except ChatError:
            outcome = Outcome.UNAVAILABLE
        RERANKED.labels(outcome.value).inc()
        duration_ms = (time.perf_counter() - started) * 1000
        if outcome is not Outcome.OK:
            log.warning("rerank_failed", outcome=outcome.value, model=self.reranker.name, passages=len(best))
        return after, Reranked(self.reranker.name, len(best), duration_ms, outcome)


def _reordered(ordered: Sequence[Found], best: Sequence[Found], values: Sequence[float]) -> list[Found]:
    """Each of `best` scores at most what it did, and at most what stands before it by `values`; the others, at most
    what the last of them does."""
    signals = {
        each.passage.chunk_id: (value, place) for each, value, place in zip(best, values, ranks(values), strict=True)
    }
    by_value = sorted(best, key=lambda each: (-signals[each.passage.chunk_id][0], -each.score))
    after: list[Found] = []
    bound = 1.0
    for each in by_value:
        bound = min(bound, each.score)
        after.append(replace(each, score=bound, rerank=signals[each.passage.chunk_id]))
    for each in ordered:
        if each.passage.kind == APPROVED_RECORD:
            after.append(each)
        elif each.passage.chunk_id not in signals:
            after.append(replace(each, score=min(each.score, bound)))
    return after


def _text(passage: Passage) -> str:
    over = (passage.title, *(passage.metadata.get("heading_path") or ()))
    return "\n".join((*dict.fromkeys(str(each) for each in over if each), passage.text))
