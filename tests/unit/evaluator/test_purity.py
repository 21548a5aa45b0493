"""The same arguments give the same bytes, whatever else was judged before, and in any process."""

import random
import subprocess
import sys

from groundline.evaluation.v1.evaluation_pb2 import EvaluateRequest
from svc_evaluator.judgement import judge
from tests.unit.evaluator.cases import POLICY, cite, draft, evidence, pack

SENTENCES = (
    "An Acme 3 can hold up to 40 widgets.",
    "An Acme 3 holds a maximum of 60 widgets.",
    "Firmware 3.6.2 is the latest for an Acme 3.",
    "An Acme 2 can hold up to 20 widgets.",
    "The tray of an Acme 3 is not heated.",
    "E-4012 means that the tray is full.",
    "| Acme 3 | A-3 | €389 |",
)
QUESTIONS = (
    "How many widgets can an Acme 3 hold?",
    "what does E-4012 mean",
    "What is the price of an A-3?",
    "Is the tray heated?",
)


def request(seed: int) -> EvaluateRequest:
    chance = random.Random(seed)
    passages = []
    for number in range(chance.randrange(1, 9)):
        text = " ".join(chance.sample(SENTENCES, chance.randrange(1, 5)))
        passages.append(
            evidence(
                text,
                name=f"p{number}",
                title=chance.choice(("Acme 3 widgets", "Acme 2 widgets", "Errors")),
                score=round(chance.random(), 3),
                cosine=round(chance.random(), 3),
                version=chance.choice(("", "2", "3")),
                superseded=chance.random() < 0.2,
                record=chance.random() < 0.1,
            )
        )
    claims = []
    for _ in range(chance.randrange(4)):
        passage = chance.choice(passages)
        claims.append(
            (chance.choice(SENTENCES), [cite(passage, passage.text[: chance.randrange(1, len(passage.text))])])
        )
    question = chance.choice(QUESTIONS)
    given = EvaluateRequest(question=question, evidence_pack=pack(*passages, question=question))
    if chance.random() < 0.7:
        given.draft.CopyFrom(draft(*claims))
    return given


def verdict_bytes(given: EvaluateRequest) -> bytes:
    draft_given = given.draft if given.HasField("draft") else None
    found = judge(given.question, given.evidence_pack, draft_given, POLICY)
    return found.SerializeToString(deterministic=True)


def all_verdicts(seeds: range) -> list[str]:
    return [verdict_bytes(request(seed)).hex() for seed in seeds]


def test_a_verdict_does_not_depend_on_what_came_before() -> None:
    seeds = range(120)
    forwards = all_verdicts(seeds)
    backwards = [verdict_bytes(request(seed)).hex() for seed in reversed(seeds)][::-1]
    assert forwards == backwards
    assert len(set(forwards)) > 60


def test_a_verdict_is_the_same_in_a_process_that_hashes_otherwise() -> None:
    code = "from tests.unit.evaluator.test_purity import all_verdicts; print(' '.join(all_verdicts(range(40))))"
    answers = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ".:gen", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        answers.add(done.stdout.strip())
    assert answers == {" ".join(all_verdicts(range(40)))}


def test_judging_changes_none_of_its_arguments() -> None:
    for seed in range(20):
        given = request(seed)
        before = given.SerializeToString(deterministic=True)
        verdict_bytes(given)
        assert given.SerializeToString(deterministic=True) == before
