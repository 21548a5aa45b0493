"""The steps of a conversation that people take: a customer's wish, an agent's reply, a resolution."""

from datetime import datetime
from uuid import UUID

from groundline.commands.v1 import commands_pb2
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import event_pb2
from meshkit import failpoints, outbox
from meshkit.ids import new_id
from meshkit.postgres import Connection, Database
from svc_orchestrator import store
from svc_orchestrator.announcing import announce_escalation, announce_resolution
from svc_orchestrator.committing import complete_advances
from svc_orchestrator.errors import SessionNotFound, SessionNotOpen
from svc_orchestrator.escalating import escalate
from svc_orchestrator.mirroring import mirror
from svc_orchestrator.store import NewMessage, SessionRow


class Transitions:
    """Each is one transaction under the session's row lock; taken twice, the second changes nothing."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def escalate(self, session_id: UUID, note: str) -> str:
        """Hands an open conversation over at the customer's wish; returns the status.

        Raises SessionNotFound, SessionNotOpen.
        """
        async with self._db.transaction() as conn:
            session = await self._locked(conn, session_id)
            if session.status == "resolved":
                raise SessionNotOpen(session_id=session_id, status=session.status)
            if session.status == "open":
                burst = await store.unhandled_messages(conn, session_id)
                await escalate(
                    conn,
                    session,
                    rc.REASON_CODE_CUSTOMER_REQUEST,
                    notice_id=new_id(),
                    answers_for=burst,
                    note=note,
                )
                await complete_advances(conn, burst)
                await store.notify_session(conn, session_id)
        return "escalated"

    async def take_over(self, session_id: UUID, ticket_id: UUID, opened_at: datetime | None = None) -> str:
        """An agent works on it now, under this ticket, which was opened (again) then; returns the status.

        What was overtaken meanwhile changes nothing. Raises SessionNotFound.
        """
        async with self._db.transaction() as conn:
            session = await self._locked(conn, session_id)
            if opened_at is None:
                # From before tickets said when: that it came before can only be told by the ticket.
                if session.ticket_id == ticket_id:
                    return session.status
            elif not await store.follow(conn, session_id, opened_at):
                return session.status
            if session.status == "escalated":
                # An escalation that came first and has no ticket yet finds this one.
                if session.ticket_id is None:
                    await conn.execute(store.queries.attach_ticket, session_id, ticket_id)
            else:
                event = _event(session_id, event_pb2.EVENT_TYPE_ESCALATED)
                event.escalation.reason = rc.REASON_CODE_AGENT_TAKEOVER
                await store.insert_event(conn, event)
                await announce_escalation(conn, event, ticket_id=str(ticket_id))
                await store.mark_escalated(
                    conn, session_id, "AGENT_TAKEOVER", UUID(event.event_id), ticket_id=ticket_id
                )
            await store.notify_session(conn, session_id)
        return "escalated"

    async def attach_ticket(self, session_id: UUID, ticket_id: UUID) -> None:
        """Ties the escalation to its ticket. Raises SessionNotFound."""
        async with self._db.transaction() as conn:
            session = await self._locked(conn, session_id)
            if await conn.fetchval(store.queries.attach_ticket, session_id, ticket_id) is None:
                return
            if session.status == "resolved":
                # The customer closed the conversation before its ticket was made.
                await self._resolve_ticket(conn, session_id, ticket_id, ticket_id)
            event = _event(session_id, event_pb2.EVENT_TYPE_TICKET_ATTACHED)
            event.ticket_attachment.ticket_id = str(ticket_id)
            await store.insert_event(conn, event)
            await store.notify_session(conn, session_id)
            if failpoints.ON:
                await failpoints.reach("orchestrator.ticket.before_commit")
        if failpoints.ON:
            await failpoints.reach("orchestrator.ticket.committed")

    async def record_reply(
        self, session_id: UUID, ticket_id: UUID, comment_id: UUID, author_name: str, body: str
    ) -> UUID:
        """Puts an agent's comment into the chain, once; returns its message. Raises SessionNotFound."""
        async with self._db.transaction() as conn:
            await self._locked(conn, session_id)
            earlier = await store.message_by_comment(conn, comment_id)
            if earlier is not None:
                return earlier
            message = NewMessage(new_id(), "agent", body, {"author_name": author_name}, source_comment_id=comment_id)
            await store.append_message(conn, session_id, message)
            event = _event(session_id, event_pb2.EVENT_TYPE_AGENT_REPLIED)
            event.agent_reply.ticket_id = str(ticket_id)
            event.agent_reply.comment_id = str(comment_id)
            event.agent_reply.message_id = str(message.message_id)
            await store.insert_event(conn, event)
            await store.notify_session(conn, session_id)
            if failpoints.ON:
                await failpoints.reach("orchestrator.reply.before_commit")
        if failpoints.ON:
            await failpoints.reach("orchestrator.reply.committed")
        return message.message_id

    async def resolve(
        self, session_id: UUID, ticket_id: UUID | None, resolved_by: str, resolved_at: datetime | None = None
    ) -> str:
        """Resolves the conversation, at a ticket's resolution of then or at the customer's wish; returns the status.
        Raises SessionNotFound.

        A customer who resolves wants no more answers: what they said before has its outcome with it, for a message that
        is handled later would open the conversation again. A ticket of an earlier escalation that is resolved late
        leaves a conversation alone that was opened again, or that another person works on by now.
        """
        async with self._db.transaction() as conn:
            session = await self._locked(conn, session_id)
            # Also where nothing else changes: what happened to the ticket before that must not come after it.
            if resolved_at is not None and not await store.follow(conn, session_id, resolved_at):
                return session.status
            if session.status == "resolved":
                return session.status
            if ticket_id is None:
                await store.follow(conn, session_id, None)
            elif session.status == "open" or ticket_id != session.ticket_id:
                return session.status
            event = _event(session_id, event_pb2.EVENT_TYPE_RESOLVED)
            event.resolution.resolved_by = resolved_by
            event.resolution.ticket_id = str(session.ticket_id or "")
            await store.insert_event(conn, event)
            await announce_resolution(conn, event)
            if ticket_id is None:
                await self._settle(conn, session, event.event_id)
            await conn.execute(store.queries.mark_resolved, session_id)
            if session.status == "escalated" and session.ticket_id is not None:
                await self._close_case(conn, session, event.event_id, by_customer=ticket_id is None)
            await store.notify_session(conn, session_id)
            if failpoints.ON:
                await failpoints.reach("orchestrator.resolution.before_commit")
        if failpoints.ON:
            await failpoints.reach("orchestrator.resolution.committed")
        return "resolved"

    async def _settle(self, conn: Connection, session: SessionRow, event_id: str) -> None:
        burst = await store.unhandled_messages(conn, session.session_id)
        if session.status == "escalated":
            await mirror(conn, session, burst)
        await store.mark_handled(conn, [each.message_id for each in burst], UUID(event_id))
        await complete_advances(conn, burst)

    async def _close_case(self, conn: Connection, session: SessionRow, event_id: str, *, by_customer: bool) -> None:
        if by_customer:
            await self._resolve_ticket(conn, session.session_id, session.ticket_id, event_id)
        await outbox.put(
            conn,
            commands_pb2.SummarizeCase(session_id=str(session.session_id), ticket_id=str(session.ticket_id)),
            type="summarize_case",
            key=f"case:{event_id}",
            # Not the session's: what is learned later, and by other workers, must not keep a customer who comes back
            # from their ticket.
            ordering_key=session.ticket_id,
        )

    async def _resolve_ticket(self, conn: Connection, session_id: UUID, ticket_id: UUID | None, why: object) -> None:
        await outbox.put(
            conn,
            commands_pb2.ResolveTicket(ticket_id=str(ticket_id)),
            type="resolve_ticket",
            key=f"resolve-ticket:{why}",
            ordering_key=session_id,
        )

    async def _locked(self, conn: Connection, session_id: UUID) -> SessionRow:
        session = await store.read_session(conn, session_id, lock=True)
        if session is None:
            raise SessionNotFound(session_id=session_id)
        return session


def _event(session_id: UUID, type: event_pb2.EventType.ValueType) -> event_pb2.Event:
    return event_pb2.Event(event_id=str(new_id()), session_id=str(session_id), type=type)
