"""Steps, lists and commands come whole or not at all; what only announces or points at something is no answer."""

import pytest

from groundline.evaluation.v1.evaluation_pb2 import (
    ANSWER_FORM_LIST,
    ANSWER_FORM_PROCEDURE,
    ANSWER_FORM_SENTENCES,
    Draft,
)
from groundline.retrieval.v1.evidence_pb2 import EvidencePack
from svc_orchestrator.answering import ExtractiveAnswerer, NothingToSay, to_text
from tests.unit.answering.packs import WordEmbedder, evidence, pack, quotes

COMMANDS = (
    "Install the agent like this:\n\n1. Fetch the agent:\n   ```\n   $ curl -O agent\n     --retry 3\n   ```\n"
    "2. Unpack the agent.\n\n```\n$ tar xf agent\n```\n\n3. Start the agent:\n\n```\n$ ./agent\n```\n\n"
    "The agent then listens."
)
LEARNER = (
    "Adding a node as a learner is safer. This is a three step process:\n\n- Add the node as a learner.\n"
    "- Start the node.\n- Promote the node once it has caught up."
)


async def answer(found: EvidencePack) -> Draft:
    return await ExtractiveAnswerer(WordEmbedder()).draft(found.query, found, deadline_s=5)


async def test_commands_between_the_steps_belong_to_them_and_end_no_procedure() -> None:
    found = pack("How do I install the agent?", evidence(COMMANDS, headings=["Install"]))
    draft = await answer(found)
    assert draft.form == ANSWER_FORM_PROCEDURE
    assert to_text(draft)[0] == (
        "Install\nInstall the agent like this:\n1. Fetch the agent:\n$ curl -O agent\n  --retry 3\n"
        "2. Unpack the agent.\n$ tar xf agent\n3. Start the agent:\n$ ./agent"
    )
    assert quotes(draft, found)[2] == ["3. Start the agent:\n\n```\n$ ./agent"]


async def test_code_behind_the_last_step_that_nothing_announces_is_not_its_own() -> None:
    text = "1. Stop the agent.\n2. Remove the agent.\n\n```\n$ unrelated\n```"
    draft = await answer(pack("How do I remove the agent?", evidence(text)))
    assert [each.text for each in draft.claims] == ["Page\n1. Stop the agent.", "2. Remove the agent."]


async def test_a_heading_that_is_a_question_is_not_given_back() -> None:
    found = pack("How do I remove the agent?", evidence("1. Stop it.\n2. Remove it.", headings=["How to remove it?"]))
    assert to_text(await answer(found))[0] == "1. Stop it.\n2. Remove it."


async def test_a_process_without_numbers_is_given_whole() -> None:
    draft = await answer(pack("How do I add a node as learner?", evidence(LEARNER)))
    assert draft.form == ANSWER_FORM_LIST
    assert [each.text for each in draft.claims[1:]] == [
        "- Add the node as a learner.",
        "- Start the node.",
        "- Promote the node once it has caught up.",
    ]


async def test_items_of_a_list_keep_their_commands() -> None:
    text = (
        "To clean up, do this:\n\n- Stop the agent:\n  ```\n  $ stop\n  ```\n- Delete it:\n  ```\n  $ rm agent\n  ```"
    )
    draft = await answer(pack("How do I clean up the agent?", evidence(text)))
    assert to_text(draft)[0] == "To clean up, do this:\n- Stop the agent:\n$ stop\n- Delete it:\n$ rm agent"


async def test_what_to_do_is_told_with_what_to_type() -> None:
    text = "Defragmenting frees space.\n\nTo defragment a member, use this command:\n\n```\n$ ctl defrag\n  --all\n```"
    found = pack("How do I defragment a member?", evidence(text))
    draft = await answer(found)
    assert draft.form == ANSWER_FORM_SENTENCES
    assert to_text(draft)[0].endswith("To defragment a member, use this command:\n$ ctl defrag\n  --all")
    assert quotes(draft, found)[-1] == ["To defragment a member, use this command:", "$ ctl defrag\n  --all"]


async def test_what_to_type_is_told_with_all_that_its_section_says_to_type() -> None:
    first = "Watching needs the probe.\n\nFirst, install the probe:\n\n```\n$ get probe\n```"
    then = "Point the probe at the nodes:\n\n```\n$ probe nodes\n```\n\nNow the probe watches."
    other = "Remove the probe:\n\n```\n$ rm probe\n```"
    found = pack(
        "How do I watch the nodes with the probe?",
        evidence(then, name="b", doc="watch", headings=["Probe"], start=500, score=0.7),
        evidence(first, name="a", doc="watch", headings=["Probe"]),
        evidence(other, name="c", doc="watch", headings=["Removal"], score=0.6),
    )
    text, _ = to_text(await answer(found))
    assert text.index("$ get probe") < text.index("$ probe nodes")
    assert "$ rm probe" not in text


async def test_a_caption_says_nothing_without_its_code() -> None:
    text = "Default flag ctl count\n\n```\n-ctl count=100\n+ctl count=10\n```\n\nThe count has a default since 2.0."
    found = pack("Is there a default count?", evidence(text))
    assert to_text(await answer(found))[0] == "The count has a default since 2.0."


async def test_an_option_that_is_named_is_shown_in_its_example() -> None:
    text = "Original default of the count\n\n```\n-ctl --count=100\n+ctl --count=10\n```"
    found = pack(
        "What is the default of --count?", evidence(text), evidence("A count is a number.", name="b", score=0.5)
    )
    assert to_text(await answer(found))[0] == "Original default of the count\n-ctl --count=100\n+ctl --count=10"


