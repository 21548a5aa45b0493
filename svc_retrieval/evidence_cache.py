"""What was found a moment ago in the same conversation, as long as nothing has changed: a customer who asks again, or a
turn that is taken again after a failure, need not be searched for twice."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from meshkit.ids import new_id
from meshkit.postgres import Database
from meshkit.telemetry import counter
from svc_retrieval.results import Outcome, Result
from svc_retrieval.search import Search
from svc_retrieval.store import bases

CACHE = counter(
    "groundline_evidence_cache_total", "Searches in a conversation, by whether the cache had them.", ["outcome"]
)

# What a passage takes beside its text: ids, headings, signals, words' places.
_PASSAGE_BYTES = 2048
_FOLDED_BYTES = 512


@dataclass(frozen=True, slots=True)
class Key:
    """All that an answer depends on. `asker` and `groups` say who reads; `index_version` is the knowledge base's."""

    session_id: str
    asker: str
    groups: tuple[str, ...]
    query: str
    knowledge_base: str
    top_k: int
    configuration: tuple[str, ...]
    index_version: int


@dataclass(frozen=True, slots=True)
class _Kept:
    result: Result
    size: int
    until: float


class EvidenceCache:
    """Results for `ttl_s` seconds, at most `most_entries` and about `most_bytes` of them: the ones used last."""

    def __init__(
        self, *, ttl_s: float, most_entries: int, most_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl_s = ttl_s
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._bytes = 0

    @property
    def size(self) -> tuple[int, int]:
        """Entries, and bytes (an estimate from above)."""
        return len(self._kept), self._bytes

    def get(self, key: Key) -> Result | None:
        """What was put under `key`, unless it is too old."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if self._clock() >= kept.until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept.result

    def put(self, key: Key, result: Result) -> None:
        """Keeps `result`; what does not fit is not kept."""
        self._drop(key)
        size = _size(key, result)
        if size > self._most_bytes or self._ttl_s <= 0:
            return
        self._kept[key] = _Kept(result, size, self._clock() + self._ttl_s)
        self._bytes += size
        while self._bytes > self._most_bytes or len(self._kept) > self._most_entries:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size


class ConversationSearch:
    """A search that remembers what it found in a conversation."""

    def __init__(self, search: Search, database: Database, cache: EvidenceCache) -> None:
        self._search = search
        self._db = database
        self._cache = cache

    async def run(
        self, query: str, *, knowledge_base: str, groups: Sequence[str], top_k: int, asker: str, session_id: str
    ) -> Result:
        """As `Search.run`; without `session_id` nothing is remembered. Raises what that does."""
        if not session_id:
            return await self._search.run(query, knowledge_base=knowledge_base, groups=groups, top_k=top_k)
        started = time.perf_counter()
        # Before the search: what changes while it runs must not be kept under the version that the change made.
        async with self._db.connection() as conn:
            version = await bases.index_version(conn, knowledge_base)
        key = Key(
            session_id,
            asker,
            tuple(sorted(set(groups))),
            query,
            knowledge_base,
            top_k,
            self._search.configuration,
            -1 if version is None else version,
        )
        found = self._cache.get(key)
        CACHE.labels("miss" if found is None else "hit").inc()
        if found is not None:
            return replace(found, pack_id=new_id(), cached=True, total_ms=(time.perf_counter() - started) * 1000)
        found = await self._search.run(query, knowledge_base=knowledge_base, groups=groups, top_k=top_k)
        if found.reranked is None or found.reranked.outcome is Outcome.OK:
            # What lacks the reranker's order for a moment is not kept for longer.
            self._cache.put(key, found)
        return found


def _size(key: Key, result: Result) -> int:
    texts = sum(4 * len(each.passage.text) + _PASSAGE_BYTES + _FOLDED_BYTES * len(each.folded) for each in result.found)
    return texts + 8 * len(key.query) + 256 * (len(key.groups) + len(result.terms)) + _PASSAGE_BYTES
