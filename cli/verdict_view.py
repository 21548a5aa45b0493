"""A verdict of the gate as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from cli.output import one_line, say
from groundline.evaluation.v1 import evaluation_pb2 as pb
from groundline.retrieval.v1.evidence_pb2 import EvidencePack

MAX_PAIRS = 5


def signal_lines(signals: Sequence[pb.Signal]) -> list[str]:
    """A line for each: whether it held, its value, what it was held against, and what it found."""
    return [
        f"{'ok  ' if each.ok else 'FAIL'}  {each.name} {each.value:.3g} (threshold {each.threshold:.3g})"
        + (f"  {each.note}" if each.note else "")
        for each in signals
    ]


def conflict_lines(verdict: pb.Verdict, pack: EvidencePack) -> list[str]:
    """The sentences that contradict each other, with the pages that say so; the first few pairs."""
    pages = {each.chunk_id: f"{each.title} ({each.doc_uri})" for each in pack.evidence}
    lines = []
    for each in verdict.conflicts[:MAX_PAIRS]:
        lines.append(f"{pages.get(each.chunk_id, each.chunk_id)}: “{one_line(each.sentence)}”")
        lines.append(
            f"  against {pages.get(each.other_chunk_id, each.other_chunk_id)}: “{one_line(each.other_sentence)}”"
        )
    if len(verdict.conflicts) > MAX_PAIRS:
        lines.append(f"and {len(verdict.conflicts) - MAX_PAIRS} more pairs: see --json")
    return lines


def print_verdict(verdict: pb.Verdict, pack: EvidencePack) -> None:
    """Signals and, where sources disagree, the pairs of sentences."""
    if verdict.signals:
        say("\nWhat the gate saw", "bold")
    for line in signal_lines(verdict.signals):
        say(line)
    pairs = conflict_lines(verdict, pack)
    if pairs:
        say("\nWhat contradicts", "bold")
    for line in pairs:
        say(line)
