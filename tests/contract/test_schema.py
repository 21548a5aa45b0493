"""The schema that people read is the one that migrations make, with every access path that the requirement names."""

import re

import pytest

from tools.schema_snapshot import SNAPSHOT, snapshot


@pytest.fixture(scope="module")
def made() -> str:
    return snapshot()


def test_the_snapshot_equals_all_migrations(made: str) -> None:
    assert SNAPSHOT.read_text(encoding="utf-8") == made, "run `make schema` and commit db/schema.sql"


def test_every_table_of_the_requirement_is_there(made: str) -> None:
    tables = set(re.findall(r"^CREATE TABLE (\w+\.\w+) ", made, re.MULTILINE))
    wanted = {
        "conversation.sessions",
        "conversation.messages",
        "conversation.events",
        "ticketing.tickets",
        "ticketing.ticket_comments",
        "knowledge.documents",
        "knowledge.doc_chunks",
        "knowledge.doc_embeddings",
        "knowledge.case_summaries",
        "messaging.outbox",
    }
    assert wanted <= tables


@pytest.mark.parametrize(
    "index",
    [
        r"conversation\.messages USING btree \(session_id, created_at\)",
        r"conversation\.events USING btree \(session_id, created_at\)",
        r"ticketing\.tickets USING btree \(session_id\)",
        r"ticketing\.tickets USING btree \(status, updated_at\)",
        r"knowledge\.doc_chunks USING gin \(tsvector_column\)",
    ],
)
def test_every_index_of_the_requirement_is_there(made: str, index: str) -> None:
    assert re.search(rf"^CREATE INDEX \w+ ON {index};", made, re.MULTILINE)


def test_every_constraint_has_a_name_that_says_what_it_is_for(made: str) -> None:
    names = re.findall(r"CONSTRAINT (\w+)", made)
    assert len(names) > 40
    assert not [each for each in names if re.search(r"\d$|_check\d", each)]


def test_each_service_has_the_least_grants(made: str) -> None:
    granted = re.findall(r"^GRANT (.+?) ON TABLE (\w+)\.(\w+) TO groundline_(\w+);", made, re.MULTILINE)
    rooms = {(role, schema) for _, schema, _, role in granted}
    assert ("retrieval", "conversation") not in rooms
    assert ("retrieval", "ticketing") not in rooms
    assert ("ticketing", "conversation") not in rooms
    assert ("workers", "conversation") not in rooms
    assert ("gateway", "knowledge") not in rooms
    assert not [each for each in granted if each[3] == "evaluator"]
    # Only who empties a room may delete: nobody deletes what a customer said.
    assert {(role, table) for rights, _, table, role in granted if "DELETE" in rights} == {
        ("retrieval", "doc_chunks"),
        # What it says of itself, and takes back when it stops.
        ("retrieval", "model_servers"),
        ("workers", "doc_chunks"),
        ("workers", "doc_embeddings"),
        ("workers", "outbox"),
        ("workers", "inbox"),
        # Request ids, by their age.
        ("workers", "answered_requests"),
    }
