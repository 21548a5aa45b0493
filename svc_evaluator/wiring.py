"""Puts the evaluator together. It has no database, and calls nobody."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from groundline.evaluation.v1 import evaluation_pb2_grpc
from meshkit.background import Background
from meshkit.server import Registration, Service
from svc_evaluator.policy_files import SHIPPED
from svc_evaluator.policy_shelf import PolicyShelf
from svc_evaluator.servicer import EvaluationServicer
from svc_evaluator.settings import EvaluatorSettings


async def wire(_stack: AsyncExitStack, settings: EvaluatorSettings) -> Sequence[Registration]:
    """What the evaluator serves. Raises ValueError if a policy can't be used or the one in force is missing."""
    folders = [SHIPPED, *([settings.policy_folder] if settings.policy_folder else [])]
    shelf = PolicyShelf(folders, in_force=settings.policy_version)
    return [
        Service(evaluation_pb2_grpc.add_EvaluationServiceServicer_to_server, EvaluationServicer(shelf)),
        Background("policies", shelf.watch),
    ]
