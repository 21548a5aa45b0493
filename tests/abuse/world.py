"""What stands before anybody misbehaves: conversations, tickets, every credential; and a look at what changed."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import asyncpg
import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cli.mesh import Mesh
from groundline.conversation.v1 import conversation_service_pb2 as talk
from groundline.knowledge.v1 import knowledge_service_pb2 as library
from groundline.ticketing.v1 import ticketing_pb2 as ticketing
from groundline.ticketing.v1 import ticketing_service_pb2 as desk
from meshkit.identity import TokenSigner, create_keys
from meshkit.testing import eventually

from ..stack import Live, is_idle, written

IDLE_WITHIN_S = 30.0
# On a busy machine a turn may take that long to give its lease back.
STILL_FOR_S = 0.2
# Only transactions that write are given a number: as long as this stays, nothing at all was written.
_WRITERS = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


@dataclass(frozen=True)
class World:
    """`names` holds ids and tokens by the names that the cases use: `$mine`, `$agent`, `$expired`, …"""

    live: Live
    names: Mapping[str, str]
    seen: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    """What stood when: the number of the next transaction that will write, and what all tables held."""

    def fill(self, value: Any) -> Any:
        """`value` with every `$name` in its strings replaced. Raises KeyError for an unknown name."""
        if isinstance(value, str):
            return Template(value).substitute(self.names) if "$" in value else value
        if isinstance(value, dict):
            return {key: self.fill(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        return value

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Fails if a row of any table, or a stored file, came, changed or went meanwhile."""
        async with self.live.owner() as conn:
            writers, state = await self._settled(conn)
            yield
            files = state["files"] == self._files()
            if files and await conn.fetchval(_WRITERS) == writers:
                return
            # A transaction wrote something; it need not have been into a table of ours.
            now = await self._state(conn)
            changed = {name: (state[name], now[name]) for name in now if now[name] != state[name]}
            assert not changed, f"something was written: {changed}"

    async def _settled(self, conn: asyncpg.Connection) -> tuple[int, Mapping[str, Any]]:
        """The state once nothing is at work any more: a lease is given back a moment after its command is done."""
        if self.seen and self.seen[-1][0] == await conn.fetchval(_WRITERS) and await is_idle(conn):
            return self.seen[-1]

        async def stands_still() -> bool:
            self.seen.append((await conn.fetchval(_WRITERS), await self._state(conn)))
            return self.seen[-1] in self.seen[-2:-1] and await is_idle(conn)

        await eventually(stands_still, timeout_s=IDLE_WITHIN_S, every_s=STILL_FOR_S)
        return self.seen[-1]

    async def _state(self, conn: asyncpg.Connection) -> Mapping[str, Any]:
        return {**await written(conn), "files": self._files()}

    def _files(self) -> int:
        return sum(1 for each in self.live.stack.home.objects.rglob("*") if each.is_file())


