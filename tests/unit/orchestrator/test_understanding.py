"""Reading a customer's words: what matters is found in a burst of any length, and only so much is looked through."""

import pytest

from groundline.orchestration.v1 import event_pb2
from svc_orchestrator import leaning, understanding
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
    seen: dict[str, list[int]] = {}

    def measuring(name: str) -> object:
        class Measuring:
            def search(self, text: str) -> None:
                seen.setdefault(name, []).append(len(text))

            def sub(self, _: str, text: str) -> str:
                self.search(text)
                return text

        return Measuring()

    monkeypatch.setattr(understanding, "_WISH", measuring("wish"))
    monkeypatch.setattr(leaning, "_NOTHING_MEANT", measuring("nothing meant"))
    understand(["on the " * 2340] * 49, ["Linux " * 3000, "How do I reset the router?", "Linux router " * 40])
    # The burst and the first message are so long that they stand alone.
    assert seen == {"wish": [MAX_READ_CHARS], "nothing meant": [26, 519]}


BEFORE = "How do I reset an Acme 3?"


@pytest.mark.parametrize(
    "words",
    ["And on an Acme hub?", "what about the Wi-Fi?", "why not", "in minutes?", "How long?"],
)
def test_what_asks_the_same_carries_what_was_asked_before(words: str) -> None:
    assert understand([words], [BEFORE]).standalone_query == f"{BEFORE} {words}"


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("Does it delete my profiles?", "Does it delete my profiles, reset an Acme 3?"),
        ("How long does this take?", "How long does this take, reset an Acme 3?"),
        ("Which one is newer?", "Which one is newer, reset an Acme 3?"),
        ("How do I do that there?", "How do I do that there, reset an Acme 3?"),
        ("What are the steps?", "What are the steps, reset an Acme 3?"),
        ("It still blinks.", "It still blinks, reset an Acme 3."),
        ("Is it an Acme 3?", "Is it an Acme 3, reset an Acme 3?"),
    ],
)
def test_what_leans_has_the_topic_put_in_at_its_end(words: str, completed: str) -> None:
    assert understand([words], [BEFORE]).standalone_query == completed


@pytest.mark.parametrize(
    ("talk", "words", "completed"),
    [
        # The latest topic, not the first.
        ([BEFORE, "How do I forward a port on a Zeta hub?"], "Is it safe?", "Is it safe, forward a port, Zeta hub?"),
        # A chain of any length that leans on the same.
        ([BEFORE, *["Does it take long?"] * 6], "Is it safe?", "Is it safe, reset an Acme 3?"),
        # A detail, and what it is a detail of.
        ([BEFORE, "What are profiles?"], "Are they deleted?", "Are they deleted, profiles, reset an Acme 3?"),
        # A new thing that the same is asked of.
        ([BEFORE, "And on an Acme hub?"], "Is it safe?", "Is it safe, Acme hub, reset?"),
        # The version asked about, not the one before; both where they are compared.
        (
            ["How do I upgrade etcd 3.4?"],
            "Does it need a restart on 3.5?",
            "Does it need a restart on 3.5, upgrade etcd 3.5?",
        ),
        (["Is etcd 3.5 stable?"], "Is it faster than 3.4?", "Is it faster than 3.4, etcd 3.5 stable?"),
        # Of a story with a question, what is asked; a name of several parts stays whole.
        (
            ["My router is 4 years old, has 24 filter lists, two guest networks, red lights. Is there a bug in 2.6?"],
            "How do I fix it?",
            "How do I fix it, bug, 2.6?",
        ),
        (["Where is my LM3-PRO-EU?"], "When does it arrive?", "When does it arrive, LM3-PRO-EU?"),
        # What says little itself is taken to be about the thing named, not about what was asked of it.
        (["Does the Acme 3 have Wi-Fi?", "thanks"], "Is there a manual?", "Is there a manual, Acme 3, Wi-Fi?"),
        (["how do i forward ports?"], "Is there a manual?", "Is there a manual?"),
    ],
)
def test_of_a_conversation_the_topic_is_carried(talk: list[str], words: str, completed: str) -> None:
    assert understand([words], talk).standalone_query == completed


@pytest.mark.parametrize(
    ("asked", "words", "carried"),
    [
        ("How do I upgrade etcd 3.4 on Linux?", "and on 3.5?", "How do I upgrade etcd 3.5 on Linux?"),
        ("Is version 3 supported?", "what about v4?", "Is v4 supported?"),
        ("How do I reset an Acme 3?", "And on an Acme 2?", "How do I reset an Acme 2?"),
        ("What about step 1 of the setup?", "and step 2?", "What about step 2 of the setup?"),
    ],
)
def test_the_same_asked_of_another_version_is_carried_with_that_version(asked: str, words: str, carried: str) -> None:
    assert understand([words], [asked]).standalone_query == f"{carried} {words}"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("How do I upgrade from 3.4 to 3.5?", "and to 3.6?"),
        ("How do I upgrade to 3.4?", "and from 3.2 or 3.3?"),
        ("Does it run on 3.4?", "but not on 3.5?"),
        ("How do I reset an Acme 3?", "What about step 2?"),
        ("How do I reset an Acme hub?", "And on an Acme 2?"),
    ],
)
def test_a_version_that_is_compared_or_added_leaves_what_was_asked_as_it_is(asked: str, words: str) -> None:
    assert understand([words], [asked]).standalone_query == f"{asked} {words}"


def test_questions_that_lean_on_one_another_are_carried_to_the_one_that_stands_alone() -> None:
    talk = ["Where can I buy a power supply?", "How do I upgrade etcd 3.4?", "thanks!", "and on 3.5?"]
    found = understand(["Does it delete my data?"], talk).standalone_query
    assert found == "Does it delete my data, upgrade etcd 3.5?"


def test_of_a_chain_its_beginning_and_its_latest_are_carried() -> None:
    talk = ["How do I reset the router?", "why?", "why not?", "how so?"]
    assert understand(["and then?"], talk).standalone_query == "How do I reset the router? how so? and then?"


@pytest.mark.parametrize(
    "words",
    [
        "How do I pair my tablet with the cloud so that it stays signed in?",
        "Is it possible to forward a port to two computers?",
        "Is there a limit on guest devices per network?",
        "Can I order more than one power supply at once?",
        "Who bought the old bridge and where is it now",
        "E-4012",
        "Which contract keeps its tariff?",
        "I know that the port is open, why does the tunnel not start?",
        "coronavirus symptoms",
        "What is paleo?",
        "How do I restart the router?",
        "Why are the statues of Easter Island so large?",
        "What is coronavirus and how does it spread?",
        "When did they film Game of Thrones, and where are those who played in it?" * 9,
    ],
)
def test_another_matter_drags_nothing_along(words: str) -> None:
    assert understand([words], [BEFORE]).standalone_query == words


def test_the_reply_to_a_question_of_ours_is_read_with_what_it_answers() -> None:
    reply = "I mean the large white hub with two antennas and a handle"
    assert understand([reply], [BEFORE], asked_back=True).standalone_query == f"{BEFORE} {reply}"
    assert understand([reply], [BEFORE]).standalone_query == reply
