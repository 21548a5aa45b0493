"""The lexical leg against BM25 by the book; and what is counted, after inserts and deletes, against what is there."""

import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from pgvector.asyncpg import register_vector

from meshkit import testing
from meshkit.ids import new_id
from meshkit.text.lexemes import identifier_lexemes, index_text, tsvector, word_count
from svc_retrieval import scoring
from svc_retrieval.ranking import Ranking
from svc_retrieval.store.search import LexicalLeg, VectorSpace, by_words

INSERT = f"""
WITH made AS (SELECT id, acl, {tsvector("'english'", "text", "string_to_array(ids, ' ')")} AS vector, text
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) AS u (id, acl_text, text, ids),
    LATERAL (SELECT string_to_array(acl_text, ' ') AS acl) AS a)
INSERT INTO knowledge.doc_chunks
    (chunk_id, doc_id, knowledge_base, acl, chunk_index, text, tsvector_column, word_count)
SELECT id, $1, 'default', acl, row_number() OVER (), text, vector, {word_count("vector")} FROM made
"""
DOCUMENT = """
INSERT INTO knowledge.documents (doc_id, knowledge_base, title, uri, acl_json, media_type, content_sha256, object_key,
    updated_at) VALUES ($1, 'default', 't', $1::uuid::text, '{"groups": []}', 'text/plain', '', '', now())
"""
# For chunks of how many words on average the stored impacts are, whatever these are: see knowledge.term_impacts.
STORED_MEAN = 100
COUNTED = "SELECT lexeme, acl, document_frequency, level_frequencies FROM knowledge.term_stats"
RECOUNTED = """
SELECT i.lexeme, c.acl, count(*) AS document_frequency,
    array(
        SELECT cardinality(array_positions(array_agg(i.level), at)) FROM generate_series(1, 16) AS at ORDER BY at
    ) AS level_frequencies
FROM knowledge.doc_chunks c, knowledge.term_impacts(c.tsvector_column, c.word_count) AS i
GROUP BY 1, 2
"""
# Each question is answered by cells alone, and by reading everything.
BY_CELLS = Ranking(read_all_below=0)
WAYS = {"cells": BY_CELLS, "all": Ranking()}
RNG = Random(7)
WORDS = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(150)]


@dataclass(frozen=True)
class Stored:
    chunk_id: UUID
    acl: str
    text: str


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def reader(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """In retrieval's own role."""
    name = urlsplit(database_url).path.lstrip("/")
    connection = await asyncpg.connect(testing.database_url(database_url, name, user="groundline_retrieval"))
    yield connection
    await connection.close()


def some_chunks(count: int, acls: Sequence[str]) -> list[Stored]:
    """Words by Zipf, lengths from 5 to 150."""
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    return [
        Stored(new_id(), RNG.choice(acls), " ".join(RNG.choices(WORDS, weights, k=RNG.randint(5, 150))))
        for _ in range(count)
    ]


async def put(owner: asyncpg.Connection, chunks: Sequence[Stored]) -> UUID:
    doc_id = new_id()
    await owner.execute(DOCUMENT, doc_id)
    await owner.execute(
        INSERT,
        doc_id,
        [each.chunk_id for each in chunks],
        [each.acl for each in chunks],
        [index_text(each.text) for each in chunks],
        [" ".join(identifier_lexemes(each.text)) for each in chunks],
    )
    return doc_id


async def ask(reader: asyncpg.Connection, question: str, groups: Sequence[str], ranking: Ranking) -> LexicalLeg:
    found = await by_words(reader, question, knowledge_base="default", groups=groups, ranking=ranking)
    assert found is not None
    return found


def by_the_book(chunks: Sequence[Stored], question: str, groups: Sequence[str], mean: float = 0.0) -> dict[UUID, float]:
    """BM25 of all visible chunks that share a word with the question; for chunks of `mean` words on average (0: of as
    many as the visible ones have). Words here are their own stems."""
    visible = {each.chunk_id: Counter(each.text.split()) for each in chunks if set(each.acl.split()) & set(groups)}
    mean = mean or sum(held.total() for held in visible.values()) / len(visible)
    scores: Counter[UUID] = Counter()
    for word in set(question.split()):
        df = sum(word in held for held in visible.values())
        idf = math.log(1 + (len(visible) - df + 0.5) / (df + 0.5))
        for chunk_id, held in visible.items():
            if tf := held[word]:
                scores[chunk_id] += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * held.total() / mean))
    return dict(scores)


@pytest.mark.parametrize("way", WAYS)
async def test_the_leg_is_bm25_by_the_book_for_every_audience(
    owner: asyncpg.Connection, reader: asyncpg.Connection, way: str
) -> None:
    chunks = some_chunks(600, ["public", "a", "b", "a b"])
    await put(owner, chunks)
    for groups in (["public"], ["public", "a"], ["b"]):
        for _ in range(5):
            question = " ".join(RNG.sample(WORDS, 4))
            leg = await ask(reader, question, groups, WAYS[way])
            set_right = (1.3 + 0.9 * leg.mean_words / STORED_MEAN) / 2.2
            stored = by_the_book(chunks, question, groups, mean=STORED_MEAN)
            wanted = {each: score * set_right for each, score in stored.items()}
            best = sorted(wanted, key=lambda each: -wanted[each])[:10]
            found = leg.scores
            assert set(found) <= set(wanted), "only what the principal may read"
            assert found == {each: pytest.approx(wanted[each], rel=1e-5) for each in found}
            assert sorted((found[each] for each in found), reverse=True)[:10] == pytest.approx(
                [wanted[each] for each in best], rel=1e-5
            )


