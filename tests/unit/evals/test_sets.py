import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from evals.sets import Document, SetUnusable, part_of, read_set
from evals.submitting import MOST_BYTES, to_corpus


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


def test_copies_to_the_letter_count_as_one_page(folder: Path) -> None:
    """Which of them somebody judged is chance. Another title, or another letter, is another page."""
    rows = [("d1", "T", "x"), ("d2", "T", "x"), ("d3", "U", "x"), ("d4", "T", "X"), ("d5", "T", "x")]
    write(folder, "corpus.jsonl", *({"doc_id": name, "title": title, "text": text} for name, title, text in rows))
    (folder / "qrels.tsv").write_text("q1\td2\t1\nq1\td5\t3\nq1\td4\t1\n")
    found = read_set(folder)
    assert [each.page for each in found.documents] == ["d1", "d1", "d3", "d4", "d1"]
    assert found.relevant == {"q1": {"d1": 3.0, "d4": 1.0}}
    corpus = to_corpus(found.documents)
    assert len(corpus.submissions) == 5, "the product is given all of them"
    assert corpus.doc_ids == {"d1": "d1", "d2": "d1", "d3": "d3", "d4": "d4", "d5": "d1"}
    assert found.remarks == ["documents that are copies of another one to the letter, each counted as that one: 2"]


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


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("corpus.jsonl", b'{"doc_id": "a", "text": "x"}\n\n[1]\n', r"corpus.jsonl:3: not an object"),
        (
            "corpus.jsonl",
            b'{"doc_id": "a", "text": "x"}\n{"doc_id": "b", "text": "\xfc"}\n',
            r"corpus.jsonl:2: not UTF-8",
        ),
        (
            "corpus.jsonl",
            b'{"_id": "a", "contents": "x"}\n',
            r"corpus.jsonl:1: no doc_id, text \(it has _id, contents\)",
        ),
        (
            "queries.jsonl",
            b'{"query_id": "1", "text": "x", "answerable": "perhaps"}\n',
            r"queries.jsonl:1: answerable is",
        ),
        ("qrels.tsv", b"query_id\tdoc_id\tscore\nq1\td1\tmany\n", r"qrels.tsv:2: not query_id"),
        ("qrels.tsv", b"q1\td1\tnan\n", r"qrels.tsv:1: not query_id"),
    ],
)
def test_a_bad_line_is_told_with_its_place(folder: Path, name: str, content: bytes, told: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(SetUnusable, match=told):
        read_set(folder)


def test_gzipped_files_serve_and_a_cut_one_is_told(folder: Path) -> None:
    plain = (folder / "corpus.jsonl").read_bytes()
    (folder / "corpus.jsonl").unlink()
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain))
    assert [each.doc_id for each in read_set(folder).documents] == ["d1", "d2"]
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(plain)[:30])
    with pytest.raises(SetUnusable, match=r"corpus.jsonl.gz:\d+: can't be read"):
        read_set(folder)


def test_what_is_left_out_is_said(folder: Path) -> None:
    write(
        folder, "corpus.jsonl", {"doc_id": "d1", "text": "x"}, {"doc_id": "d1", "text": "y"}, {"doc_id": 3, "text": "z"}
    )
    write(
        folder,
        "queries.jsonl",
        {"query_id": "q1", "text": "x\0?", "answerable": "false"},
        {"query_id": "q1", "text": "again"},
        {"query_id": "q2", "text": " "},
    )
    (folder / "qrels.tsv").write_text("q1 0 d1 2\nq1\tgone\t1\nq9\td1\t1\n")
    found = read_set(folder)
    assert [(each.doc_id, each.text) for each in found.documents] == [("d1", "x"), ("3", "z")]
    assert [(each.query_id, each.text, each.answerable) for each in found.queries] == [("q1", "x ?", False)]
    assert found.relevant == {"q1": {"d1": 2.0, "gone": 1.0}}
    assert len(found.remarks) == 5


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ("How?", ("How?",)),
        ([{"role": "user", "content": "How?"}, {"role": "assistant", "content": "So."}], ("How?",)),
        (["user: How?", "agent: So.", "Why: because"], ("How?", "Why: because")),
        ([["How?", "So."]], ("How?",)),
        (None, ()),
    ],
)
def test_a_history_is_what_the_customer_said(folder: Path, history: Any, said: tuple[str, ...]) -> None:
    write(folder, "queries.jsonl", {"query_id": "q", "text": "x", "history": history})
    assert read_set(folder).queries[0].history == said


def test_every_document_becomes_one_that_the_product_takes() -> None:
    long = "A sentence about valves. " * (MOST_BYTES // 20)
    corpus = to_corpus(
        [
            Document("plain", "T", "x"),
            Document("with blanks", "", "The first words"),
            Document("long", "L", long),
            Document("own", "O", "---\nacl: [nobody]\n---\nx"),
        ]
    )
    assert len({each.uri for each in corpus.submissions}) == len(corpus.submissions) == len(corpus.doc_ids)
    assert corpus.submissions[0].uri == "plain"
    assert corpus.submissions[1].title == "The first words"
    parts = [each for each in corpus.submissions if corpus.doc_ids[each.uri] == "long"]
    assert len(parts) > 1
    assert "".join(each.content.decode() for each in parts) == long
    assert max(len(each.content) for each in parts) <= MOST_BYTES
    # Not obeyed as the document's own access list.
    assert not corpus.submissions[-1].content.startswith(b"---")
