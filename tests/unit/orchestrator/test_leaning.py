"""Which questions stand alone, and what the others need: pairs that differ in what they say, not in how they begin."""

import pytest

from svc_orchestrator.leaning import Needs, needs, without_pointers
from svc_orchestrator.topic import topic_of

NOTHING, NAME, TOPIC, QUESTION = Needs.NOTHING, Needs.NAME, Needs.TOPIC, Needs.QUESTION


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        # Of what, is left unsaid.
        ("What are the symptoms?", TOPIC),
        ("What are the symptoms of measles?", NOTHING),
        ("How many types are there?", TOPIC),
        ("How many types of licence are there?", NOTHING),
        ("What is the impact on biology?", TOPIC),
        ("What is the impact of evolution on biology?", NOTHING),
        ("How does an ESA compare?", TOPIC),
        ("How do an ESA and a 529 plan compare?", NOTHING),
        ("What type is best for losing weight?", TOPIC),
        # One end of a row, whose row is left unsaid.
        ("What is the largest in the world?", TOPIC),
        ("What is the largest shark in the world?", NOTHING),
        ("Which is younger and why?", TOPIC),
        ("Which is younger, the moon or the earth?", NOTHING),
        ("What other factors led to the breakdown?", TOPIC),
        ("What is another name for a firebox?", NOTHING),
        # What points before itself, and what points to its own words.
        ("How does exercise affect it?", TOPIC),
        ("How does it affect exercise?", TOPIC),
        ("If the tunnel stops, does it start again by itself?", NOTHING),
        ("Describe some of its similarities with Danish.", TOPIC),
        ("Does etcd keep its data on disk?", NOTHING),
        ("Who gave their name to Normandy?", NOTHING),
        ("Is it safe to eat?", TOPIC),
        ("Is it safe to delete the cache?", NOTHING),
        ("How did she die?", TOPIC),
        ("Why does that happen?", TOPIC),
        ("Is there a setting that prevents spam?", NOTHING),
        ("How do I move large mails to smaller ones?", NOTHING),
        ("What are important ones?", TOPIC),
        ("Can I hide those who follow me?", NOTHING),
        ("How reliable is the test?", TOPIC),
        ("How reliable is the test of the battery?", NOTHING),
        # It asks the same of another thing.
        ("How about on Christmas eve?", QUESTION),
        ("and with Linux?", QUESTION),
        ("And does it run on Linux?", TOPIC),
        ("So how do I forward a port to my tablet?", NOTHING),
        ("thanks! and on 3.5?", QUESTION),
        ("Linux?", QUESTION),
        ("measles symptoms", NOTHING),
        # It says little, and a name may be meant.
        ("Where do I find a manual?", NAME),
        ("Where is my order?", NOTHING),
        ("What is taurine?", NOTHING),
    ],
)
def test_what_a_question_needs(text: str, needed: Needs) -> None:
    assert needs(text) is needed


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("How do I reset an Acme 3?", ["reset an Acme 3"]),
        ("What are the main symptoms of throat cancer?", ["throat cancer"]),
        ("Describe the real-time database, please.", ["real-time database"]),
        ("Is step 2 on Linux or macOS different?", ["step 2", "Linux", "macOS"]),
        ("What is the Pro plan's price?", ["Pro plan's"]),
        ("What are the advantages?", ["advantages"]),
        (" ".join(f"word{number}" for number in range(40)), [" ".join(f"word{number}" for number in range(8))]),
    ],
)
def test_what_a_text_is_about(text: str, pieces: list[str]) -> None:
    assert [each.text for each in topic_of(text)] == pieces


def test_names_are_told_from_words_written_large_for_their_place() -> None:
    assert [each.name for each in topic_of("Docker: crashing on Debian, or 2 disks")] == [False, False, True, True]


def test_pointers_and_courtesies_are_left_out() -> None:
    assert without_pointers("Thanks! And what about the same one there?").split() == ["the", "?"]
    assert without_pointers("What if it fails?").split() == ["fails?"]
    assert without_pointers("Restart it on 3.5").split() == ["Restart", "on", "3.5"]
