"""What documents are to each other: a page and its successor, a record and the many ways to ask for it."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
D = TypeVar("D", bound=Hashable)


def best_of_each(items: Sequence[T], key: Callable[[T], Hashable | None], score: Callable[[T], float]) -> list[T]:
    """`items` without those that share a key with one of a higher score. Items whose key is None all stay."""
    best: dict[Hashable, T] = {}
    for item in items:
        found = key(item)
        if found is not None and (found not in best or score(item) > score(best[found])):
            best[found] = item
    return [item for item in items if (found := key(item)) is None or best[found] is item]


def below_successors(scores: Mapping[D, float], successors: Mapping[D, D]) -> dict[D, float]:
    """For each document the most that a passage of it may score: what the best passage of its successor does.

    `scores` are the best of each document that was found. A document without a successor among them may score anything.
    Pages that supersede each other in a ring bound one another, and end alike.
    """
    bounds: dict[D, float] = {}
    for document, own in scores.items():
        bound, seen = own, {document}
        newer = successors.get(document)
        while newer is not None and newer in scores and newer not in seen:
            seen.add(newer)
            bound = min(bound, scores[newer])
            newer = successors.get(newer)
        bounds[document] = bound
    return bounds
