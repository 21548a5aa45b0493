"""What an agent says to a customer."""

from groundline.commands.v1 import commands_pb2 as commands
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from meshkit.outbox import Attempt, Done, Outcome
from svc_workers.job import Job
from svc_workers.peers import Peers, answer


class MirrorReply(Job[commands.MirrorReply]):
    """Puts an agent's public comment into the conversation, once by the comment."""

    type, command = "mirror_reply", commands.MirrorReply
    timeout_s, concurrency = 30.0, 16

    def __init__(self, peers: Peers) -> None:
        self._orchestration = peers.orchestration

    async def work(self, command: commands.MirrorReply, attempt: Attempt) -> Outcome:
        """Passes it on."""
        await answer(
            self._orchestration.RecordReply(
                orchestration.RecordReplyRequest(
                    session_id=command.session_id,
                    ticket_id=command.ticket_id,
                    comment_id=command.comment_id,
                    author_name=command.author_name,
                    body=command.body,
                )
            )
        )
        return Done()