def make_world(live: Live) -> World:
    """Opens three conversations, one of them answered and two of them with a ticket, and makes the credentials."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = _credentials(live, Path(folder))
    return asyncio.run(_make(live, tokens))


async def _make(live: Live, tokens: dict[str, str]) -> World:
    names = {"nobody": str(uuid.uuid4()), "request": str(uuid.uuid4()), **tokens}
    async with live.mesh(None) as anyone:
        for name in ("mine", "theirs", "third"):
            opened = await anyone.conversation.CreateSession(talk.CreateSessionRequest(channel="web"))
            names[name], names[f"{name}_token"] = opened.session.session_id, opened.session_token
    async with live.mesh(names["mine_token"]) as customer:
        request = talk.PostMessageRequest(
            session_id=names["mine"], content="What are your opening hours?", request_id=names["request"]
        )
        names["question"] = (await customer.conversation.PostMessage(request)).message_id
        names["answer"] = await _answer(customer, names["mine"])
        page = talk.ListMessagesRequest(session_id=names["mine"], page_size=1)
        names["messages_page"] = (await customer.conversation.ListMessages(page)).next_page_token
    async with live.mesh(names["agent"]) as agent:
        for name in ("theirs", "third"):
            made = await agent.ticketing.CreateTicket(desk.CreateTicketRequest(session_id=names[name]))
            names[f"{name}_ticket"] = made.ticket.ticket_id
        await agent.ticketing.CreateComment(
            desk.CreateCommentRequest(
                ticket_id=names["theirs_ticket"],
                body="a note",
                visibility=ticketing.COMMENT_VISIBILITY_INTERNAL,
                request_id=names["request"],
            )
        )
        tickets = await agent.ticketing.ListTickets(desk.ListTicketsRequest(page_size=1))
        names["tickets_page"] = tickets.next_page_token
        documents = await agent.knowledge.ListDocuments(library.ListDocumentsRequest(page_size=1))
        names["documents_page"], names["document"] = documents.next_page_token, documents.documents[0].doc_id
    missing = [name for name, value in names.items() if not value]
    assert not missing, f"could not be made: {missing}"
    return World(live, names)


async def _answer(customer: Mesh, session_id: str) -> str:
    async def answered() -> str:
        page = await customer.conversation.ListMessages(talk.ListMessagesRequest(session_id=session_id))
        return str(page.messages[1].message_id) if len(page.messages) > 1 else ""

    return str(await eventually(answered, timeout_s=IDLE_WITHIN_S))


# Every token that must not be accepted; the cases use each of them.
BAD_TOKENS = (
    "junk",
    "expired",
    "foreign",
    "foreign_same_kid",
    "tampered",
    "unsigned",
    "hs256",
    "wrong_audience",
    "wrong_issuer",
    "endless",
    "no_role",
    "unknown_role",
    "loose_customer",
    "odd_groups",
)


def _credentials(live: Live, folder: Path) -> dict[str, str]:
    """Good tokens by role, and the bad ones of BAD_TOKENS, all of which claim to be an admin's unless said."""
    key = load_pem_private_key(live.stack.home.signing_key.read_bytes(), password=None)
    good = live.token("admin")
    header = jwt.get_unverified_header(good)
    now = int(time.time())
    claims = {"iss": "groundline", "aud": "groundline", "sub": "mallory", "iat": now, "exp": now + 900, "role": "admin"}

    def mint(*, without: str = "", **changes: Any) -> str:
        changed = {name: value for name, value in {**claims, **changes}.items() if name != without}
        return jwt.encode(changed, key, algorithm="EdDSA", headers={"kid": header["kid"]})  # type: ignore[arg-type]

    stranger_pem, _ = create_keys(folder)
    stranger = load_pem_private_key(stranger_pem.read_bytes(), password=None)
    public = json.loads(live.stack.home.jwks.read_bytes())["keys"][0]["x"]
    head, body, signature = good.split(".")
    other_body = live.token("customer", session_id=str(uuid.uuid4())).split(".")[1]
    made = {
        "junk": "a.b.c",
        "expired": live.token("admin", ttl_s=-120),
        "foreign": TokenSigner(stranger_pem.read_bytes()).mint(5, "mallory", ttl_s=900),
        "foreign_same_kid": jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": header["kid"]}),  # type: ignore[arg-type]
        "tampered": ".".join([head, other_body, signature]),
        "unsigned": jwt.encode(claims, "", algorithm="none", headers={"kid": header["kid"]}),
        # The public key as an HMAC's secret: what a verifier that trusts `alg` would accept.
        "hs256": jwt.encode(claims, public, algorithm="HS256", headers={"kid": header["kid"]}),
        "wrong_audience": mint(aud="elsewhere"),
        "wrong_issuer": mint(iss="elsewhere"),
        "endless": mint(without="exp"),
        "no_role": mint(without="role"),
        "unknown_role": mint(role="root"),
        "loose_customer": mint(role="customer"),
        "odd_groups": mint(groups="group:admins"),
    }
    assert set(made) == set(BAD_TOKENS)
    roles = {role: live.token(role) for role in ("agent", "supervisor", "admin", "adapter", "service")}
    assert body != other_body
    return {**made, **roles}
