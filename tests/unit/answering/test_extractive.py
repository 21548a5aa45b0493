"""The extractive answerer picks the form that fits, cites each part, and never glues half sentences."""

import random

import pytest

from groundline.evaluation.v1.evaluation_pb2 import (
    ANSWER_FORM_LIST,
    ANSWER_FORM_PROCEDURE,
    ANSWER_FORM_SENTENCES,
    ANSWER_FORM_TABLE_ROW,
    Draft,
)
from groundline.retrieval.v1.evidence_pb2 import EvidencePack
from meshkit.models.errors import EmbeddingUnavailable
from meshkit.text.words import words
from svc_orchestrator.answering import AnswererError, ExtractiveAnswerer, NothingToSay, to_text
from tests.unit.answering.packs import WordEmbedder, evidence, pack, quotes

STEPS = (
    "Have a paper clip at hand. Then do this:\n\n1. Unplug the hub.\n2. Hold **RESET** for 12 seconds.\n"
    "   - The lamp blinks.\n3. Let go.\n\nIf you let go early, nothing happens."
)
TABLE = (
    "Prices include VAT.\n\n| Product | SKU | EU | UK |\n|---|---|---|---|\n| Acme 3 Home | A3-HOME | €229 | £199 |\n"
    "| Acme 3 Pro | A3-PRO | €389 | £339 |\n\nResellers set their own prices."
)


async def answer(found: EvidencePack) -> Draft:
    return await ExtractiveAnswerer(WordEmbedder()).draft(found.query, found, deadline_s=5)


async def test_a_procedure_is_given_whole_with_its_heading() -> None:
    found = pack("How do I reset my hub?", evidence(STEPS, title="Hubs", headings=["Reset with the button"]))
    draft = await answer(found)
    text, spans = to_text(draft)
    assert draft.form == ANSWER_FORM_PROCEDURE
    assert text == (
        "Reset with the button\nHave a paper clip at hand. Then do this:\n1. Unplug the hub.\n"
        "2. Hold RESET for 12 seconds. - The lamp blinks.\n3. Let go."
    )
    assert len(spans) == 3
    assert quotes(draft, found)[1] == ["2. Hold **RESET** for 12 seconds.\n   - The lamp blinks."]


async def test_two_ways_of_one_page_are_given_in_its_order() -> None:
    way = "1. Open the {0} of the hub.\n2. Hold it to reset the hub."
    button = evidence(way.format("lid"), name="a", doc="reset", headings=["With the button"])
    menu = evidence(way.format("menu"), name="b", doc="reset", headings=["In the menu"], score=0.82, start=900)
    draft = await answer(pack("How can I reset a hub?", menu, button))
    text, _ = to_text(draft)
    assert text.index("With the button") < text.index("In the menu")


async def test_steps_that_do_not_begin_at_the_beginning_are_no_procedure() -> None:
    found = pack("How do I reset my hub?", evidence("3. Hold RESET to reset the hub.\n4. Let go of the hub."))
    assert (await answer(found)).form == ANSWER_FORM_SENTENCES


async def test_a_question_for_a_number_is_not_answered_with_steps() -> None:
    found = pack("How long do I hold RESET?", evidence(STEPS, headings=["Reset"]))
    draft = await answer(found)
    assert draft.form == ANSWER_FORM_SENTENCES
    assert "12 seconds" in to_text(draft)[0]


async def test_the_page_of_a_code_is_answered_with_meaning_and_steps() -> None:
    title = "E-4012: clock wrong"
    intro = evidence("E-4012 means that the clock is wrong. The line works.", name="a", doc="e", title=title)
    steps = evidence("1. Open Time.\n2. Choose Sync.", name="b", doc="e", title=title, headings=["Steps"], start=99)
    index = evidence("E-4012 has a page of its own.", name="c", title="Errors", score=0.9)
    draft = await answer(pack("E-4012", index, steps, intro))
    assert [each.text for each in draft.claims] == [
        "E-4012 means that the clock is wrong.",
        "The line works.",
        "Steps\n1. Open Time.",
        "2. Choose Sync.",
    ]


async def test_a_table_row_is_given_with_its_columns() -> None:
    found = pack("price A3-PRO in euros", evidence(TABLE, title="Price list"))
    draft = await answer(found)
    assert draft.form == ANSWER_FORM_TABLE_ROW
    assert to_text(draft)[0] == "Acme 3 Pro – SKU: A3-PRO; EU: €389; UK: £339."
    assert quotes(draft, found) == [["| Product | SKU | EU | UK |", "| Acme 3 Pro | A3-PRO | €389 | £339 |"]]


async def test_a_row_for_a_range_answers_for_what_falls_into_it() -> None:
    table = "| Hubs | Price per hub |\n|---|---|\n| 1 to 99 | €10 |\n| 100 to 249 | €9 |\n| 250 or more | €8 |"
    draft = await answer(pack("price per hub for 300 hubs", evidence(table, title="Prices")))
    assert to_text(draft)[0] == "250 or more – Price per hub: €8."


