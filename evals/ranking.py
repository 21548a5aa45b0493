"""How well the search orders pages, whole and by each leg alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evals import metrics
from evals.metrics import Figure
from svc_retrieval.results import Found, Result

FUSED, LEXICAL, VECTOR = "fused", "lexical", "vector"
LEGS = (FUSED, LEXICAL, VECTOR)
NAMES = ("ndcg_at_10", "hit_at_1", "hit_at_5", "recall_at_20")


@dataclass
class RankingFigures:
    """What was counted so far, by leg: one value a query for each of NAMES."""

    values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: {leg: {name: [] for name in NAMES} for leg in LEGS}
    )

    def count(self, result: Result, gains: Mapping[str, float], doc_ids: Mapping[str, str]) -> None:
        """Counts one search against its judgments; `doc_ids` names the page of each uri."""
        for leg in LEGS:
            ranked = pages(in_order(result, leg), doc_ids)
            found = self.values[leg]
            found["ndcg_at_10"].append(metrics.ndcg(ranked, gains, 10))
            found["hit_at_1"].append(metrics.hit(ranked, gains, 1))
            found["hit_at_5"].append(metrics.hit(ranked, gains, 5))
            found["recall_at_20"].append(metrics.recall(ranked, gains, 20))

    def figures(self, leg: str = FUSED) -> dict[str, Figure]:
        """Means with their intervals."""
        return {name: metrics.mean(values) for name, values in self.values[leg].items()}


def in_order(result: Result, leg: str) -> Sequence[Found]:
    """What a leg would show alone; of what it did not see, nothing."""
    if leg == LEXICAL:
        return sorted((each for each in result.found if each.signals.bm25 > 0), key=lambda each: -each.signals.bm25)
    if leg == VECTOR:
        seen = [each for each in result.found if each.signals.cosine is not None]
        return sorted(seen, key=lambda each: -(each.signals.cosine or 0.0))
    return result.found


def pages(found: Iterable[Found], doc_ids: Mapping[str, str]) -> list[str]:
    """The pages, each where its best passage stands; those of folded passages behind the one that stands for them, as
    the pack names them: which of two pages with the same text was judged is chance."""
    uris = (uri for each in found for uri in (each.passage.uri, *(copy.uri for copy in each.folded)))
    return list(dict.fromkeys(doc_ids[uri] for uri in uris))
