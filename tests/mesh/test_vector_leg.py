"""The vector leg: few visible chunks are compared each, many are found by the index; neither way loses what is near."""

import json
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from pgvector import Vector
from pgvector.asyncpg import register_vector

from meshkit import testing
from meshkit.ids import new_id
from svc_retrieval.store.search import VectorSpace
from svc_retrieval.wiring import vector_index_settings, with_server_settings

MODEL, DIMENSION = "spread", 24
ALL, SOME = 3000, 300
SPACE = VectorSpace(MODEL, DIMENSION)
DOCUMENT = """
INSERT INTO knowledge.documents (doc_id, knowledge_base, title, uri, acl_json, media_type, content_sha256, object_key,
    updated_at) VALUES ($1, 'default', 't', 'u', '{"groups": []}', 'text/plain', '', '', now())
"""
CHUNKS = """
INSERT INTO knowledge.doc_chunks (chunk_id, doc_id, knowledge_base, acl, chunk_index, text, tsvector_column, word_count)
SELECT id, $1, 'default', ARRAY[acl], place, 'x', to_tsvector('simple', 'x'), 1
FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS u (id, acl, place)
"""
VECTORS = """
INSERT INTO knowledge.doc_embeddings (chunk_id, embedding_model, embedding_vector, knowledge_base, acl)
SELECT id, 'spread', vector, 'default', ARRAY[acl]
FROM unnest($1::uuid[], $2::text[], $3::vector[]) AS u (id, acl, vector)
"""


class Base:
    """3,000 chunks, of which `some` may read a tenth and `all` every one; retrieval's connection to them."""

    def __init__(self, reader: asyncpg.Connection, owner: asyncpg.Connection) -> None:
        self.reader, self.owner = reader, owner
        rng = np.random.default_rng(11)
        made = rng.normal(size=(ALL, DIMENSION)) + 2 * rng.normal(size=(40, DIMENSION))[rng.integers(0, 40, ALL)]
        self.vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
        self.questions = self.vectors[rng.integers(0, ALL, 20)] + 0.1 * rng.normal(size=(20, DIMENSION)).astype("f4")
        self.ids = [new_id() for _ in range(ALL)]
        self.acls = ["some" if number % (ALL // SOME) == 0 else "all" for number in range(ALL)]

    async def fill(self) -> None:
        doc_id = new_id()
        await self.owner.execute("SELECT knowledge.register_embedding_model($1, $2)", MODEL, DIMENSION)
        await self.owner.execute(DOCUMENT, doc_id)
        await self.owner.execute(CHUNKS, doc_id, self.ids, self.acls)
        await self.owner.execute(VECTORS, self.ids, self.acls, [Vector(each) for each in self.vectors])

    def nearest(self, question: Any, groups: Sequence[str]) -> set[UUID]:
        seen = [number for number, acl in enumerate(self.acls) if acl in groups]
        cosines = self.vectors[seen] @ question
        return {self.ids[seen[at]] for at in np.argsort(-cosines)[:10]}

    async def recall(self, groups: Sequence[str], *, below: int = 10_000, index_cost: float = 2500.0) -> float:
        hits = 0
        for question in self.questions:
            found = await SPACE.nearest(
                self.reader, question, knowledge_base="default", groups=groups, limit=60,
                compare_all_below=below, index_cost=index_cost,
            )  # fmt: skip
            assert len(found) == 60
            assert all(self.acls[self.ids.index(each)] in groups for each in found), "only what may be read"
            hits += len(self.nearest(question, groups) & set(sorted(found, key=lambda each: -found[each])[:10]))
        return hits / 10 / len(self.questions)

    async def by_index(self, groups: Sequence[str], *, below: int = 10_000, index_cost: float = 2500.0) -> bool:
        """Whether the index was read."""
        args = (self.questions[0], "default", list(groups), 60, below, index_cost)
        plan = await self.reader.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {SPACE.sql('vector_leg')}", *args)
        return _reads_index(json.loads(plan)[0]["Plan"])


def _reads_index(node: dict[str, Any]) -> bool:
    if str(node.get("Index Name", "")).startswith("doc_embeddings_hnsw") and node["Actual Loops"] > 0:
        return True
    return any(_reads_index(each) for each in node.get("Plans", ()))


@pytest.fixture
async def base(database_url: str) -> AsyncIterator[Base]:
    name = urlsplit(database_url).path.lstrip("/")
    url = testing.database_url(database_url, name, user="groundline_retrieval")
    owner = await asyncpg.connect(database_url)
    reader = await asyncpg.connect(with_server_settings(url, vector_index_settings(100)))
    for each in (owner, reader):
        await register_vector(each)
    made = Base(reader, owner)
    await made.fill()
    yield made
    await reader.close()
    await owner.close()


async def test_the_cheaper_way_is_taken_and_both_find_what_is_near(base: Base) -> None:
    # Before the table has statistics, only the number of visible chunks counts.
    assert not await base.by_index(["some", "all"])
    assert await base.recall(["some", "all"]) == 1
    await base.owner.execute("ANALYZE knowledge.doc_embeddings")
    # 3,000 of 3,000 cost more than 2,500; of a tenth, the index would have to look at ten times as many.
    assert await base.by_index(["some", "all"])
    assert await base.recall(["some", "all"]) > 0.97
    assert not await base.by_index(["some"])
    assert await base.recall(["some"]) == 1
    # 2,700 of 3,000 by the index are 2,777 comparisons' worth.
    assert not await base.by_index(["all"])


async def test_either_way_can_be_asked_for(base: Base) -> None:
    await base.owner.execute("ANALYZE knowledge.doc_embeddings")
    assert not await base.by_index(["some", "all"], index_cost=math.inf), "as where the index gave up"
    assert await base.recall(["some", "all"], index_cost=math.inf) == 1
    assert await base.by_index(["some"], index_cost=0.0), "filtered, it goes on until enough rows pass"
    assert await base.recall(["some"], index_cost=0.0) > 0.95
    assert await base.by_index(["some"], below=SOME - 1), "never more than so many"
