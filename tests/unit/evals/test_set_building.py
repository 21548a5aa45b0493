"""What a turn is worth as a question, and what is known of a page from the passages that were found."""

from pathlib import Path

import pytest

from evals.set_building import SetBuilder
from evals.sets import read_set
from groundline.conversation.v1 import conversation_pb2
from groundline.evaluation.v1 import reason_code_pb2 as codes
from groundline.orchestration.v1 import turn_export_pb2 as pb


def passage(
    text: str, *, uri: str = "kb/a.md", chunk: str = "", version: int = 1, **fields: object
) -> pb.ExportedPassage:
    return pb.ExportedPassage(
        chunk_id=chunk or text, doc_id=f"id of {uri}", doc_uri=uri, title="A", text=text, doc_version=version, **fields
    )


def escalated(*replies: str, **fields: object) -> pb.ExportedTurn:
    found = {"resolved": True, "reason": codes.REASON_CODE_INSUFFICIENT_COVERAGE, **fields}
    return pb.ExportedTurn(
        event_id="e", question="Why?", outcome=pb.TURN_OUTCOME_ESCALATED, replies=replies,
        passages=[passage("It holds up to 40 of the larger widgets at once.")], **found,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        (escalated("As the page says, it holds up to 40 of the larger widgets."), "resolved_from_pages"),
        (escalated("Your unit was faulty, a new one is on its way."), "resolved_without"),
        (escalated("Faulty.", resolved=False), "left_out_not_resolved"),
        (escalated(), "left_out_not_resolved"),
        (escalated(reason=codes.REASON_CODE_POLICY_RESTRICTED, resolved=False), "restricted"),
        (pb.ExportedTurn(outcome=pb.TURN_OUTCOME_NOTICED), "left_out_asked_back"),
        (
            pb.ExportedTurn(outcome=pb.TURN_OUTCOME_ANSWERED, rating=conversation_pb2.RATING_NOT_HELPFUL),
            "left_out_not_helpful",
        ),
    ],
)
def test_what_a_turn_is_worth(turn: pb.ExportedTurn, kind: str) -> None:
    builder = SetBuilder()
    builder.add(turn)
    assert builder.summary()[kind] == 1
    assert builder.queries == (not kind.startswith("left_out"))


def test_a_failure_without_evidence_says_nothing() -> None:
    turn = escalated("It holds 40.", reason=codes.REASON_CODE_RETRIEVAL_ERROR)
    del turn.passages[:]
    builder = SetBuilder()
    builder.add(turn)
    assert (builder.queries, builder.summary()["left_out_nothing_found"]) == (0, 1)


def test_a_page_is_put_together_from_its_passages(tmp_path: Path) -> None:
    answered = pb.ExportedTurn(
        event_id="0198", question="How many?", outcome=pb.TURN_OUTCOME_ANSWERED, answer="It holds 60.",
        cited_doc_ids=["id of kb/a.md"],
        passages=[
            passage("It is grey.", span_start=90, heading_path=["Looks"]),
            passage("It holds 40.", span_start=10, heading_path=["Size"]),
            passage("It holds 60.", span_start=10, version=2, heading_path=["Size"]),
            passage("Told by [email].", uri="mail:[email]"),
        ],
    )  # fmt: skip
    builder = SetBuilder()
    builder.add(answered)
    builder.write(tmp_path / "set", {"redacted": True})
    made = read_set(tmp_path / "set")
    other, page = made.documents
    assert (page.doc_id, page.text) == ("kb/a.md", "Size\n\nIt holds 60.\n\nLooks\n\nIt is grey.")
    assert other.doc_id.startswith("doc-")
    (query,) = made.queries
    assert query.answerable is True
    assert "0198" not in query.query_id
    assert made.relevant == {query.query_id: {"kb/a.md": 1.0}}
    assert made.answers == {query.query_id: ["It holds 60."]}
    assert not made.remarks
