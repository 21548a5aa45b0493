"""Opening and reading conversations."""

from dataclasses import dataclass
from uuid import UUID

from groundline.options.v1 import access_pb2
from meshkit.errors import RequestIdReused
from meshkit.identity import Principal, TokenSigner
from meshkit.ids import new_id
from meshkit.postgres import Database
from svc_gateway import store
from svc_gateway.errors import GroupsNotVouched, SessionNotFound
from svc_gateway.store import NewSession, SessionRow

DEFAULT_KNOWLEDGE_BASE = "default"
# Whoever calls without a credential shares one namespace of request ids; see `Sessions._repeated`. So do customers: the
# name in a customer's token is whatever its holder claimed to be when the session was opened.
ANONYMOUS_OWNER = "anonymous"


@dataclass(frozen=True, slots=True)
class Opening:
    """A wish to open a conversation. `sha256` is of the whole request, to tell a repeat from another request."""

    channel: str
    customer_id: str | None
    knowledge_base: str | None
    customer_groups: tuple[str, ...]
    request_id: str | None
    sha256: bytes


class Sessions:
    """Conversations and the tokens that are bound to them."""

    def __init__(self, database: Database, signer: TokenSigner, *, token_ttl_s: int) -> None:
        self._db = database
        self._signer = signer
        self._token_ttl_s = token_ttl_s

    @property
    def token_ttl_s(self) -> int:
        """For how many seconds a minted token is valid."""
        return self._token_ttl_s

    async def open(self, opening: Opening, by: Principal) -> tuple[SessionRow, str]:
        """The conversation and its customer's token.

        Raises GroupsNotVouched, KnowledgeBaseNotFound, RequestIdReused.
        """
        vouched = by.role in (access_pb2.ROLE_ADAPTER, access_pb2.ROLE_SERVICE)
        if opening.customer_groups and not vouched:
            raise GroupsNotVouched()
        new = NewSession(
            session_id=new_id(),
            channel=opening.channel,
            customer_id=opening.customer_id,
            customer_verified=vouched and opening.customer_id is not None,
            customer_groups=opening.customer_groups,
            knowledge_base=opening.knowledge_base or DEFAULT_KNOWLEDGE_BASE,
            request_owner=_owner(by),
            request_id=opening.request_id,
            request_sha256=opening.sha256,
        )
        async with self._db.connection() as conn:
            session_id = new.session_id
            if not await store.insert_session(conn, new):
                session_id = self._repeated(
                    await store.session_by_request(conn, new.request_owner, new.request_id or ""), new
                )
            session = await store.read_session(conn, session_id)
        if session is None:
            raise SessionNotFound(session_id=session_id)
        return session, self._mint(session)

    async def read(self, session_id: UUID) -> SessionRow:
        """A conversation. Raises SessionNotFound."""
        async with self._db.connection() as conn:
            session = await store.read_session(conn, session_id)
        if session is None:
            raise SessionNotFound(session_id=session_id)
        return session

    def _repeated(self, earlier: store.EarlierSession | None, new: NewSession) -> UUID:
        same = earlier is not None and earlier.request_sha256 == new.request_sha256
        # Without a name, the request_id is all that ties the repeat to the first call. It must not open a conversation
        # that somebody has begun to use to whoever guesses it.
        if not same or earlier is None or (new.request_owner == ANONYMOUS_OWNER and not earlier.unused):
            raise RequestIdReused(request_id=new.request_id)
        return earlier.session_id

    def _mint(self, session: SessionRow) -> str:
        return self._signer.mint(
            access_pb2.ROLE_CUSTOMER,
            session.customer_id or f"session:{session.session_id}",
            groups=session.customer_groups,
            session_id=str(session.session_id),
            ttl_s=self._token_ttl_s,
        )


def _owner(by: Principal) -> str:
    if by.role in (access_pb2.ROLE_UNSPECIFIED, access_pb2.ROLE_CUSTOMER):
        return ANONYMOUS_OWNER
    return f"{by.role_name}:{by.subject}"
