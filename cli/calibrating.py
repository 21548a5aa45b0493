"""Calibrating the gate through the running mesh: questions from its pages, judged with and without their source."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar

import grpc

from cli.errors import CommandError
from cli.mesh import Mesh, check_knowledge_base, every
from cli.progress import Progress
from evals.calibration import policy as policies
from evals.calibration.kinship import Kinship
from evals.calibration.operating import Kind, Outcome, Part, Targets
from evals.calibration.questions import Page, Passage, Question, questions, unrelated
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.knowledge.v1 import knowledge_pb2 as knowledge
from groundline.knowledge.v1 import knowledge_service_pb2
from groundline.retrieval.v1 import evidence_pb2 as evidence
from groundline.retrieval.v1 import retrieval_pb2

SEED = 20_261_122
LEAST_PAGES = 20
LEAST_FOUND = 40
# As many passages as a turn is judged on, unless it is configured otherwise; and enough to fill the gap of a source.
PACK, SPARE = 8, 30
AT_ONCE = 2
# A mesh that is busy with customers goes first.
_PATIENCE_S = (1, 2, 4, 8, 16)
_BUSY = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
# Four parts of ten to fit, three to choose the threshold, three to report; spread, so that few pages reach all.
_PARTS = (*[Part.FIT, Part.CHOOSE, Part.REPORT] * 3, Part.FIT)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Case:
    """A question with what it is to be judged on."""

    question: str
    pack: evidence.EvidencePack
    kind: Kind
    part: Part


@dataclass(frozen=True, slots=True)
class Judged:
    """What one policy made of a case."""

    outcome: Outcome
    values: dict[str, float]


async def calibrate(mesh: Mesh, base: str, most: int, targets: Targets, progress: Progress) -> policies.Calibration:
    """A policy for the knowledge base. Raises CommandError where there is none, or it holds too little to learn
    from."""
    await check_knowledge_base(mesh, base)
    default = (await mesh.evaluation.GetPolicy(evaluation.GetPolicyRequest())).policy
    now = (await mesh.evaluation.GetPolicy(evaluation.GetPolicyRequest(knowledge_base=base))).policy
    pages = await _pages(mesh, base, most, progress)
    asked = questions(pages, most, SEED)
    cases = await _cases(mesh, base, asked, pages, progress)
    found = sum(each.kind is Kind.PRESENT for each in cases)
    if found < LEAST_FOUND:
        raise CommandError(
            f"only {found} of {len(asked)} questions made from {base!r} find their own page; "
            f"{LEAST_FOUND} are needed to calibrate, so the default policy stays"
        )
    before = await _judge_all(mesh, cases, default, progress)
    fitting = [each for each in before if each.outcome.part is Part.FIT and each.outcome.weighed]
    refitted = policies.refit(
        now, default, [each.values for each in fitting], [each.outcome.kind is Kind.PRESENT for each in fitting]
    )
    after = await _judge_all(mesh, cases, refitted, progress)
    outcomes_before, outcomes_after = [each.outcome for each in before], [each.outcome for each in after]
    helped = policies.better(outcomes_before, outcomes_after)
    return policies.conclude(
        refitted if helped else policies.like(now, default),
        default,
        outcomes_before,
        outcomes_after if helped else outcomes_before,
        knowledge_base=base,
        targets=targets,
        at=datetime.now(UTC),
        refitted=helped,
        counts={
            "pages": len(pages),
            "questions": len(asked),
            **{kind.value.replace(" ", "_"): sum(each.kind is kind for each in cases) for kind in Kind},
        },
    )


async def _pages(mesh: Mesh, base: str, most: int, progress: Progress) -> list[Page]:
    request = knowledge_service_pb2.ListDocumentsRequest(knowledge_base=base, state=knowledge.DOCUMENT_STATE_INDEXED)
    documents = [
        each
        async for each in every(mesh.knowledge.ListDocuments, request, "documents")
        if each.kind == knowledge.DOCUMENT_KIND_PAGE and not each.superseded_by_uri
    ]
    if len(documents) < LEAST_PAGES:
        raise CommandError(
            f"{base!r} holds {len(documents)} current documents; {LEAST_PAGES} are needed to calibrate, "
            "so the default policy stays"
        )
    # Ids differ from one ingestion to the next, addresses don't.
    documents.sort(key=lambda each: each.uri)
    chosen = Random(SEED).sample(documents, min(len(documents), max(LEAST_PAGES, most // 2)))
    read = await _all(chosen, lambda document: _page(mesh, base, document), "reading pages", progress)
    return [each for each in read if each.passages]


async def _page(mesh: Mesh, base: str, document: Any) -> Page:
    pack = await _search(mesh, base, document.title or document.uri, 50)
    own = [each for each in pack.evidence if each.doc_id == document.doc_id]
    own.sort(key=lambda each: each.span_start)
    passages = tuple(Passage(tuple(each.heading_path), each.text) for each in own)
    return Page(document.doc_id, _key(document.title, document.uri), document.title, passages)


async def _cases(
    mesh: Mesh, base: str, asked: Sequence[Question], pages: Sequence[Page], progress: Progress
) -> list[Case]:
    keys = sorted({each.key for each in pages}, key=lambda key: hashlib.sha256(key.encode()).digest())
    part_of = {key: _PARTS[place % len(_PARTS)] for place, key in enumerate(keys)}

    kinship = Kinship(pages)

    async def of_page(question: Question) -> list[Case]:
        assert question.page is not None
        part = part_of[question.page.key]
        pack = await _search(mesh, base, question.text, SPARE)
        present, removed = _first(pack, pack.evidence), without(pack, question, kinship)
        found = any(each.doc_id == question.page.doc_id for each in present.evidence)
        with_source = [Case(question.text, present, Kind.PRESENT, part)] if found else []
        return [*with_source, Case(question.text, removed, Kind.REMOVED, part)]

    async def of_none(place: int, question: Question) -> list[Case]:
        pack = await _search(mesh, base, question.text, SPARE)
        return [Case(question.text, _first(pack, pack.evidence), Kind.UNRELATED, _PARTS[place % len(_PARTS)])]

    own = await _all(asked, of_page, "asking", progress)
    other = await _all(list(enumerate(unrelated())), lambda each: of_none(*each), "asking what is unrelated", progress)
    return [case for cases in (*own, *other) for case in cases]


def without(pack: evidence.EvidencePack, question: Question, kinship: Kinship) -> evidence.EvidencePack:
    """The pack as if the question's page, its other versions and what tells the same were not there."""
    assert question.page is not None
    page = question.page
    return _first(
        pack,
        (
            each
            for each in pack.evidence
            if each.doc_id != page.doc_id
            and _key(each.title, each.doc_uri) != page.key
            and not kinship.tells_the_same(question, each.title, each.text)
        ),
    )


