"""What a customer says while a person answers."""

from groundline.commands.v1 import commands_pb2 as commands
from groundline.conversation.v1 import conversation_service_pb2 as conversation
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2
from meshkit.outbox import Attempt, Done, Outcome, Retry
from svc_workers.job import Job
from svc_workers.peers import Peers, answer

# The ticket follows an escalation within moments; after some tries the usual backoff takes over.
TICKET_RETRY_S = 1.0
QUICK_TRIES = 4


class AddTicketComment(Job[commands.AddTicketComment]):
    """Mirrors a customer's message to the conversation's ticket, once by the message."""

    type, command = "add_ticket_comment", commands.AddTicketComment
    timeout_s, concurrency = 30.0, 16

    def __init__(self, peers: Peers) -> None:
        self._conversation = peers.conversation
        self._ticketing = peers.ticketing

    async def work(self, command: commands.AddTicketComment, attempt: Attempt) -> Outcome:
        """Waits for the ticket if it isn't there yet."""
        # Not the conversation's ticket of today, if another was meant: the next one may be made behind this command.
        ticket_id = command.ticket_id or await self._ticket_id(command.session_id)
        if not ticket_id:
            return Retry("the ticket is not there yet", TICKET_RETRY_S if attempt.number <= QUICK_TRIES else None)
        await answer(
            self._ticketing.CreateComment(
                ticketing_service_pb2.CreateCommentRequest(
                    ticket_id=ticket_id,
                    body=command.body,
                    visibility=ticketing_pb2.COMMENT_VISIBILITY_PUBLIC,
                    source_message_id=command.message_id,
                    request_id=f"comment:{command.message_id}",
                )
            )
        )
        return Done()

    async def _ticket_id(self, session_id: str) -> str:
        found = await answer(self._conversation.GetSession(conversation.GetSessionRequest(session_id=session_id)))
        return str(found.session.ticket_id)
