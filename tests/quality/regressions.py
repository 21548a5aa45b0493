"""What became worse than a stored run by more than chance."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from evals.desk import Desk
from svc_retrieval.results import Result

MORE_IS_BETTER = ("ndcg_at_10", "recall_at_20", "auroc", "answered_rightly")
LESS_IS_BETTER = ("answered_wrongly",)


def figures(found: Mapping[str, Any]) -> dict[str, list[float]]:
    """Of a measured set: each figure with its 95% interval, as the baseline keeps it."""
    kept = {
        name: [found[name], *found["ci95"][name]]
        for name in ("ndcg_at_10", "recall_at_20", "auroc")
        if found[name] is not None
    }
    n, wrong = found["n"]["answerable"] + found["n"]["unanswerable"], found["wrongly_answered"]
    kept["answered_rightly"] = _share(found["answered"] - wrong, n)
    kept["answered_wrongly"] = _share(wrong, n)
    return kept


def regressions(now: Mapping[str, list[float]], before: Mapping[str, list[float]]) -> Iterator[str]:
    """Each figure whose stored value the present interval no longer holds, on the bad side."""
    for name, (stored, *_) in before.items():
        if name not in now:
            yield f"{name}: can't be told any more, stored {stored:.3f}"
            continue
        value, low, high = now[name]
        if (name in MORE_IS_BETTER and high < stored) or (name in LESS_IS_BETTER and low > stored):
            yield f"{name}: {value:.3f} ({low:.3f} to {high:.3f}), stored {stored:.3f}"


def _share(hits: int, n: int) -> list[float]:
    """With Wilson's interval, which is right for few cases and for none."""
    z, share = 1.96, hits / n
    middle, width = share + z * z / (2 * n), z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    low, high = (max(0.0, each) / (1 + z * z / n) for each in (middle - width, middle + width))
    return [round(share, 4), round(low, 4), round(high, 4)]


def turned_round(desk: Desk) -> Callable[..., Awaitable[Result]]:
    """The desk's search with its order turned round: what the guards must see."""
    search = desk.search

    async def turned(*args: Any) -> Result:
        result = await search(*args)
        return replace(result, found=list(reversed(result.found)))

    return turned
