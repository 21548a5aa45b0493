"""A person who takes a conversation over from the bot."""

from groundline.commands.v1 import commands_pb2 as commands
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from meshkit.outbox import Attempt, Done, Outcome
from svc_workers.job import Job
from svc_workers.peers import Peers, answer


class TakeOverSession(Job[commands.TakeOverSession]):
    """Marks a conversation as worked on by a person: its ticket was opened by one, or opened again."""

    type, command = "take_over_session", commands.TakeOverSession
    timeout_s, concurrency = 30.0, 16

    def __init__(self, peers: Peers) -> None:
        self._orchestration = peers.orchestration

    async def work(self, command: commands.TakeOverSession, attempt: Attempt) -> Outcome:
        """Passes it on."""
        request = orchestration.TakeOverSessionRequest(session_id=command.session_id, ticket_id=command.ticket_id)
        if command.HasField("opened_at"):
            request.opened_at.CopyFrom(command.opened_at)
        await answer(self._orchestration.TakeOverSession(request))
        return Done()
