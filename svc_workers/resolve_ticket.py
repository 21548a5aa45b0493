"""The ticket of a conversation that its customer closed."""

from google.protobuf import field_mask_pb2

from groundline.commands.v1 import commands_pb2 as commands
from groundline.ticketing.v1 import error_reason_pb2 as reasons
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2
from meshkit.errors import REASON_PREFIX, RemoteError
from meshkit.outbox import Attempt, Done, Outcome
from svc_workers.job import Job
from svc_workers.peers import Peers, answer

_CLOSED = reasons.ErrorReason.Name(reasons.ERROR_REASON_TICKET_CLOSED).removeprefix(REASON_PREFIX)


class ResolveTicket(Job[commands.ResolveTicket]):
    """Resolves a ticket; one that is resolved or closed already is left as it is."""

    type, command = "resolve_ticket", commands.ResolveTicket
    timeout_s, concurrency = 30.0, 16

    def __init__(self, peers: Peers) -> None:
        self._ticketing = peers.ticketing

    async def work(self, command: commands.ResolveTicket, attempt: Attempt) -> Outcome:
        """Resolves without an etag: whatever an agent is changing, the customer has closed the conversation."""
        request = ticketing_service_pb2.UpdateTicketRequest(
            ticket_id=command.ticket_id,
            ticket=ticketing_pb2.Ticket(status=ticketing_pb2.TICKET_STATUS_RESOLVED),
            update_mask=field_mask_pb2.FieldMask(paths=["status"]),
        )
        try:
            await answer(self._ticketing.UpdateTicket(request))
        except RemoteError as exc:
            if exc.reason == _CLOSED:
                return Done()
            raise
        return Done()