async def test_a_row_for_just_the_number_that_is_named_answers() -> None:
    rows = "\n".join(f"| {size} | {size // 2 + 1} | {(size - 1) // 2} |" for size in range(1, 10))
    text = (
        f"A cluster of odd size has the best fault tolerance.\n\n| Cluster size | Majority | Fault tolerance |\n"
        f"|---|---|---|\n{rows}\n\nThe fault tolerance of a cluster with one more member is no better."
    )
    draft = await answer(pack("What is the fault tolerance of a cluster with 7 members?", evidence(text)))
    assert to_text(draft)[0] == "Cluster size 7 – Majority: 4; Fault tolerance: 3."


async def test_sentences_are_whole_in_order_and_at_most_three() -> None:
    text = (
        "A hub has a lamp. The lamp of a hub is green. It turns red when a hub is hot. Cats are nice. "
        "Hubs are sold in a box."
    )
    found = pack("What colour is the lamp of a hub?", evidence(text))
    draft = await answer(found)
    shown = [each.text for each in draft.claims]
    assert draft.form == ANSWER_FORM_SENTENCES
    assert 1 <= len(shown) <= 3
    assert "The lamp of a hub is green." in shown
    assert sorted(shown, key=text.index) == shown
    assert all(each in text for each in shown)
    assert quotes(draft, found) == [[each] for each in shown]


async def test_a_sentence_that_leans_on_another_comes_with_it() -> None:
    text = "The lamp shows the state. It blinks red when the hub is too hot."
    draft = await answer(pack("Why does it blink red when the hub is hot?", evidence(text)))
    assert to_text(draft)[0] == text


async def test_no_sentence_comes_without_the_one_that_it_leans_on() -> None:
    text = (
        "A hub must give way to radar. It then listens for 60 seconds before it sends. During that minute the hub is "
        "silent. If you live near an airport and the hub drops, choose Avoid radar."
    )
    shown, _ = to_text(await answer(pack("My hub is silent during that minute near an airport", evidence(text))))
    assert shown == text.partition(" If you")[0]


async def test_both_parts_of_a_question_are_answered() -> None:
    first = evidence(
        "As a bridge the hub works behind another router. Use it when the router of your provider cannot be replaced.",
        name="a", doc="bridge", title="Use a hub behind a router", score=0.7,
    )  # fmt: skip
    second = evidence(
        "Connect a cable. The hub shows as offline in the cloud console.", name="b", doc="bridge", title="Use a hub",
        score=0.5, start=900,
    )  # fmt: skip
    question = "Can I use the hub behind my provider's router, and will it stay in the cloud console?"
    shown, _ = to_text(await answer(pack(question, first, second)))
    assert "another router" in shown
    assert "offline in the cloud console" in shown


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("How many lists does the hub accept?", "The hub accepts up to 25 lists.", "The hub can accept lists."),
        ("Which outbound port must be open?", "Outbound TCP port 8883 must be open.", "An open port goes outbound."),
        ("What is the latest firmware?", "The current firmware is 2.14.6.", "The firmware is fine in 2.14."),
        ("How long does an upgrade take?", "An upgrade takes 7 minutes.", "An upgrade takes ages."),
    ],
)  # fmt: skip
async def test_what_is_asked_for_is_what_is_given(question: str, right: str, wrong: str) -> None:
    one, other = evidence(wrong, name="wrong", title="Hub"), evidence(right, name="right", title="Hub")
    assert to_text(await answer(pack(question, one, other)))[0] == right


async def test_a_list_of_no_sentences_is_given_whole() -> None:
    text = "The hub speaks these protocols:\n\n- MQTT over TLS\n- HTTP with a proxy\n- IPv6\n\nOthers are not planned."
    found = pack("Does the hub speak MQTT over TLS?", evidence(text, title="Protocols"))
    draft = await answer(found)
    assert draft.form == ANSWER_FORM_LIST
    assert to_text(draft)[0] == "The hub speaks these protocols:\n- MQTT over TLS\n- HTTP with a proxy\n- IPv6"
    assert quotes(draft, found)[1] == ["- MQTT over TLS"]


@pytest.mark.parametrize(
    "text",
    [
        "- [Downgrade a hub from 3 to 2](downgrade_3/)\n- [Downgrade a hub from 2 to 1](downgrade_2/)",
        "These pages tell how:\n\n- [Downgrade a hub](downgrade/)\n- [Upgrade a hub](upgrade/)",
        "# Downgrade a hub",
        "How can I downgrade a hub?",
    ],
    ids=["links", "announced links", "heading", "question"],
)
async def test_a_page_that_only_says_where_to_read_on_answers_nothing(text: str) -> None:
    with pytest.raises(NothingToSay):
        await answer(pack("How do I downgrade a hub?", evidence(text, title="Downgrade a hub")))


