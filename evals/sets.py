"""Question sets in a folder: documents, questions, judgments, answers and claims, all as JSON lines or TSV."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from evals.set_files import SetUnusable, answerable_of, judgments, rows, supported_of, text_of, there

__all__ = ["DEV", "SEED", "TEST", "Document", "EvalSet", "LabelledClaim", "Query", "SetUnusable", "part_of", "read_set"]

DEV, TEST = "dev", "test"
SEED = 20_261_122
_CUSTOMER = frozenset({"user", "customer", "human", "questioner", "client", "visitor"})
_OTHERS = frozenset({"agent", "assistant", "bot", "system", "answerer", "model"})
_SPEAKER = re.compile(r"^\|?(\w+)\|?\s*:\s*")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """A page of the set's corpus. `copy_of` is the id of the first one that is the same to the letter, if there is one:
    which of the two somebody judged is chance, so both count as that one."""

    doc_id: str
    title: str
    text: str
    copy_of: str = ""

    @property
    def page(self) -> str:
        """The id that it counts as."""
        return self.copy_of or self.doc_id


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
    """A set. `relevant` are judged documents with their gain (> 0), `answers` right answers, each by query id.

    `remarks` say what in the folder was left out, or taken otherwise than it was perhaps meant.
    """

    name: str
    documents: Sequence[Document]
    queries: Sequence[Query]
    relevant: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    claims: Sequence[LabelledClaim] = ()
    remarks: Sequence[str] = ()

    def sampled(self, most: int, *, part: str = "", seed: int = SEED) -> "EvalSet":
        """At most `most` queries and claims (0: all) of one part ("": both), the same for the same seed."""
        queries = [each for each in self.queries if part in ("", each.part)]
        claims = [each for each in self.claims if part in ("", part_of(each.claim_id))]
        return replace(self, queries=_some(queries, most, seed), claims=_some(claims, most, seed))


def drawn(eval_set: EvalSet, queries: int, documents: int) -> EvalSet:
    """A small set out of a large one, the same each time: so many queries of the half that may be tuned on, the
    documents that are relevant to them, and other documents up to `documents`."""
    small = eval_set.sampled(queries, part=DEV)
    wanted = {page for each in small.queries for page in eval_set.relevant.get(each.query_id, {})}
    there = [each for each in eval_set.documents if each.doc_id in wanted]
    others = [each for each in eval_set.documents if each.doc_id not in wanted]
    return replace(small, documents=[*there, *_some(others, max(1, documents - len(there)), SEED)])


def part_of(key: str) -> str:
    """The part that an id falls in; half of them fall in each."""
    return (DEV, TEST)[hashlib.sha256(key.encode()).digest()[0] % 2]


def read_set(folder: Path) -> EvalSet:
    """Reads what there is of `corpus.jsonl`, `queries.jsonl`, `qrels.tsv`, `answers.jsonl` and `claims.jsonl`, each as
    it is or gzipped (`corpus.jsonl.gz`).

    Raises SetUnusable where there are neither claims nor a corpus with queries, and for a line that can't be read.
    """
    remarks: Counter[str] = Counter()
    documents = list(_documents(folder, remarks))
    queries = list(_queries(folder, remarks))
    claims = list(_claims(folder, remarks))
    if not claims and not (documents and queries):
        raise SetUnusable(
            f"{folder} holds neither corpus.jsonl with queries.jsonl nor claims.jsonl (nor any of them with .gz): "
            "name a folder in the format of docs/quality.md"
        )
    if bool(documents) != bool(queries):
        remarks["no " + ("queries" if documents else "corpus") + ": only the claims are measured"] += 1
    answers = {
        str(row["query_id"]): [text_of(each) for each in _listed(row["answers"])]
        for _, row in rows(there(folder, "answers.jsonl"), "query_id", "answers")
    }
    pages = {each.doc_id: each.page for each in documents}
    relevant = _relevant(folder, pages, {each.query_id for each in queries}, remarks)
    said = [f"{what}: {count}" if count > 1 else what for what, count in remarks.items()]
    return EvalSet(folder.resolve().name, documents, queries, relevant, answers, claims, said)


def _documents(folder: Path, remarks: Counter[str]) -> Iterator[Document]:
    seen: dict[str, str] = {}
    first: dict[tuple[str, str], str] = {}
    for _, row in rows(there(folder, "corpus.jsonl"), "doc_id", "text"):
        doc_id, title, text = text_of(row["doc_id"]), text_of(row.get("title")).strip(), text_of(row["text"])
        if doc_id in seen:
            same = seen[doc_id] == text
            remarks["documents given twice" if same else "documents of an id already taken, left out"] += 1
            continue
        seen[doc_id] = text
        if not text.strip():
            remarks["documents without text, of which only the title counts"] += 1
        page = first.setdefault((title, text), doc_id)
        if page != doc_id:
            remarks["documents that are copies of another one to the letter, each counted as that one"] += 1
        yield Document(doc_id, title, text if text.strip() else title, copy_of=page if page != doc_id else "")


def _queries(folder: Path, remarks: Counter[str]) -> Iterator[Query]:
    seen: set[str] = set()
    for place, row in rows(there(folder, "queries.jsonl"), "query_id", "text"):
        query_id, text = text_of(row["query_id"]), text_of(row["text"])
        if query_id in seen or not text.strip():
            remarks["queries of an id already taken, left out" if text.strip() else "blank queries, left out"] += 1
            continue
        seen.add(query_id)
        yield Query(query_id, text, answerable_of(row, place), tuple(_said(_listed(row.get("history")))))


def _said(turns: Iterable[Any]) -> Iterator[str]:
    """What the customer said: of plain strings (perhaps with who speaks in front), of turns with a speaker, or of
    pairs of a question and its answer."""
    for turn in turns:
        speaker, text = "user", ""
        if isinstance(turn, str):
            found = _SPEAKER.match(turn)
            named = found is not None and found[1].casefold() in _CUSTOMER | _OTHERS
            speaker, text = (found[1], turn[found.end() :]) if found and named else (speaker, turn)
        elif isinstance(turn, Mapping):
            names = ("text", "content", "utterance", "message", "question", "query")
            speaker = str(turn.get("role") or turn.get("speaker") or turn.get("author") or "user")
            text = next((str(turn[name]) for name in names if turn.get(name)), "")
        elif isinstance(turn, list) and turn:
            text = str(turn[0])
        if speaker.casefold() in _CUSTOMER and text.strip():
            yield text_of(text)


def _claims(folder: Path, remarks: Counter[str]) -> Iterator[LabelledClaim]:
    for index, (_, row) in enumerate(rows(there(folder, "claims.jsonl"), "answer", "evidence")):
        supported, known = supported_of(row.get("label"))
        if not known:
            remarks[f"claims labelled {row.get('label')!r}, which are not counted"] += 1
        evidence = tuple(text_of(each) for each in _listed(row["evidence"]))
        name, question = str(row.get("id", index)), text_of(row.get("question"))
        yield LabelledClaim(name, question, text_of(row["answer"]), evidence, supported)


def _relevant(
    folder: Path, pages: Mapping[str, str], query_ids: set[str], remarks: Counter[str]
) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for query_id, doc_id, score in judgments(there(folder, "qrels.tsv")):
        if query_id not in query_ids:
            remarks["judgments of queries that are not there, left out"] += 1
        elif score > 0:
            if doc_id not in pages:
                remarks["judged documents that are not in the corpus, which nobody can find"] += 1
            page, gains = pages.get(doc_id, doc_id), found.setdefault(query_id, {})
            gains[page] = max(score, gains.get(page, 0.0))
    return found


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _some(items: Sequence[T], most: int, seed: int) -> Sequence[T]:
    if not most or len(items) <= most:
        return items
    chosen = sorted(Random(seed).sample(range(len(items)), most))
    return [items[index] for index in chosen]