def _key(title: str, uri: str) -> str:
    return f"{title.casefold()}|{uri.rsplit('/', 1)[-1].casefold()}"


def _first(pack: evidence.EvidencePack, chosen: Iterable[evidence.Evidence]) -> evidence.EvidencePack:
    """The pack with the first of `chosen`; without approved records, which are judged by a threshold of their own."""
    kept = [each for each in chosen if each.kind != evidence.EVIDENCE_KIND_APPROVED_RECORD][:PACK]
    made = evidence.EvidencePack()
    made.CopyFrom(pack)
    del made.evidence[:]
    made.evidence.extend(kept)
    return made


async def _search(mesh: Mesh, base: str, query: str, count: int) -> evidence.EvidencePack:
    request = retrieval_pb2.SearchEvidenceRequest(query=query, knowledge_base=base, top_k=count)
    pack: evidence.EvidencePack = (await _patiently(mesh.retrieval.SearchEvidence, request)).evidence_pack
    return pack


async def _judge_all(mesh: Mesh, cases: Sequence[Case], policy: evaluation.Policy, progress: Progress) -> list[Judged]:
    async def judge(case: Case) -> Judged:
        request = evaluation.EvaluateRequest(question=case.question, evidence_pack=case.pack, policy=policy)
        verdict = (await _patiently(mesh.evaluation.Evaluate, request)).verdict
        values = {each.name: each.value for each in verdict.signals}
        others = all(each.ok for each in verdict.signals if each.name != policies.THRESHOLD)
        score = values.get(policies.THRESHOLD, 0.0)
        return Judged(Outcome(case.kind, case.part, score, others), values)

    return await _all(cases, judge, "judging", progress)


async def _patiently(method: Any, request: Any) -> Any:
    for wait_s in _PATIENCE_S:
        try:
            return await method(request)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _BUSY:
                raise
        await asyncio.sleep(wait_s)
    return await method(request)


async def _all(items: Sequence[T], work: Callable[[T], Awaitable[R]], doing: str, progress: Progress) -> list[R]:
    """`work` of each, in their order, AT_ONCE at a time."""
    found: dict[int, R] = {}
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for place, item in waiting:
            found[place] = await work(item)
            progress(doing, len(found), len(items))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    return [found[place] for place in range(len(items))]
