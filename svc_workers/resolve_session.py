"""The end of a conversation whose ticket a person resolved."""

from groundline.commands.v1 import commands_pb2 as commands
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from meshkit.outbox import Attempt, Done, Outcome
from svc_workers.job import Job
from svc_workers.peers import Peers, answer


class ResolveSession(Job[commands.ResolveSession]):
    """Resolves the conversation of a resolved ticket."""

    type, command = "resolve_session", commands.ResolveSession
    timeout_s, concurrency = 30.0, 16

    def __init__(self, peers: Peers) -> None:
        self._orchestration = peers.orchestration

    async def work(self, command: commands.ResolveSession, attempt: Attempt) -> Outcome:
        """Passes it on."""
        request = orchestration.ResolveSessionRequest(
            session_id=command.session_id, ticket_id=command.ticket_id, resolved_by=command.resolved_by
        )
        if command.HasField("resolved_at"):
            request.resolved_at.CopyFrom(command.resolved_at)
        await answer(self._orchestration.ResolveSession(request))
        return Done()
