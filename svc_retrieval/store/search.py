"""Searching: one statement for each leg, and one for what they found."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from meshkit.models.vectors import Vectors
from meshkit.postgres import Connection, load_queries
from meshkit.text.lexemes import accented_text, identifier_lexemes, index_text, tsvector
from svc_retrieval.ranking import Ranking
from svc_retrieval.scoring import Positions, Term

_queries = load_queries(__package__, "search.sql")
# Those of a chunk's words that are in an array, as what is left when all others are deleted: half the time of unnesting
# them all and keeping these.
_HELD = "unnest(ts_delete(chunk.tsvector_column, tsvector_to_array(ts_delete(chunk.tsvector_column, {asked}))))"
_LEXICAL = _queries.lexical_leg.replace("{tsvector}", tsvector("corpus.configuration", "$3", "$4"))
_MODEL_NAME = re.compile(r"[\w.@:/+-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LexicalLeg:
    """What the words brought, and what else of the knowledge base a search needs to know. `embedding_model` is the one
    in force ("" before the first); `chunks` and `mean_words` are of the part of the corpus that the principal may read;
    `terms` are the question's words in all text configurations, rarest first; `scores` are about BM25: exact for a
    chunk that is as long as the others are on average, and holds the words once."""

    embedding_model: str
    chunks: int
    mean_words: float
    terms: list[Term]
    scores: dict[UUID, float]

    def terms_in(self, configuration: str) -> list[Term]:
        """The words that a passage of this configuration can hold: identifiers are the same in all."""
        return [each for each in self.terms if each.configuration == configuration or each.is_identifier]


@dataclass(frozen=True, slots=True)
class Passage:
    """A candidate with all that scoring and showing needs. `held` are the question's words in it; `configuration` is
    the one it was stemmed by, "" for the knowledge base's own."""

    chunk_id: UUID
    doc_id: UUID
    chunk_index: int
    text: str
    metadata: Mapping[str, Any]
    acl: tuple[str, ...]
    word_count: int
    held: Mapping[str, Positions]
    cosine: float | None
    title: str
    uri: str
    kind: str
    version: int
    updated_at: datetime
    product_version: str
    superseded_by: UUID | None
    configuration: str = ""


class VectorSpace:
    """The statements for the vectors of one embedding model. Raises ValueError for a name that is no model's."""

    def __init__(self, model: str, dimension: int) -> None:
        check_name(model)
        self.model = model
        self.dimension = dimension

    async def nearest(
        self,
        conn: Connection,
        vector: Vectors,
        *,
        knowledge_base: str,
        groups: Sequence[str],
        limit: int,
        compare_all_below: int,
        index_cost: float,
    ) -> dict[UUID, float]:
        """Cosines of the nearest chunks: exact where no more than `compare_all_below` are visible, and to compare them
        all costs no more than an index search, in comparisons where everything is visible."""
        query = self.sql("vector_leg")
        rows = await conn.fetch(query, vector, knowledge_base, list(groups), limit, compare_all_below, index_cost)
        return {row["chunk_id"]: row["cosine"] for row in rows}

    async def passages(
        self,
        conn: Connection,
        chunk_ids: Sequence[UUID],
        *,
        knowledge_base: str,
        groups: Sequence[str],
        lexemes: Sequence[str],
        vector: Vectors,
    ) -> list[Passage]:
        """The chunks as they are now, those left out that are gone or hidden."""
        query = self.sql("finalists")
        rows = await conn.fetch(query, list(chunk_ids), knowledge_base, list(groups), list(lexemes), vector)
        return [
            Passage(
                chunk_id=row["chunk_id"],
                doc_id=row["doc_id"],
                chunk_index=row["chunk_index"],
                text=row["text"],
                metadata=row["metadata_json"],
                acl=tuple(row["acl"]),
                word_count=row["word_count"],
                held={
                    lexeme: _positions(places)
                    for lexeme, places in zip(row["lexemes"] or (), row["positions"] or (), strict=True)
                },
                cosine=row["cosine"],
                title=row["title"],
                uri=row["uri"],
                kind=row["kind"],
                version=row["indexed_version"],
                updated_at=row["updated_at"],
                product_version=row["product_version"],
                superseded_by=row["superseded_by"],
                configuration=row["configuration"],
            )
            for row in rows
        ]

    def sql(self, name: str) -> str:
        """A statement for this model."""
        # Literals, or the planner could not prove that the model's partial index serves. The name was checked.
        statement = _queries[name].replace("{model}", f"'{self.model}'").replace("{dimension}", str(self.dimension))
        return statement.replace("{held}", _HELD.replace("{asked}", "$4::text[]"))


def check_name(model: str) -> None:
    """Raises ValueError for what can't be the name of an embedding model: it stands in statements as a literal."""
    if not _MODEL_NAME.fullmatch(model):
        raise ValueError(f"{model!r} can't be the name of an embedding model")


async def by_words(
    conn: Connection, query: str, *, knowledge_base: str, groups: Sequence[str], ranking: Ranking
) -> LexicalLeg | None:
    """The best chunks by about BM25; None if there is no such knowledge base."""
    row = await conn.fetchrow(
        _LEXICAL,
        knowledge_base,
        list(groups),
        index_text(query),
        identifier_lexemes(query),
        list(ranking.stop_lexemes),
        ranking.max_terms,
        ranking.max_postings,
        ranking.k1,
        ranking.b,
        ranking.candidates,
        ranking.read_all_below,
        accented_text(query),
        ranking.postings_grow_from,
    )
    if row is None:
        return None
    columns = (row["lexemes"], row["dfs"], row["idfs"], row["positions"], row["configurations"])
    terms = [
        Term(word, df, idf, _positions(places), name) for word, df, idf, places, name in zip(*columns, strict=True)
    ]
    scores = dict(zip(row["chunk_ids"], row["scores"], strict=True))
    return LexicalLeg(row["embedding_model"], row["chunks"], row["mean_words"], terms, scores)


def _positions(places: str | None) -> Positions:
    return tuple(map(int, places.split(","))) if places else ()
