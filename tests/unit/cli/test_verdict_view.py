"""A ticket shows what contradicts: the sentences, and which page says which."""

import pytest

from cli.ticket_view import print_ticket
from cli.verdict_view import MAX_PAIRS, conflict_lines
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.retrieval.v1.evidence_pb2 import Evidence, EvidencePack
from groundline.ticketing.v1.ticketing_pb2 import Ticket

PACK = EvidencePack(
    evidence=[
        Evidence(chunk_id="a", title="Old page", doc_uri="old.md"),
        Evidence(chunk_id="b", title="New page", doc_uri="new.md"),
    ]
)


def verdict(pairs: int) -> evaluation.Verdict:
    found = evaluation.Verdict(signals=[evaluation.Signal(name="conflict", value=pairs, note=f"{pairs} pairs")])
    for _ in range(pairs):
        found.conflicts.add(chunk_id="a", other_chunk_id="b", sentence="Up to 40.", other_sentence="Up to 60.")
    return found


def test_a_pair_is_told_with_its_pages() -> None:
    assert conflict_lines(verdict(1), PACK) == [
        "Old page (old.md): “Up to 40.”",
        "  against New page (new.md): “Up to 60.”",
    ]


def test_many_pairs_are_counted() -> None:
    lines = conflict_lines(verdict(MAX_PAIRS + 2), PACK)
    assert len(lines) == 2 * MAX_PAIRS + 1
    assert lines[-1] == "and 2 more pairs: see --json"


def test_a_ticket_shows_the_pair_and_keeps_the_lines_of_steps(capsys: pytest.CaptureFixture[str]) -> None:
    steps = evaluation.Draft(
        claims=[evaluation.Claim(text=each) for each in ("1. Stop.", "2. Start:\n$ up", "3. Wait.")],
        form=evaluation.ANSWER_FORM_PROCEDURE,
    )
    print_ticket(Ticket(ticket_id="t", verdict=verdict(1), evidence_pack=PACK, refused_draft=steps), [])
    said = capsys.readouterr().out
    assert "FAIL  conflict 1 (threshold 0)  1 pairs" in said
    assert "against New page (new.md): “Up to 60.”" in said
    assert "1. Stop.\n2. Start:\n$ up\n3. Wait." in said


def test_a_ticket_shows_commands_on_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    draft = evaluation.Draft(
        claims=[evaluation.Claim(text=each) for each in ("It is easy.", "Use this:\n$ up", "Then wait.", "It ends.")],
        form=evaluation.ANSWER_FORM_SENTENCES,
    )
    print_ticket(Ticket(ticket_id="t", refused_draft=draft), [])
    assert capsys.readouterr().out.endswith("It is easy.\nUse this:\n$ up\nThen wait. It ends.\n")