async def test_what_is_about_a_code_is_read_however_far_down_it_was_found() -> None:
    others = [evidence(f"Code number {n} is old.", name=f"n{n}", title="Errors", score=0.9) for n in range(5)]
    about = evidence("Another owner has it.", name="it", title="Errors", headings=["E-4007: claimed"], score=0.6)
    assert to_text(await answer(pack("I bought a hub and get E-4007", *others, about)))[0] == "Another owner has it."


async def test_steps_beside_the_matter_are_no_answer() -> None:
    lost = evidence(
        "If you lost your phone and are the only owner, write to support.", name="a", title="Sign-in",
        headings=["Lost phone"], score=0.9,
    )  # fmt: skip
    steps = evidence(
        "1. Open Security.\n2. Scan the code.", name="b", title="Sign-in", headings=["Switch on"], score=0.8
    )
    shown, _ = to_text(await answer(pack("I lost my phone and am the only owner. Now what?", lost, steps)))
    assert "write to support" in shown


async def test_superseded_evidence_is_left_alone_where_there_is_other() -> None:
    old = evidence("Hubs can be returned within 14 days.", name="old", superseded=True, score=0.95)
    new = evidence("Hubs can be returned within 30 days.", name="new", score=0.7)
    assert to_text(await answer(pack("How long can hubs be returned?", old, new)))[0] == new.text


async def test_the_version_that_the_question_names_is_preferred() -> None:
    two = evidence("Hold RESET for 12 seconds.", name="two", title="Reset an Acme 2", version="2", score=0.9)
    three = evidence("Hold RESET for 20 seconds.", name="three", title="Reset an Acme 3", version="3", score=0.7)
    assert "20" in to_text(await answer(pack("How long do I hold RESET on an acme 3?", two, three)))[0]
    both = evidence("On an Acme 2 hold RESET for 12 seconds. On an Acme 3 hold RESET for 20 seconds.", title="Reset")
    shown, _ = to_text(await answer(pack("How long do I hold RESET on an Acme 3?", both)))
    assert shown == "On an Acme 3 hold RESET for 20 seconds."


@pytest.mark.parametrize(
    "found", [pack("hub?"), pack("hub?", evidence("What is a hub?"))], ids=["empty", "only a question"]
)
async def test_nothing_to_answer_from_is_an_error(found: EvidencePack) -> None:
    with pytest.raises(AnswererError, match="nothing_to_answer_from"):
        await answer(found)


async def test_without_embeddings_there_is_no_draft() -> None:
    class Broken(WordEmbedder):
        async def embed(self, texts: object) -> object:  # type: ignore[override]
            raise EmbeddingUnavailable

    with pytest.raises(AnswererError, match="no_embeddings"):
        await ExtractiveAnswerer(Broken()).draft("hub?", pack("hub?", evidence("A hub is a box.")), deadline_s=5)


@pytest.mark.parametrize("seed", range(60))
async def test_whatever_the_document_every_word_shown_stands_where_the_claim_says(seed: int) -> None:
    chance = random.Random(seed)
    parts = (
        "The hub is green.",
        "Über 😀 hubs: see **Menu > Hub**.",
        "1. Open the `hub`.\n2. Close the hub.\n3. Wait.",
        "| Hub | EU |\n|---|---|\n| A-1 | €3 |\n| A-2 | €4 |",
        "- first hub\n- second hub",
        "Do this:",
        "```\nhub --reset\n```",
        "HUB RESET NOW",
        "It has 3.6.2 e.g. on hubs. Really?",
        "\u2028Zeile. 終わり。次。",
        "\r\nCR hub.\r\n",
    )
    passages = [
        evidence(
            "\n\n".join(chance.choice(parts) for _ in range(chance.randrange(1, 7))),
            name=f"p{number}",
            headings=[chance.choice(("Hub", "Reset", "A-1"))],
            score=chance.random(),
            superseded=chance.random() < 0.2,
        )
        for number in range(chance.randrange(1, 6))
    ]
    question = chance.choice(("How do I open the hub?", "price of A-1", "is the hub green", "A-2", "how many hubs"))
    found = pack(question, *passages)
    try:
        draft = await answer(found)
    except AnswererError:
        return
    assert draft.claims
    context = {each.chunk_id: " ".join((*each.heading_path, each.title)) for each in passages}
    for claim, cited in zip(draft.claims, quotes(draft, found), strict=True):
        assert claim.text.strip() == claim.text != ""
        assert cited
        there = {each.stem for text in cited for each in words(text)}
        there |= {each.stem for citation in claim.citations for each in words(context[citation.chunk_id])}
        assert {each.stem for each in words(claim.text)} <= there