async def test_a_long_listing_is_not_cut_short() -> None:
    code = "\n".join(f"line {number}" for number in range(21))
    text = f"Configure the hub with this file:\n\n```\n{code}\n```\n\nThe hub reads its file once."
    assert (
        to_text(await answer(pack("How do I configure the hub?", evidence(text))))[0] == "The hub reads its file once."
    )


async def test_what_leans_on_code_that_is_not_shown_is_left_out() -> None:
    code = "\n".join(f"line {number}" for number in range(21))
    text = f"The login of the hub is off. Enable it:\n\n```\n{code}\n```\n\nAfter this, the login of the hub is on."
    draft = await answer(pack("Is the login of the hub off by default?", evidence(text)))
    assert to_text(draft)[0] == "The login of the hub is off."


async def test_it_is_safe_to_leans_on_nothing() -> None:
    text = "Remove a leader:\n\n```\n$ rm leader\n```\n\nIt is safe to remove the leader. It takes the leader a minute."
    draft = await answer(pack("Is it safe to remove the leader?", evidence(text)))
    assert to_text(draft)[0] == "It is safe to remove the leader. It takes the leader a minute."


async def test_who_is_only_told_where_to_read_on_is_told_nothing() -> None:
    pointers = (
        "The steps are described in Replace a failed machine. See Replace a failed machine. "
        "For more details on a failed machine refer to the guide. The steps to replace a machine are as follows."
    )
    found = pack("How do I replace a failed machine?", evidence(f"{pointers} Remove the failed machine first."))
    assert to_text(await answer(found))[0] == "Remove the failed machine first."


async def test_what_compares_with_the_sentence_before_it_comes_with_it() -> None:
    text = (
        "E-40 means that the key of the hub was refused. Renewal is yearly. A hub off for longer than that meets E-40 "
        "with the key refused. The hub shows E-40 and means the key."
    )
    said = to_text(await answer(pack("What does E-40 mean for the key of the hub?", evidence(text, title="E-40"))))[0]
    assert "E-40 means that the key" in said
    assert "than that" not in said or "yearly. A hub" in said


async def test_listings_without_a_word_take_no_answers_place() -> None:
    listings = [evidence(f"```\n$ watch {n}\n```", name=f"l{n}", title="Watching", score=0.9) for n in range(4)]
    words = evidence("Watching a key:\n\n```\n$ watch key\n```", name="w", title="Watching", score=0.85)
    draft = await answer(pack("How do I watch a key?", *listings, words))
    assert to_text(draft)[0] == "Watching a key:\n$ watch key"


async def test_a_fact_that_stands_in_one_step_is_given_without_the_others() -> None:
    text = "Backups are safe.\n\n1. Choose Backup.\n2. The passphrase of a backup needs 12 characters.\n3. Save it."
    draft = await answer(pack("How long must the passphrase of a backup be?", evidence(text)))
    assert to_text(draft)[0] == "The passphrase of a backup needs 12 characters."


async def test_of_versions_that_say_the_same_the_newest_is_cited() -> None:
    text = "Watching a key is done with the command watch."
    found = pack(
        "How is watching a key done?",
        evidence(text, name="old", version="3.9"),
        evidence(text, name="new", version="3.10"),
        evidence(text, name="older", version="3.8"),
    )
    (claim,) = (await answer(found)).claims
    assert claim.citations[0].chunk_id == found.evidence[1].chunk_id


async def test_a_procedure_that_was_cut_into_passages_is_given_whole() -> None:
    first = evidence("Do this:\n\n1. Open the drum.\n2. Turn the drum.", name="a", doc="d", headings=["Drum"])
    last = evidence("5. Close the drum.\n\nIt is done.", name="c", doc="d", headings=["Drum"], start=900, score=0.6)
    then = evidence("3. Lift the drum.\n4. Wipe it.", name="b", doc="d", headings=["Drum"], start=400, score=0.7)
    other = evidence("3. Burn the drum.", name="o", doc="other", headings=["Drum"], start=500, score=0.75)
    found = pack("How do I replace the drum?", first, other, last, then)
    draft = await answer(found)
    assert to_text(draft)[0] == (
        "Drum\nDo this:\n1. Open the drum.\n2. Turn the drum.\n3. Lift the drum.\n4. Wipe it.\n5. Close the drum."
    )
    assert quotes(draft, found)[2] == ["3. Lift the drum."]


async def test_one_step_of_a_page_whose_steps_are_headings_is_no_answer() -> None:
    stop = evidence("Stop the hub.", name="s", doc="u", title="Upgrade a hub", headings=["Step 1: stop the hub"])
    check = evidence("Before an upgrade the hub must be well.", name="c", doc="u", title="Upgrade a hub", score=0.9)
    check.heading_path.append("Checklist")
    with pytest.raises(NothingToSay):
        await answer(pack("How do I upgrade a hub to 3?", check, stop))
    # Who asks about that very step is answered, and so is who asks no more than a fact.
    assert to_text(await answer(pack("How do I stop the hub?", stop, check)))[0] == "Stop the hub."
    assert to_text(await answer(pack("When must the hub be well?", check, stop)))[0].startswith("Before an upgrade")


async def test_who_asks_for_a_default_is_told_one_or_nothing() -> None:
    talk = [
        evidence(f"The quota {verb} the store. The default setup may grow.", name=verb, score=0.9 - n / 100)
        for n, verb in enumerate(("guards", "bounds", "limits", "keeps"))
    ]
    limit = evidence("The default quota of the store is 2 GiB.", name="limit", score=0.6)
    question = "What is the default quota of the store?"
    assert to_text(await answer(pack(question, *talk, limit)))[0] == "The default quota of the store is 2 GiB."
    with pytest.raises(NothingToSay):
        await answer(pack(question, *talk))
