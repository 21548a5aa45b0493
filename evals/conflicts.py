"""How often the gate cries conflict over passages that agree, and how often it sees one that was mined."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evals import metrics
from groundline.retrieval.v1.evidence_pb2 import EVIDENCE_KIND_DOCUMENT, Evidence
from svc_evaluator.case import Passage
from svc_evaluator.signals.conflict import disagreements

# Kinds of mined pairs that state different things; the others are mostly worded differently.
KINDS = ("number", "negation")


def measure(folder: Path) -> dict[str, Any]:
    """The false-alarm rate over `same.jsonl`, and the recall by kind over `conflicts.jsonl`."""
    alarms = [float(_disagree(row)) for row in _rows(folder / "same.jsonl")]
    found: dict[str, Any] = {"pairs": len(alarms), "false_alarms": int(sum(alarms)), "rate": metrics.mean(alarms)}
    mined = list(_rows(folder / "conflicts.jsonl"))
    for kind in KINDS:
        seen = [_disagree(row) for row in mined if row.get("kind") == kind]
        found[f"mined_{kind}"] = {"pairs": len(seen), "seen": sum(seen)}
    return found


def _disagree(row: dict[str, Any]) -> bool:
    return any(disagreements(_passage("a", row["a"]), _passage("b", row["b"])))


def _passage(name: str, text: str) -> Passage:
    return Passage(Evidence(chunk_id=name, doc_id=name, text=text, score=1.0, kind=EVIDENCE_KIND_DOCUMENT), 0)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.exists():
        yield from (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
