"""The ticket of an escalation, and its tie to the conversation."""

from groundline.commands.v1 import commands_pb2 as commands
from groundline.conversation.v1 import conversation_pb2
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.ticketing.v1 import error_reason_pb2 as reasons
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2
from meshkit import failpoints
from meshkit.errors import REASON_PREFIX, RemoteError
from meshkit.outbox import Attempt, Done, Outcome
from svc_workers.job import Job
from svc_workers.peers import Peers, answer

_ALREADY_OPEN = reasons.ErrorReason.Name(reasons.ERROR_REASON_TICKET_ALREADY_OPEN).removeprefix(REASON_PREFIX)


class CreateTicket(Job[commands.CreateTicket]):
    """Makes one ticket by the command's request_id, or takes the one that stands open, and attaches it."""

    type, command = "create_ticket", commands.CreateTicket
    timeout_s, concurrency = 30.0, 16

    def __init__(self, peers: Peers) -> None:
        self._ticketing = peers.ticketing
        self._orchestration = peers.orchestration

    async def work(self, command: commands.CreateTicket, attempt: Attempt) -> Outcome:
        """Both steps may be repeated: each changes nothing the second time."""
        ticket_id = await self._ticket(command)
        if failpoints.ON:
            await failpoints.reach("worker.ticket.made")
        await answer(
            self._orchestration.AttachTicket(
                orchestration.AttachTicketRequest(session_id=command.ticket.session_id, ticket_id=ticket_id)
            )
        )
        return Done()

    async def _ticket(self, command: commands.CreateTicket) -> str:
        try:
            response = await answer(self._ticketing.CreateTicket(command.ticket))
        except RemoteError as exc:
            # An agent was quicker, or an earlier escalation's ticket is open again: a person has the conversation.
            if exc.reason == _ALREADY_OPEN and exc.metadata.get("ticket_id"):
                await self._hand_over(command.ticket, exc.metadata["ticket_id"])
                return exc.metadata["ticket_id"]
            raise
        return response.ticket.ticket_id

    async def _hand_over(self, wanted: ticketing_service_pb2.CreateTicketRequest, ticket_id: str) -> None:
        """Shows on a ticket that stands what the customer said and it doesn't show yet: nobody else would."""
        standing = await answer(self._ticketing.GetTicket(ticketing_service_pb2.GetTicketRequest(ticket_id=ticket_id)))
        shown = {entry.message_id for entry in standing.ticket.transcript}
        for entry in wanted.transcript:
            if entry.role == conversation_pb2.MESSAGE_ROLE_CUSTOMER and entry.message_id not in shown:
                # Once by the message, whichever command mirrors it.
                await answer(
                    self._ticketing.CreateComment(
                        ticketing_service_pb2.CreateCommentRequest(
                            ticket_id=ticket_id,
                            body=entry.content,
                            visibility=ticketing_pb2.COMMENT_VISIBILITY_PUBLIC,
                            source_message_id=entry.message_id,
                        )
                    )
                )
