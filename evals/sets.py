"""Question sets in a folder: documents, questions, judgments, answers and claims, all as JSON lines or TSV."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

DEV, TEST = "dev", "test"
SEED = 20_261_122

T = TypeVar("T")


class SetUnusable(Exception):
    """The folder holds no set that can be read; the message names the file, the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Document:
    """A page of the set's corpus."""

    doc_id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question. `answerable` is None where the set does not say; `history` is what the customer said before."""

    query_id: str
    text: str
    answerable: bool | None
    history: tuple[str, ...] = ()

    @property
    def part(self) -> str:
        """`dev`, which may be tuned on, or `test`, which is only reported: decided by the id alone."""
        return part_of(self.query_id)


@dataclass(frozen=True, slots=True)
class LabelledClaim:
    """A sentence with the texts that it should rest on. `supported` is None for one that claims nothing."""

    claim_id: str
    question: str
    answer: str
    evidence: tuple[str, ...]
    supported: bool | None


@dataclass(frozen=True, slots=True)
class EvalSet:
    """A set. `relevant` are judged documents with their gain (> 0), `answers` right answers, each by query id."""

    name: str
    documents: Sequence[Document]
    queries: Sequence[Query]
    relevant: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    claims: Sequence[LabelledClaim] = ()

    def sampled(self, most: int, *, part: str = "", seed: int = SEED) -> "EvalSet":
        """At most `most` queries and claims (0: all) of one part ("": both), the same for the same seed."""
        queries = [each for each in self.queries if part in ("", each.part)]
        claims = [each for each in self.claims if part in ("", part_of(each.claim_id))]
        return replace(self, queries=_some(queries, most, seed), claims=_some(claims, most, seed))


def part_of(key: str) -> str:
    """The part that an id falls in; half of them fall in each."""
    return (DEV, TEST)[hashlib.sha256(key.encode()).digest()[0] % 2]


def read_set(folder: Path) -> EvalSet:
    """Reads what there is of `corpus.jsonl`, `queries.jsonl`, `qrels.tsv`, `answers.jsonl` and `claims.jsonl`.

    Raises SetUnusable where there are neither claims nor a corpus with queries, and for a file that can't be read.
    """
    documents = [
        Document(str(row["doc_id"]), str(row.get("title") or ""), str(row["text"]))
        for row in _rows(folder / "corpus.jsonl", "doc_id", "text")
    ]
    queries = [_query(row) for row in _rows(folder / "queries.jsonl", "query_id", "text")]
    claims = [_claim(index, row) for index, row in enumerate(_rows(folder / "claims.jsonl", "answer", "evidence"))]
    if not claims and not (documents and queries):
        raise SetUnusable(f"{folder} holds neither corpus.jsonl with queries.jsonl nor claims.jsonl")
    answers = {
        str(row["query_id"]): [str(each) for each in row["answers"]]
        for row in _rows(folder / "answers.jsonl", "query_id", "answers")
    }
    return EvalSet(folder.resolve().name, documents, queries, _judgments(folder / "qrels.tsv"), answers, claims)


def _query(row: Mapping[str, Any]) -> Query:
    answerable = row.get("answerable")
    history = tuple(_said(row.get("history") or ()))
    return Query(str(row["query_id"]), str(row["text"]), None if answerable is None else bool(answerable), history)


def _said(turns: Iterable[Any]) -> Iterator[str]:
    """What the customer said, from plain strings or from turns with a speaker."""
    for turn in turns:
        if isinstance(turn, str):
            yield turn
        elif str(turn.get("role") or turn.get("speaker") or "user") in ("user", "customer"):
            yield str(turn.get("text") or turn.get("content") or "")


def _claim(index: int, row: Mapping[str, Any]) -> LabelledClaim:
    label = row.get("label")
    supported = {"supported": True, "unsupported": False, "True": True, "False": False, "1": True, "0": False}
    evidence = row["evidence"] if isinstance(row["evidence"], list) else [row["evidence"]]
    return LabelledClaim(
        str(row.get("id", index)),
        str(row.get("question") or ""),
        str(row["answer"]),
        tuple(map(str, evidence)),
        supported.get(str(label)),
    )


def _judgments(file: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    if not file.exists():
        return found
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split("\t")
        if not line.strip() or (number == 1 and cells[:1] == ["query_id"]):
            continue
        try:
            query_id, doc_id, gain = cells[0], cells[1], float(cells[2])
        except (IndexError, ValueError) as exc:
            raise SetUnusable(f"{file.name}:{number}: not query_id, doc_id and score") from exc
        if gain > 0:
            found.setdefault(query_id, {})[doc_id] = gain
    return found


def _rows(file: Path, *needed: str) -> Iterator[dict[str, Any]]:
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as exc:
                raise SetUnusable(f"{file.name}:{number}: not JSON") from exc
            missing = [name for name in needed if not isinstance(row, dict) or name not in row]
            if missing:
                raise SetUnusable(f"{file.name}:{number}: no {', '.join(missing)}")
            yield row


def _some(items: Sequence[T], most: int, seed: int) -> Sequence[T]:
    if not most or len(items) <= most:
        return items
    chosen = sorted(Random(seed).sample(range(len(items)), most))
    return [items[index] for index in chosen]
