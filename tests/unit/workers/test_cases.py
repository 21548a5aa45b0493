"""What is learned from a conversation, and who may read it."""

from datetime import UTC, datetime

import pytest

from groundline.conversation.v1 import conversation_pb2
from groundline.evaluation.v1 import reason_code_pb2
from groundline.retrieval.v1 import evidence_pb2
from svc_workers.case_evidence import Used, echoed, strictest
from svc_workers.case_question import question_of
from svc_workers.case_summary import LINE_CHARS, summary_of
from svc_workers.case_tags import tags_of

HANDED_OVER = datetime.fromtimestamp(1000, UTC)


def chain(*said: tuple[str, str]) -> list[conversation_pb2.Message]:
    messages = []
    for place, (role, content) in enumerate(said):
        message = conversation_pb2.Message(
            role=conversation_pb2.MessageRole.Value(f"MESSAGE_ROLE_{role}"), content=content
        )
        message.created_at.FromSeconds(1100 if content.endswith("(later)") else 900 + place)
        messages.append(message)
    return messages


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ([("CUSTOMER", "Why is the light red?")], "Why is the light red?"),
        (
            [("CUSTOMER", "How do I reset?"), ("ASSISTANT", "Hold it."), ("CUSTOMER", "The light stays red.")],
            "The light stays red.",
        ),
        (
            [("CUSTOMER", "The light stays red."), ("ASSISTANT", "Hold."), ("CUSTOMER", "I want to talk to a human")],
            "The light stays red.",
        ),
        (
            [("CUSTOMER", "My Lumen 3 is slow."), ("CUSTOMER", "Only in the evening."), ("SYSTEM", "A person comes.")],
            "My Lumen 3 is slow.\n\nOnly in the evening.",
        ),
        (
            [("CUSTOMER", "Old matter."), ("AGENT", "Solved."), ("CUSTOMER", "New question about billing.")],
            "New question about billing.",
        ),
        ([("CUSTOMER", "Red light?"), ("CUSTOMER", "and another thing (later)")], "Red light?"),
        ([("AGENT", "We saw a problem (later)"), ("CUSTOMER", "Which problem? (later)")], "Which problem? (later)"),
        ([("CUSTOMER", "agent")], "agent"),
        ([], ""),
    ],
)
def test_the_question_is_what_led_to_the_ticket(said: list[tuple[str, str]], question: str) -> None:
    assert question_of(chain(*said), HANDED_OVER) == question


@pytest.mark.parametrize(
    ("acls", "readers"),
    [
        ([], ("public",)),
        ([("public",), ("group:a", "public")], ("public",)),
        ([("public",), ("group:a",)], ("group:a",)),
        ([("group:a", "group:b"), ("group:b", "group:c")], ("group:b",)),
        ([("group:a",), ("group:b",)], ("group:admins",)),
        ([()], ("group:agents",)),
    ],
)
def test_only_who_may_read_all_that_was_used_may_read_the_case(
    acls: list[tuple[str, ...]], readers: tuple[str, ...]
) -> None:
    assert strictest([Used("u", acl) for acl in acls]) == readers


@pytest.mark.parametrize(
    ("resolution", "used"),
    [
        ("See kb/prices.md for that.", True),
        ("It is 4,250 euros.", True),
        ("You are right: the discount applies to all sites from now.", True),
        ("Use LM3-LTE-EU then.", True),
        ("Please wait 10 minutes.", False),
        ("Your E-4012 is known to us.", False),
    ],
)
def test_evidence_is_used_where_an_agent_repeats_it(resolution: str, used: bool) -> None:
    piece = evidence_pb2.Evidence(
        doc_uri="kb/prices.md",
        text="LM3-LTE-EU costs 4,250 for 10 sites. The discount applies to all sites. See E-4012.",
        acl=["group:a"],
    )
    found = echoed(resolution, "What does E-4012 mean?", [piece])
    assert found == ([Used("kb/prices.md", ("group:a",))] if used else [])


def test_tags_are_the_tickets_or_the_questions_own() -> None:
    assert tags_of(["Refund", "billing address change", "refund", "a@b.example"], "x") == ["refund", "billing address"]
    question = "Why does E-4012 stay after the update? The update failed with E-4012. Mail [email]"
    assert tags_of([], question) == ["e-4012", "update", "failed"]
    assert tags_of([], "Hello?") == []


def test_a_summary_is_three_short_lines() -> None:
    long = "One sentence that is here. " * 40
    lines = summary_of(long, reason_code_pb2.REASON_CODE_NO_EVIDENCE, "Fixed it.\nSecond line.").splitlines()
    assert lines[1:] == ["Handed over: no evidence", "Solved: Fixed it. Second line."]
    assert lines[0].startswith("Asked: One sentence") and len(lines[0]) <= LINE_CHARS + 10