async def test_what_is_read_of_the_candidates_makes_bm25_exact(
    owner: asyncpg.Connection, reader: asyncpg.Connection
) -> None:
    """Chunks of nine words on average, where the leg's constant is furthest from the truth."""
    chunks = [replace(each, text=" ".join(each.text.split()[:12])) for each in some_chunks(800, ["public", "a"])]
    await put(owner, chunks)
    await register_vector(reader)
    ranking, hits, total = Ranking(), 0, 0
    for _ in range(20):
        question = " ".join(RNG.sample(WORDS[:60], 4))
        wanted = by_the_book(chunks, question, ["public"])
        best = sorted(wanted, key=lambda each: -wanted[each])[:10]
        leg = await ask(reader, question, ["public"], ranking)
        hits, total = hits + len(set(best) & set(leg.scores)), total + len(best)
        passages = await VectorSpace("any", 384).passages(
            reader,
            list(leg.scores),
            knowledge_base="default",
            groups=["public"],
            lexemes=[each.lexeme for each in leg.terms],
            vector=np.ones(384, dtype=np.float32),
        )
        assert {each.chunk_id for each in passages} == set(leg.scores)
        exact = {
            each.chunk_id: scoring.bm25(
                leg.terms, each.held, words=each.word_count, mean_words=leg.mean_words, ranking=ranking
            )
            for each in passages
        }
        assert exact == {each: pytest.approx(wanted[each]) for each in exact}
        assert exact != {each: pytest.approx(leg.scores[each]) for each in exact}, "the control: the leg's are not"
    assert hits / total > 0.98


async def test_few_postings_still_find_most_of_the_best(owner: asyncpg.Connection, reader: asyncpg.Connection) -> None:
    """With a tenth of all postings read. The control reads as few of the words' least telling chunks."""
    chunks = some_chunks(2000, ["public"])
    await put(owner, chunks)
    few = replace(BY_CELLS, max_postings=300)
    hits = more_hits = total = 0
    for _ in range(20):
        question = " ".join(RNG.sample(WORDS[:40], 4))
        wanted = by_the_book(chunks, question, ["public"])
        floor = sorted(wanted.values(), reverse=True)[9]
        found = (await ask(reader, question, ["public"], few)).scores
        assert len(wanted) > 900
        hits += sum(wanted[each] >= floor for each in found)
        # A base ten times as large as that: twice as many are read.
        more = (await ask(reader, question, ["public"], replace(few, postings_grow_from=200))).scores
        more_hits += sum(wanted[each] >= floor for each in more)
        total += 10
    assert hits / total > 0.85
    assert more_hits > hits


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_forbidden_changes_nothing(
    owner: asyncpg.Connection, reader: asyncpg.Connection, way: str
) -> None:
    """Not with the fewest postings, either, where every chunk more could take another's place."""
    ranking = replace(WAYS[way], max_postings=50)
    await put(owner, some_chunks(400, ["public"]))
    questions = [" ".join(RNG.sample(WORDS[:30], 3)) for _ in range(10)]
    before = [await ask(reader, each, ["public"], ranking) for each in questions]
    hidden = some_chunks(400, ["secret"])
    await put(owner, hidden)
    assert [await ask(reader, each, ["public"], ranking) for each in questions] == before
    await put(owner, [replace(each, chunk_id=new_id(), acl="public") for each in hidden])
    after = [await ask(reader, each, ["public"], ranking) for each in questions]
    assert all(one != other for one, other in zip(before, after, strict=True)), "the control: seen, they change all"


async def test_counts_follow_inserts_and_deletes_in_their_transaction(
    owner: asyncpg.Connection, reader: asyncpg.Connection
) -> None:
    first = some_chunks(200, ["public", "a"])
    await put(owner, first)
    gone = await put(owner, [replace(each, chunk_id=new_id(), text=f"{each.text} vanishing") for each in first])
    assert (await ask(reader, "vanishing", ["public"], BY_CELLS)).scores
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("DELETE FROM knowledge.doc_chunks WHERE doc_id = $1", gone)
    assert (await ask(reader, "vanishing", ["public"], BY_CELLS)).scores, "not before the commit"
    await transaction.commit()
    for ranking in WAYS.values():
        assert not (await ask(reader, "vanishing", ["public", "a"], ranking)).scores
    counted = {(row["lexeme"], tuple(row["acl"])): tuple(row)[2:] for row in await owner.fetch(COUNTED)}
    recounted = {(row["lexeme"], tuple(row["acl"])): tuple(row)[2:] for row in await owner.fetch(RECOUNTED)}
    assert counted == recounted
    assert ("vanishing", ("public",)) not in counted
    terms = await owner.fetchval("SELECT count(*) FROM knowledge.chunk_terms")
    assert terms == await owner.fetchval("SELECT count(*) FROM knowledge.doc_chunks") == 200


@pytest.mark.parametrize("code", ["E-4012", "LM3-PRO-EU", "3.6.1"])
async def test_an_identifier_is_found_among_many(
    owner: asyncpg.Connection, reader: asyncpg.Connection, code: str
) -> None:
    chunks = some_chunks(1000, ["public"])
    marked = replace(chunks[500], text=f"{chunks[500].text} {code}")
    await put(owner, [*chunks[:500], marked, *chunks[501:]])
    question = f"{' '.join(WORDS[:8])} {code}"
    scores = (await ask(reader, question, ["public"], replace(BY_CELLS, max_postings=100))).scores
    assert max(scores, key=lambda each: scores[each]) == marked.chunk_id
