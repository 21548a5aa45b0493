"""What a rewritten question may say: the conversation's words, and all of the latest ones that tell something."""

import pytest

from groundline.orchestration.v1 import event_pb2
from svc_orchestrator.rewriting import judged

TALK = [
    "How do I pair the Lumen 3 with my tablet?",
    "Hold the pairing button for 5 s. The Nodes of a Lumen 3 blink while it pairs; it stops after 30 s.",
]


@pytest.mark.parametrize(
    ("latest", "query"),
    [
        ("and how long does it blink?", "How long does the Lumen 3 blink when pairing with my tablet?"),
        ("Thanks! What about the Nodes?", "How do I pair the Nodes with my tablet?"),
        ("why does it stop", "Why does the Lumen 3 stop pairing after 30 s?"),
        ("Does that not work on 2.4 and 5?", "Does pairing the Lumen 3 not work on 2.4 and 5?"),
        ("which one blinks?", "Which Nodes of the Lumen 3 blink?"),
        ("E-4012", "E-4012"),
    ],
)
def test_what_is_made_of_the_conversations_words_may_be_used(latest: str, query: str) -> None:
    assert judged(query, latest, TALK) == event_pb2.REWRITE_OUTCOME_USED


@pytest.mark.parametrize(
    ("latest", "query"),
    [
        ("and how long does it blink?", "How long does the Lumen 4 blink?"),
        ("and how long does it blink?", "How long does the LM3-PRO blink?"),
        ("and how long does it blink?", "How long does the Lumen 3 blink before a factory reset?"),
        ("and how long does it blink?", "How long does the Lumen 3 not blink?"),
    ],
)
def test_what_nobody_said_may_not(latest: str, query: str) -> None:
    assert judged(query, latest, TALK) == event_pb2.REWRITE_OUTCOME_WORDS_ADDED


@pytest.mark.parametrize(
    ("latest", "query"),
    [
        ("and how long does it blink?", "How do I pair the Lumen 3?"),
        ("why does it not blink?", "Why does the Lumen 3 blink?"),
        ("and on firmware 3.5?", "How do I pair the Lumen 3 on firmware?"),
        ("from 3.4 to 3.5?", "How do I pair from 3.5 to 3.4?"),
        ("what does E-4012 mean", "What does the Lumen 3 mean?"),
    ],
)
def test_what_leaves_out_or_turns_round_what_was_asked_may_not(latest: str, query: str) -> None:
    assert judged(query, latest, TALK) == event_pb2.REWRITE_OUTCOME_WORDS_LOST
