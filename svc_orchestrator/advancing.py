"""Moving a session on until nothing is left to do, by one worker at a time."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from groundline.conversation.v1 import conversation_pb2
from groundline.orchestration.v1 import event_pb2
from groundline.orchestration.v1 import orchestration_service_pb2 as pb
from meshkit import failpoints
from meshkit.errors import DomainError
from meshkit.ids import new_id
from meshkit.postgres import Connection, Database
from meshkit.telemetry import get_logger
from svc_orchestrator import store
from svc_orchestrator.committing import commit_turn, complete_advances
from svc_orchestrator.errors import LeaseLost, SessionNotFound
from svc_orchestrator.mirroring import mirror
from svc_orchestrator.progress import Progress
from svc_orchestrator.store import Lease, MessageRow, SessionRow
from svc_orchestrator.turn import TurnTaker, failed_turn

log = get_logger(__name__)

# A turn that ended without a result this often in a row is handed to a person.
MAX_FAILED_TURNS = 3
CONTEXT_MESSAGES = 20
# A customer who writes without a pause doesn't hold a worker for ever; the relay comes again.
MAX_ROUNDS = 20
# After so long no further turn is begun: each may take most of the call's deadline for itself.
MAX_SECONDS = 10.0


class Advancer:
    """Takes a session's lease, handles all that is unhandled as one turn, commits, and looks again."""

    def __init__(self, database: Database, turns: TurnTaker, progress: Progress, *, lease_s: float) -> None:
        self._db = database
        self._turns = turns
        self._progress = progress
        self._lease_s = lease_s
        self._holder = f"{socket.gethostname()}:{os.getpid()}"

    async def advance(self, session_id: UUID) -> tuple[pb.AdvanceOutcome.ValueType, int]:
        """The outcome, and how many turns were committed. Raises SessionNotFound; LeaseLost if it was overtaken."""
        async with self._db.connection() as conn:
            lease = await store.acquire_lease(conn, session_id, self._holder, self._lease_s)
            if lease is None:
                if await store.read_session(conn, session_id) is None:
                    raise SessionNotFound(session_id=session_id)
                return pb.ADVANCE_OUTCOME_BUSY, 0
        if failpoints.ON:
            await failpoints.reach("orchestrator.session.leased")
        rounds, failed, began = 0, False, time.monotonic()
        try:
            async with self._kept(lease):
                while rounds < MAX_ROUNDS and await self._round(lease):
                    rounds += 1
                    if time.monotonic() - began > MAX_SECONDS:
                        break
        except Exception as exc:
            failed = _is_the_turns_fault(exc)
            raise
        finally:
            # A shield: whoever cancels this turn must not leave the session held until the lease runs out.
            await asyncio.shield(self._release(lease, failed))
        if rounds:
            self._progress.stage(session_id, conversation_pb2.TURN_STAGE_DONE)
        return (pb.ADVANCE_OUTCOME_ADVANCED if rounds else pb.ADVANCE_OUTCOME_IDLE), rounds

    async def _round(self, lease: Lease) -> bool:
        """One look and what follows from it; False when there was nothing to do."""
        began = time.perf_counter()
        async with self._db.connection() as conn:
            burst = await store.unhandled_messages(conn, lease.session_id)
            session = await store.read_session(conn, lease.session_id)
            if not burst or session is None:
                return False
            context = await store.recent_messages(conn, session, CONTEXT_MESSAGES)
        if session.status == "resolved":
            await self._reopen(lease, burst)
        elif session.status == "escalated":
            await self._mirror(lease, burst)
        else:
            if lease.failed_turns >= MAX_FAILED_TURNS:
                result = failed_turn(burst)
            else:
                before = [each for each in context if each.sequence < burst[0].sequence]
                result = await self._turns.take(session, burst, before)
            if not await commit_turn(self._db, lease, session, burst, result, began):
                log.info("turn_superseded", session_id=str(lease.session_id))
        return True

    async def _mirror(self, lease: Lease, burst: list[MessageRow]) -> None:
        """A person answers: what the customer says goes to the ticket."""
        async with self._db.transaction() as conn:
            session = await self._fenced(conn, lease)
            if session.status != "escalated" or session.escalation_event_id is None:
                return
            await mirror(conn, session, burst)
            await store.mark_handled(conn, [each.message_id for each in burst], session.escalation_event_id)
            await complete_advances(conn, burst)
            if failpoints.ON:
                await failpoints.reach("orchestrator.comments.before_commit")
        if failpoints.ON:
            await failpoints.reach("orchestrator.comments.committed")

    async def _reopen(self, lease: Lease, burst: list[MessageRow]) -> None:
        """A message on a resolved conversation: it begins anew, with nothing of the past as context."""
        async with self._db.transaction() as conn:
            session = await self._fenced(conn, lease)
            if session.status != "resolved":
                return
            await conn.execute(store.queries.mark_reopened, session.session_id, burst[0].sequence - 1)
            event = event_pb2.Event(
                event_id=str(new_id()),
                session_id=str(session.session_id),
                type=event_pb2.EVENT_TYPE_REOPENED,
                reopening=event_pb2.Reopening(message_id=str(burst[0].message_id)),
            )
            await store.insert_event(conn, event)

    async def _fenced(self, conn: Connection, lease: Lease) -> SessionRow:
        if not await store.hold_lease(conn, lease):
            raise LeaseLost()
        session = await store.read_session(conn, lease.session_id, lock=True)
        if session is None:
            raise SessionNotFound(session_id=lease.session_id)
        return session

    @asynccontextmanager
    async def _kept(self, lease: Lease) -> AsyncIterator[None]:
        """Renews the lease while the block runs; cancels the block with LeaseLost when it can't be kept."""
        working = asyncio.current_task()
        lost = False

        async def renew() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(self._lease_s / 3)
                try:
                    async with self._db.connection() as conn:
                        kept = await store.renew_lease(conn, lease, self._lease_s)
                except Exception as exc:
                    # The database may be back before the lease runs out; if not, the fence refuses the commit.
                    log.warning("lease_not_renewed", session_id=str(lease.session_id), error=type(exc).__name__)
                    continue
                if not kept:
                    lost = True
                    if working is not None:
                        working.cancel()
                    return

        renewal = asyncio.create_task(renew())
        try:
            yield
        except asyncio.CancelledError:
            if lost and working is not None:
                working.uncancel()
                raise LeaseLost() from None
            raise
        finally:
            renewal.cancel()

    async def _release(self, lease: Lease, failed: bool) -> None:
        try:
            async with self._db.connection() as conn:
                await store.release_lease(conn, lease, failed=failed)
        except Exception as exc:
            # It runs out by itself.
            log.warning("lease_not_released", session_id=str(lease.session_id), error=type(exc).__name__)


def _is_the_turns_fault(exc: Exception) -> bool:
    """Whether trying again would come to the same: a full pool, a database that is away or a lost lease would not."""
    return not isinstance(exc, DomainError | LeaseLost | TimeoutError | OSError | asyncpg.PostgresConnectionError)
