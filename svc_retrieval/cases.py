"""Cases learned from people's answers, and what a person decides about them."""

from collections.abc import Sequence
from uuid import UUID

from groundline.commands.v1 import commands_pb2 as commands
from meshkit import failpoints, outbox
from meshkit.ids import new_id
from meshkit.postgres import Connection, Database
from meshkit.telemetry import get_logger
from svc_retrieval.errors import CaseNotFound, CaseStateInvalid, KnowledgeBaseNotFound
from svc_retrieval.store import bases, documents
from svc_retrieval.store import cases as store
from svc_retrieval.store.cases import CaseRow, NewCase

log = get_logger(__name__)

PENDING, APPROVED, REJECTED = "pending_review", "approved", "rejected"


class Cases:
    """All learned cases. Agents see them whatever their groups: somebody has to review them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def record(self, new: NewCase) -> CaseRow:
        """The case of this conversation's ticket, written now or before. Raises KnowledgeBaseNotFound."""
        async with self._db.transaction() as conn:
            if not await bases.base_exists(conn, new.knowledge_base):
                raise KnowledgeBaseNotFound(knowledge_base=new.knowledge_base)
            case_id = new_id()
            if await store.insert_case(conn, case_id, new):
                await _index(conn, case_id, PENDING)
                log.info("case_recorded", case_id=str(case_id), ticket_id=str(new.ticket_id))
            else:
                case_id = await store.case_of(conn, new.session_id, new.ticket_id)
            case = await _read(conn, case_id)
            if failpoints.ON:
                await failpoints.reach("retrieval.case.before_commit")
        if failpoints.ON:
            await failpoints.reach("retrieval.case.committed")
        return case

    async def read(self, case_id: UUID) -> CaseRow:
        """Raises CaseNotFound."""
        async with self._db.connection() as conn:
            return await _read(conn, case_id)

    async def page(
        self, *, state: str | None, ticket_id: UUID | None, before: UUID | None, limit: int
    ) -> Sequence[CaseRow]:
        """Cases, newest first, from behind `before`."""
        async with self._db.connection() as conn:
            return await store.read_cases(conn, state=state, ticket_id=ticket_id, before=before, limit=limit)

    async def approve(self, case_id: UUID, by: str) -> CaseRow:
        """Others may be answered from it from when it is indexed anew. Raises CaseNotFound, CaseStateInvalid."""
        async with self._db.transaction() as conn:
            state, _ = await _lock(conn, case_id)
            if state == REJECTED:
                raise CaseStateInvalid(case_id=case_id, state=state)
            if state != APPROVED:
                await store.review_case(conn, case_id, APPROVED, by)
                await _index(conn, case_id, APPROVED)
                log.info("case_approved", case_id=str(case_id))
            return await _read(conn, case_id)

    async def reject(self, case_id: UUID, by: str) -> CaseRow:
        """Nobody is answered from it from the return on. Raises CaseNotFound."""
        async with self._db.transaction() as conn:
            state, doc_id = await _lock(conn, case_id)
            if state != REJECTED:
                await store.review_case(conn, case_id, REJECTED, by)
                if doc_id is not None and await documents.lock_state(conn, doc_id) is not None:
                    await documents.delete_document(conn, doc_id)
                log.info("case_rejected", case_id=str(case_id))
            return await _read(conn, case_id)


async def _index(conn: Connection, case_id: UUID, state: str) -> None:
    await outbox.put(
        conn,
        commands.IndexCase(case_id=str(case_id)),
        type="index_case",
        key=f"index-case:{case_id}:{state}",
        ordering_key=case_id,
    )


async def _lock(conn: Connection, case_id: UUID) -> tuple[str, UUID | None]:
    found = await store.lock_case(conn, case_id)
    if found is None:
        raise CaseNotFound(case_id=case_id)
    return found


async def _read(conn: Connection, case_id: UUID) -> CaseRow:
    found = await store.read_cases(conn, case_id=case_id)
    if not found:
        raise CaseNotFound(case_id=case_id)
    return found[0]
