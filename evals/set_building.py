"""A set made of what was asked and answered: turns that the orchestrator exported, in the format that `sets` reads.

What a question is worth is taken from people where they said something, and from the gate's own verdict only where it
answered and nobody objected:

- answered, and not rated as unhelpful: can be answered, from the pages that the answer cites;
- refused, and a person resolved it: can be answered, from the pages found that the person's words repeat; where they
  repeat none, it can't;
- left to people by the policy: can't be answered.

Everything else says nothing for sure, and is left out.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from groundline.conversation.v1 import conversation_pb2
from groundline.evaluation.v1 import reason_code_pb2 as codes
from groundline.orchestration.v1 import turn_export_pb2 as pb
from groundline.retrieval.v1.evidence_pb2 import Evidence
from svc_workers.case_evidence import echoed

_ROLES = {value: name.removeprefix("MESSAGE_ROLE_").lower() for name, value in conversation_pb2.MessageRole.items()}


class SetBuilder:
    """Takes turns, and writes the set."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._queries: list[dict[str, Any]] = []
        self._answers: list[dict[str, Any]] = []
        self._judgments: list[tuple[str, str]] = []
        self._documents: dict[str, dict[str, pb.ExportedPassage]] = {}

    @property
    def queries(self) -> int:
        """How many questions there are."""
        return len(self._queries)

    def summary(self) -> dict[str, int]:
        """How much is in the set, and what became of the turns."""
        return {"documents": len(self._documents), "queries": self.queries, **dict(sorted(self._counts.items()))}

    def add(self, turn: pb.ExportedTurn) -> None:
        """Takes a turn, or counts why it is left out."""
        if turn.outcome == pb.TURN_OUTCOME_NOTICED:
            self._counts["left_out_asked_back"] += 1
        elif turn.outcome == pb.TURN_OUTCOME_ANSWERED:
            if turn.rating == conversation_pb2.RATING_NOT_HELPFUL:
                self._counts["left_out_not_helpful"] += 1
            else:
                uris = {each.doc_id: _name(each) for each in turn.passages}
                self._take(turn, "answered", [uris[each] for each in turn.cited_doc_ids], [turn.answer])
        elif turn.reason == codes.REASON_CODE_POLICY_RESTRICTED:
            self._take(turn, "restricted", [], [])
        elif not turn.replies or not turn.resolved:
            self._counts["left_out_not_resolved"] += 1
        elif not turn.passages:
            self._counts["left_out_nothing_found"] += 1
        else:
            said = "\n\n".join(turn.replies)
            found = [Evidence(doc_uri=_name(each), text=each.text) for each in turn.passages]
            repeated = list(dict.fromkeys(each.uri for each in echoed(said, turn.question, found)))
            self._take(turn, "resolved_from_pages" if repeated else "resolved_without", repeated, [said])

    def _take(self, turn: pb.ExportedTurn, kind: str, relevant: Iterable[str], answers: Iterable[str]) -> None:
        # An event's id tells when it was, and is good for looking the conversation up.
        query_id = f"q-{_digest(turn.event_id)}"
        relevant, answers = list(relevant), list(answers)
        history = [{"role": _ROLES[each.role], "text": each.text} for each in turn.history]
        self._queries.append(
            {"query_id": query_id, "text": turn.question, "answerable": bool(relevant)}
            | ({"history": history} if history else {})
        )
        self._judgments.extend((query_id, each) for each in relevant)
        if answers:
            self._answers.append({"query_id": query_id, "answers": answers})
        for each in turn.passages:
            self._documents.setdefault(_name(each), {})[each.chunk_id] = each
        self._counts[kind] += 1

    def write(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Writes the files into `folder`, which is made if it is not there, for its owner alone."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_rows(folder / "queries.jsonl", self._queries)
        _write_rows(folder / "answers.jsonl", self._answers)
        _write_rows(folder / "corpus.jsonl", (_document(*each) for each in sorted(self._documents.items())))
        judgments = [("query_id", "doc_id", "score"), *((*each, "1") for each in self._judgments)]
        _write(folder / "qrels.tsv", "".join("\t".join(row) + "\n" for row in judgments))
        meta = {**about, "counts": self.summary()}
        _write(folder / "META.json", json.dumps(meta, ensure_ascii=False, indent=1) + "\n")


def _document(name: str, passages: Mapping[str, pb.ExportedPassage]) -> dict[str, str]:
    """What is known of a page: the passages that were found, those under a heading in the newest version seen."""
    newest: dict[tuple[str, ...], int] = {}
    for each in passages.values():
        path = tuple(each.heading_path)
        newest[path] = max(newest.get(path, 0), each.doc_version)
    kept = [each for each in passages.values() if each.doc_version == newest[tuple(each.heading_path)]]
    kept.sort(key=lambda each: (each.span_start, each.chunk_id))
    parts: list[str] = []
    above: tuple[str, ...] = ()
    for each in kept:
        path = tuple(each.heading_path)
        if path and path != above:
            parts.append(path[-1])
        above = path
        parts.append(each.text)
    return {"doc_id": name, "title": kept[-1].title, "text": "\n\n".join(parts)}


def _name(passage: pb.ExportedPassage) -> str:
    """The page's id in the set: its uri, unless that is nothing or was redacted."""
    uri = passage.doc_uri
    return uri if uri and "[" not in uri and "\t" not in uri else f"doc-{_digest(passage.doc_id)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    _write(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _write(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
