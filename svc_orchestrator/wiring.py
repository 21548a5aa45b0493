"""Puts the orchestrator together."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from groundline.evaluation.v1 import evaluation_pb2, evaluation_pb2_grpc
from groundline.orchestration.v1 import orchestration_service_pb2_grpc
from groundline.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from meshkit.call import describe
from meshkit.channels import open_channel
from meshkit.identity import ServiceToken, TokenSigner
from meshkit.postgres import Database
from meshkit.server import Registration, Service
from svc_orchestrator.advancing import Advancer
from svc_orchestrator.answering import open_answerer
from svc_orchestrator.exporting import TurnExport
from svc_orchestrator.hinted import HintedSessions
from svc_orchestrator.peers import Gate, Retrieval
from svc_orchestrator.progress import Progress
from svc_orchestrator.rewriting import open_rewriter
from svc_orchestrator.second_opinion import open_second_reader
from svc_orchestrator.servicer import OrchestrationServicer
from svc_orchestrator.settings import OrchestratorSettings
from svc_orchestrator.transitions import Transitions
from svc_orchestrator.turn import TurnTaker


async def wire(stack: AsyncExitStack, settings: OrchestratorSettings) -> Sequence[Registration]:
    """What the orchestrator serves. Raises ValueError if a setting that it needs is missing."""
    if settings.signing_key_file is None:
        raise ValueError("GROUNDLINE_SIGNING_KEY_FILE is needed")
    database = await stack.enter_async_context(Database.from_settings(settings, name="orchestrator"))
    token = ServiceToken(TokenSigner.from_file(settings.signing_key_file), "orchestrator")
    to_retrieval = await stack.enter_async_context(
        open_channel(
            settings.retrieval_target, retrieval_pb2.DESCRIPTOR.services_by_name["RetrievalService"], token=token
        )
    )
    to_evaluator = await stack.enter_async_context(
        open_channel(
            settings.evaluator_target, evaluation_pb2.DESCRIPTOR.services_by_name["EvaluationService"], token=token
        )
    )
    answerer = await stack.enter_async_context(
        open_answerer(
            embedding_model=settings.embedding_model,
            cache=settings.home / "models",
            chat_base_url=settings.chat_base_url,
            chat_api_key=settings.chat_api_key.get_secret_value(),
            chat_model=settings.chat_model,
        )
    )
    rewriter = await stack.enter_async_context(
        open_rewriter(
            chat_base_url=settings.chat_base_url,
            chat_api_key=settings.chat_api_key,
            chat_model=settings.chat_small_model,
            deadline_s=settings.rewrite_timeout_s,
        )
    )
    second_reader = await stack.enter_async_context(
        open_second_reader(
            chat_base_url=settings.chat_base_url,
            chat_api_key=settings.chat_api_key,
            chat_model=settings.second_reader_chat_model,
            nli_base_url=settings.nli_base_url,
            nli_api_key=settings.nli_api_key,
            nli_model=settings.nli_model,
            deadline_s=settings.second_reader_timeout_s,
        )
    )
    progress = Progress()
    turns = TurnTaker(
        Retrieval(
            retrieval_pb2_grpc.RetrievalServiceStub(to_retrieval),
            timeout_s=settings.retrieval_timeout_s,
            evidence_count=settings.evidence_count,
        ),
        Gate(evaluation_pb2_grpc.EvaluationServiceStub(to_evaluator), timeout_s=settings.evaluation_timeout_s),
        answerer,
        progress,
        draft_timeout_s=settings.draft_timeout_s,
        rewriter=rewriter,
        second_reader=second_reader,
        session_tokens=settings.session_tokens,
    )
    advancer = Advancer(database, turns, progress, lease_s=settings.lease_s)
    hinted = HintedSessions(
        advancer.advance,
        at_once=settings.max_turns,
        max_waiting=settings.max_waiting_hints,
        deadline_s=describe("/groundline.orchestration.v1.OrchestrationService/AdvanceSession").deadline_s,
    )
    stack.push_async_callback(hinted.drain)
    servicer = OrchestrationServicer(database, advancer, hinted, Transitions(database), progress, TurnExport(database))
    return [Service(orchestration_service_pb2_grpc.add_OrchestrationServiceServicer_to_server, servicer)]
