"""An answer must be to what was asked: each signal by an answer that is true, cited, and no answer."""

import pytest

from groundline.evaluation.v1.evaluation_pb2 import Draft, Verdict
from groundline.retrieval.v1.evidence_pb2 import Evidence
from svc_evaluator.catalogue import CATALOGUE, LATER
from svc_evaluator.policy_files import SHIPPED, Policies
from svc_evaluator.signals.asked import asking_parts
from tests.unit.evaluator.cases import POLICY, cite, draft, evidence, pack, quoting, verdict


def refused_by(question: str, given: Draft, *pages: Evidence) -> set[str]:
    """The signals of this file that fail."""
    found: Verdict = verdict(pack(*pages, question=question), given, question=question)
    return {each.name for each in found.signals if not each.ok and each.name in LATER}


BRIDGE = evidence("In bridge mode the Acme 3 provides Wi-Fi only. In bridge mode it is not connected to the Console.")


def test_each_of_two_questions_must_be_touched() -> None:
    asked = "Can I use the Acme 3 in bridge mode, and will it stay connected to the Console?"
    first, second = (
        "In bridge mode the Acme 3 provides Wi-Fi only.",
        "In bridge mode it is not connected to the Console.",
    )
    assert refused_by(asked, quoting(BRIDGE, first), BRIDGE) == {"asked_parts"}
    assert refused_by(asked, draft((first, [cite(BRIDGE, first)]), (second, [cite(BRIDGE, second)])), BRIDGE) == set()


def test_the_story_is_not_the_question() -> None:
    page = evidence("The Acme 3 takes up to 25 filter lists.", title="Filters", headings=("Lists",))
    told = quoting(page, "The Acme 3 takes up to 25 filter lists.")
    assert refused_by("My Acme 3 restarts, I have 24 filter lists. Known bug?", told, page) == {"asked_parts"}
    # A question that refers back is about its story.
    assert refused_by("My Acme 3 has 24 filter lists, is that allowed?", told, page) == set()


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("How many lists does it take?", ("How many lists does it take",)),
        ("We run a cafe. Which vouchers are there? Thanks!", ("Which vouchers are there",)),
        ("it went down at night", ("it went down at night",)),
        ("can it route and does it filter", ("can it route", "does it filter")),
        ("", ("",)),
    ],
)
def test_parts_that_ask(message: str, parts: tuple[str, ...]) -> None:
    assert asking_parts(message) == parts


def test_who_asks_for_the_latest_is_told_the_latest() -> None:
    page = evidence("Acme firmware 2.14 is the last series. The latest Acme firmware is 2.14.6.", title="Acme firmware")
    asked = "What is the latest Acme firmware?"
    assert refused_by(asked, quoting(page, "Acme firmware 2.14 is the last series."), page) == {"asked_end"}
    assert refused_by(asked, quoting(page, "The latest Acme firmware is 2.14.6."), page) == set()


def test_who_asks_which_port_is_told_a_port() -> None:
    page = evidence(
        "Port forwarding opens the firewall: up to 32 port forwarding rules. The firewall must allow TCP port 8883."
    )
    asked = "Which port must the firewall allow?"
    rules = "Port forwarding opens the firewall: up to 32 port forwarding rules."
    assert refused_by(asked, quoting(page, rules), page) == {"asked_designation"}
    assert refused_by(asked, quoting(page, "The firewall must allow TCP port 8883."), page) == set()


def test_a_code_in_passing_is_no_answer_where_a_heading_explains_it() -> None:
    passing = evidence("Release an Acme 3 before you sell it. Otherwise the next owner sees E-4007.", name="passing")
    own = evidence("It belongs to another organisation.", name="own", headings=("E-4007: already claimed",))
    asked = "what does E-4007 mean"
    told = quoting(passing, "Otherwise the next owner sees E-4007.")
    assert refused_by(asked, told, passing, own) == {"asked_name_in_place"}
    assert refused_by(asked, quoting(own, "It belongs to another organisation."), passing, own) == set()
    # Where nothing explains it, the mention is what there is.
    assert refused_by(asked, told, passing) == set()


def test_a_sentence_that_leans_is_not_shown_alone() -> None:
    page = evidence("The Acme 3 hears radar. It then listens for 60 seconds. During that minute the Acme 3 is silent.")
    silent = "During that minute the Acme 3 is silent."
    asked = "why is the Acme 3 silent"
    assert refused_by(asked, quoting(page, silent), page) == {"stands_alone"}
    assert refused_by(asked, quoting(page, f"It then listens for 60 seconds. {silent}"), page) == set()


def test_a_policy_from_before_judges_as_it_did() -> None:
    before = Policies.from_folders(SHIPPED, in_force="2026-11-22-conservative").get()
    names = {each.name for each in before.thresholds}
    assert not names & LATER
    page = evidence("The Acme 3 hears radar. It then listens. During that minute the Acme 3 is silent.")
    found = verdict(pack(page), quoting(page, "During that minute the Acme 3 is silent."), policy=before)
    assert {each.name for each in found.signals} <= names


def test_the_policy_in_force_names_every_signal() -> None:
    assert {each.name for each in POLICY.thresholds} == set(CATALOGUE)
