"""Reading a customer's words: what matters is found in a burst of any length, and only so much is looked through."""

import pytest

from groundline.orchestration.v1 import event_pb2
from svc_orchestrator import understanding
from svc_orchestrator.understanding import MAX_QUERY_CHARS, MAX_READ_CHARS, understand

# As much as one turn may have to read: store.MAX_BURST messages of the greatest length.
LONG = ["a-" * 8192] * 49


def test_a_wish_at_the_end_of_a_long_burst_is_heard() -> None:
    assert understand([*LONG, "I want to talk to a human."], []).intent == event_pb2.INTENT_HUMAN


@pytest.mark.parametrize(
    "words",
    [
        "I'd like to talk to a real person, please.",
        "i’d like a human",
        "id like to speak to someone",
        "Can I talk to an agent?",
        "please connect me with a colleague",
        "human please",
    ],
)
def test_a_wish_for_a_person_is_heard(words: str) -> None:
    assert understand([words], []).intent == event_pb2.INTENT_HUMAN


@pytest.mark.parametrize(
    "words",
    ["When can I reach a person by phone?", "I need someone to tell me the price", "Is there an agent in Rome?"],
)
def test_a_question_about_people_is_no_wish_for_one(words: str) -> None:
    assert understand([words], []).intent == event_pb2.INTENT_QUESTION


def test_a_long_burst_that_ends_in_thanks_is_no_small_talk() -> None:
    assert understand([*LONG, "thanks"], []).intent == event_pb2.INTENT_QUESTION


def test_the_query_is_the_beginning_of_what_was_said() -> None:
    understood = understand(["How do I reset the router?", *LONG], [])
    assert understood.standalone_query.startswith("How do I reset the router? a-a-")
    assert len(understood.standalone_query) == MAX_QUERY_CHARS


def test_no_pattern_sees_more_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Measuring:
        def search(self, text: str) -> None:
            seen.append(len(text))

    monkeypatch.setattr(understanding, "_WISH", Measuring())
    monkeypatch.setattr(understanding, "_GOES_ON", Measuring())
    monkeypatch.setattr(understanding, "_STANDS_FOR", Measuring())
    understand(["on the " * 2340] * 49, ["How do I reset the router?"])
    assert seen == [MAX_READ_CHARS, MAX_READ_CHARS, MAX_READ_CHARS]


BEFORE = "How do I reset an Acme 3?"


@pytest.mark.parametrize(
    "words",
    [
        "Does it delete my profiles?",
        "And on an Acme hub?",
        "what about the Wi-Fi?",
        "How long does this take?",
        "Which one is newer?",
        "why not",
        "in minutes?",
        "How do I do that there?",
    ],
)
def test_what_leans_carries_what_was_asked_before(words: str) -> None:
    assert understand([words], [BEFORE]).standalone_query == f"{BEFORE} {words}"


@pytest.mark.parametrize(
    "words",
    [
        "How do I pair my tablet with the cloud so that it stays signed in?",
        "Is it possible to forward a port to two computers?",
        "Is there a limit on guest devices per network?",
        "Can I order more than one power supply at once?",
        "Who bought the old bridge and where is it now",
        "E-4012",
    ],
)
def test_another_matter_drags_nothing_along(words: str) -> None:
    assert understand([words], [BEFORE]).standalone_query == words


def test_the_reply_to_a_question_of_ours_is_read_with_what_it_answers() -> None:
    reply = "I mean the large white hub with two antennas and a handle"
    assert understand([reply], [BEFORE], asked_back=True).standalone_query == f"{BEFORE} {reply}"
    assert understand([reply], [BEFORE]).standalone_query == reply
