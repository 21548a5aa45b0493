"""The evaluator through the wire, with its production wiring."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from groundline.evaluation.v1 import evaluation_pb2 as pb
from groundline.evaluation.v1 import evaluation_pb2_grpc, reason_code_pb2
from meshkit import testing
from meshkit.errors import from_rpc_error
from svc_evaluator.settings import EvaluatorSettings
from svc_evaluator.wiring import wire
from tests.unit.evaluator.cases import POLICY, QUESTION, evidence, pack, quoting

SERVICE = pb.DESCRIPTOR.services_by_name["EvaluationService"]


@pytest.fixture
async def served(keys: testing.Keys) -> AsyncIterator[testing.Served]:
    async with AsyncExitStack() as stack:
        registrations = await wire(stack, EvaluatorSettings())
        yield await stack.enter_async_context(testing.serve(*registrations, keys=keys))


def request(**fields: object) -> pb.EvaluateRequest:
    return pb.EvaluateRequest(**({"question": QUESTION, "evidence_pack": pack(evidence())} | fields))  # type: ignore[arg-type]


async def test_a_pack_and_then_its_draft_are_judged(served: testing.Served) -> None:
    page = evidence()
    draft = quoting(page, "An Acme 3 can hold up to 40 widgets.")
    async with served.channel(SERVICE, role="service") as channel:
        stub = evaluation_pb2_grpc.EvaluationServiceStub(channel)
        before = (await stub.Evaluate(request())).verdict
        after = (await stub.Evaluate(request(draft=draft))).verdict
        again = (await stub.Evaluate(request(draft=draft, policy_version=POLICY.version))).verdict
        empty = (await stub.Evaluate(request(draft=pb.Draft()))).verdict
    assert before.decision == after.decision == pb.DECISION_PASS
    assert after.policy_version == POLICY.version
    assert [each.ok for each in after.supports] == [True]
    assert again.SerializeToString(deterministic=True) == after.SerializeToString(deterministic=True)
    # A draft that is there and empty is not the same as none.
    assert (empty.decision, empty.reason) == (pb.DECISION_FAIL, reason_code_pb2.REASON_CODE_LLM_ERROR)


async def test_a_verdict_with_numbers_that_are_none_fails_closed(served: testing.Served) -> None:
    page = evidence()
    page.score = float("nan")
    async with served.channel(SERVICE, role="service") as channel:
        stub = evaluation_pb2_grpc.EvaluationServiceStub(channel)
        verdict = (await stub.Evaluate(request(evidence_pack=pack(page)))).verdict
    assert (verdict.decision, verdict.reason) == (pb.DECISION_FAIL, reason_code_pb2.REASON_CODE_EVALUATOR_ERROR)


async def test_the_policy_can_be_read(served: testing.Served) -> None:
    async with served.channel(SERVICE, role="agent") as channel:
        stub = evaluation_pb2_grpc.EvaluationServiceStub(channel)
        assert (await stub.GetPolicy(pb.GetPolicyRequest())).policy == POLICY
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetPolicy(pb.GetPolicyRequest(policy_version="1999-01-01-none"))
    error = from_rpc_error(refused.value)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert (error.reason, error.metadata) == ("POLICY_NOT_FOUND", {"policy_version": "1999-01-01-none"})


async def test_a_pack_is_judged_by_the_policy_of_its_knowledge_base(keys: testing.Keys, tmp_path: Path) -> None:
    own = pb.Policy()
    own.CopyFrom(POLICY)
    own.version, own.knowledge_base = "2026-11-22-080000-routers-0a1b2c3d", "routers"
    (tmp_path / "own.json").write_text(json_format.MessageToJson(own), encoding="utf-8")
    async with AsyncExitStack() as stack:
        registrations = await wire(stack, EvaluatorSettings(policy_folder=tmp_path))
        served = await stack.enter_async_context(testing.serve(*registrations, keys=keys))
        channel = await stack.enter_async_context(served.channel(SERVICE, role="service"))
        stub = evaluation_pb2_grpc.EvaluationServiceStub(channel)
        there = request()
        there.evidence_pack.knowledge_base = "routers"
        assert (await stub.Evaluate(there)).verdict.policy_version == own.version
        assert (await stub.Evaluate(request())).verdict.policy_version == POLICY.version
        there.policy_version = POLICY.version
        assert (await stub.Evaluate(there)).verdict.policy_version == POLICY.version
        assert (await stub.GetPolicy(pb.GetPolicyRequest(knowledge_base="routers"))).policy == own
        assert (await stub.GetPolicy(pb.GetPolicyRequest(knowledge_base="others"))).policy == POLICY


async def test_an_unknown_policy_judges_nothing(served: testing.Served) -> None:
    async with served.channel(SERVICE, role="service") as channel:
        stub = evaluation_pb2_grpc.EvaluationServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Evaluate(request(policy_version="1999-01-01-none"))
    assert from_rpc_error(refused.value).reason == "POLICY_NOT_FOUND"


@pytest.mark.parametrize(
    "bad",
    [{"question": ""}, {"evidence_pack": None}, {"policy_version": "x" * 129}],
    ids=["question", "evidence_pack", "policy_version"],
)
async def test_a_request_that_breaks_the_contract_is_refused(served: testing.Served, bad: dict[str, object]) -> None:
    async with served.channel(SERVICE, role="service") as channel:
        stub = evaluation_pb2_grpc.EvaluationServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Evaluate(request(**bad))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("role", ["customer", "agent", None])
async def test_only_services_may_ask_for_a_verdict(served: testing.Served, role: str | None) -> None:
    async with served.channel(SERVICE, role=role) as channel:
        stub = evaluation_pb2_grpc.EvaluationServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Evaluate(request())
    assert refused.value.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)


async def test_a_bad_policy_keeps_it_from_starting(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"version": "x"}', encoding="utf-8")
    async with AsyncExitStack() as stack:
        with pytest.raises(ValueError, match=r"bad\.json is not a policy"):
            await wire(stack, EvaluatorSettings(policy_folder=tmp_path))
