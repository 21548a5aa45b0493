from dataclasses import fields, replace
from typing import Any

import pytest

from svc_retrieval.evidence_cache import EvidenceCache, Key
from svc_retrieval.results import Found, Result
from svc_retrieval.scoring import Signals

from .test_folding import passage

KEY = Key("s", "service:orchestrator", ("public",), "reset?", "default", 8, ("lin-3:0", "minilm"), 7)
OTHER: dict[str, Any] = {
    "session_id": "t",
    "asker": "agent:ada",
    "groups": ("group:staff", "public"),
    "query": "Reset?",
    "knowledge_base": "other",
    "top_k": 9,
    "configuration": ("lin-4:0", "minilm"),
    "index_version": 8,
}


def result(*texts: str) -> Result:
    found = [
        Found(passage(number, text), Signals(1.0, 0.5, 1.0, 0.0), 0.5, 0.5, (1, 1, 1, 1, 1, 1))
        for number, text in enumerate(texts)
    ]
    return Result("reset?", "default", found, [], [], 10, "lin-3:0", "minilm", 1.0, 2.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache(clock: Clock, **bounds: Any) -> EvidenceCache:
    return EvidenceCache(**{"ttl_s": 30, "most_entries": 3, "most_bytes": 100_000} | bounds, clock=clock)


def test_it_is_found_until_it_is_too_old() -> None:
    clock, kept = Clock(), result("a")
    evidence = cache(clock)
    evidence.put(KEY, kept)
    clock.now = 29.9
    assert evidence.get(KEY) is kept
    clock.now = 30
    assert evidence.get(KEY) is None
    assert evidence.size == (0, 0)


@pytest.mark.parametrize("name", [each.name for each in fields(Key)])
def test_whatever_differs_nothing_is_found(name: str) -> None:
    evidence = cache(Clock())
    evidence.put(KEY, result("a"))
    assert evidence.get(replace(KEY, **{name: OTHER[name]})) is None
    assert evidence.get(KEY) is not None


def test_it_is_bounded_in_entries_and_bytes() -> None:
    evidence = cache(Clock())
    keys = [replace(KEY, query=str(number)) for number in range(4)]
    for key in keys[:3]:
        evidence.put(key, result("a"))
    assert evidence.get(keys[0]) is not None
    evidence.put(keys[3], result("a"))
    assert [evidence.get(key) is not None for key in keys] == [True, False, True, True], "the one used last stays"
    for key in keys:
        evidence.put(key, result("x" * 10_000))
        assert evidence.size[1] <= 100_000
    assert evidence.size[0] == 2
    evidence.put(KEY, result("x" * 30_000))
    assert evidence.get(KEY) is None, "larger than all"
    assert evidence.size[0] == 2


def test_it_can_be_switched_off() -> None:
    evidence = cache(Clock(), ttl_s=0)
    evidence.put(KEY, result("a"))
    assert evidence.get(KEY) is None
