import json
from pathlib import Path
from typing import Any

import pytest

from evals.sets import SetUnusable, part_of, read_set


def write(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    (folder / name).write_text("".join(json.dumps(each) + "\n" for each in rows))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "corpus.jsonl", {"doc_id": "d1", "title": "T", "text": "x"}, {"doc_id": "d2", "text": "y"})
    write(
        tmp_path,
        "queries.jsonl",
        {"query_id": "q1", "text": "x?", "answerable": True},
        {"query_id": "q2", "text": "and then?", "history": ["x?", {"speaker": "agent", "text": "Yes."}]},
    )
    (tmp_path / "qrels.tsv").write_text("query_id\tdoc_id\tscore\nq1\td1\t1\nq1\td2\t0\n")
    write(tmp_path, "answers.jsonl", {"query_id": "q1", "answers": ["x"]})
    return tmp_path


def test_a_folder_is_read(folder: Path) -> None:
    found = read_set(folder)
    assert [(each.doc_id, each.title) for each in found.documents] == [("d1", "T"), ("d2", "")]
    assert [each.answerable for each in found.queries] == [True, None]
    assert found.queries[1].history == ("x?",)
    assert found.relevant == {"q1": {"d1": 1.0}}
    assert found.answers == {"q1": ["x"]}


def test_claims_alone_are_a_set(tmp_path: Path) -> None:
    labels = ("supported", "unsupported", "generic")
    write(
        tmp_path,
        "claims.jsonl",
        *({"question": "q", "answer": "a", "evidence": ["e"], "label": label} for label in labels),
    )
    assert [each.supported for each in read_set(tmp_path).claims] == [True, False, None]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetUnusable, match=r"neither"):
        read_set(tmp_path)
    (tmp_path / "corpus.jsonl").write_text('{"doc_id": "d1", "text": "x"}\n{"doc_id"\n')
    with pytest.raises(SetUnusable, match=r"corpus.jsonl:2: not JSON"):
        read_set(tmp_path)
    write(tmp_path, "corpus.jsonl", {"doc_id": "d1"})
    with pytest.raises(SetUnusable, match=r"corpus.jsonl:1: no text"):
        read_set(tmp_path)


def test_samples_are_the_same_each_time_and_parts_share_nothing(tmp_path: Path) -> None:
    write(tmp_path, "corpus.jsonl", {"doc_id": "d", "text": "x"})
    write(tmp_path, "queries.jsonl", *({"query_id": f"q{n}", "text": "x?"} for n in range(200)))
    whole = read_set(tmp_path)
    assert whole.sampled(20).queries == whole.sampled(20).queries
    dev, test = ({each.query_id for each in whole.sampled(0, part=part).queries} for part in ("dev", "test"))
    assert not dev & test
    assert dev | test == {each.query_id for each in whole.queries}
    assert 60 < len(dev) < 140
    assert part_of("q1") == part_of("q1")
