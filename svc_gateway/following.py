"""Following a conversation: who waits for which session, and what woke it."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from groundline.conversation.v1 import conversation_pb2
from meshkit.errors import Overloaded
from meshkit.postgres import Database
from meshkit.telemetry import gauge
from svc_gateway import store
from svc_gateway.errors import SessionNotFound
from svc_gateway.store import MessageRow, SessionRow

FOLLOWERS = gauge("groundline_gateway_followers", "Streams that are open.")

PAGE = 100
# A turn has five stages: whoever is further behind than this is not helped by older ones.
MAX_PROGRESS = 16
# Tabs and devices of a customer, and the people who help: beyond, one token would use up everybody's streams.
MAX_PER_SESSION = 16
REFUSED_RETRY_S = 2.0


@dataclass(slots=True, eq=False)
class Follower:
    """One open stream. `look` is set when the session may have changed, progress has come, or the
    stream has to end."""

    session_id: UUID
    revision: int = -1
    ended: bool = False
    look: asyncio.Event = field(default_factory=asyncio.Event)
    progress: deque[conversation_pb2.TurnProgress] = field(default_factory=lambda: deque(maxlen=MAX_PROGRESS))

    async def changed(self, timeout_s: float) -> bool:
        """Waits until there is something to look at; False when `timeout_s` seconds passed in silence."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.look.wait()
        except TimeoutError:
            return False
        self.look.clear()
        return True


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reader has not seen yet. `session` is None while only messages were added."""

    session: SessionRow | None
    messages: list[MessageRow]
    progress: list[conversation_pb2.TurnProgress]


class Following:
    """All open streams of this process, by session. Memory is bounded: a stream holds no messages while it waits."""

    def __init__(self, database: Database, *, max_streams: int) -> None:
        self._db = database
        self._max_streams = max_streams
        self._followers: defaultdict[UUID, set[Follower]] = defaultdict(set)
        self._count = 0
        self._ended = False

    def end(self) -> None:
        """Ends all streams, and lets no new one begin: this process drains, and readers resume elsewhere."""
        self._ended = True
        for group in self._followers.values():
            for follower in group:
                follower.ended = True
                follower.look.set()

    @contextmanager
    def follow(self, session_id: UUID) -> Iterator[Follower]:
        """Registers a stream for the length of the block. Raises Overloaded at `max_streams`, and at MAX_PER_SESSION of
        one session."""
        of_session = len(self._followers.get(session_id, ()))
        if self._ended or self._count >= self._max_streams or of_session >= MAX_PER_SESSION:
            raise Overloaded(retry_after_s=REFUSED_RETRY_S)
        follower = Follower(session_id)
        follower.look.set()
        self._followers[session_id].add(follower)
        self._count += 1
        FOLLOWERS.set(self._count)
        try:
            yield follower
        finally:
            self._count -= 1
            FOLLOWERS.set(self._count)
            self._followers[session_id].discard(follower)
            if not self._followers[session_id]:
                del self._followers[session_id]

    def wake(self, session_id: str) -> None:
        """A session may have changed."""
        for follower in self._followers.get(UUID(session_id), ()):
            follower.look.set()

    def show(self, progress: conversation_pb2.TurnProgress) -> None:
        """Passes a stage on to those who follow its session."""
        for follower in self._followers.get(UUID(progress.session_id), ()):
            follower.progress.append(progress)
            follower.look.set()

    async def poll(self) -> None:
        """Wakes those whose session has changed: one statement for all, for when notifications don't come."""
        if not self._followers:
            return
        async with self._db.connection() as conn:
            current = await store.revisions(conn, list(self._followers))
        for session_id, revision in current.items():
            for follower in self._followers.get(session_id, ()):
                if follower.revision != revision:
                    follower.look.set()

    async def changes(self, follower: Follower, after: int) -> AsyncIterator[Changes]:
        """What has come since place `after`, in pages; nothing when nothing has. Raises SessionNotFound."""
        shown = list(follower.progress)
        follower.progress.clear()
        while True:
            async with self._db.connection() as conn:
                session = await store.read_session(conn, follower.session_id)
                if session is None:
                    raise SessionNotFound(session_id=follower.session_id)
                fresh = session.revision != follower.revision
                messages = []
                if fresh:
                    messages = await store.read_messages(conn, follower.session_id, after=after, limit=PAGE)
            whole = len(messages) < PAGE
            if shown or fresh:
                yield Changes(session if fresh and whole else None, messages, shown)
            if whole:
                follower.revision = session.revision
                return
            after, shown = messages[-1].sequence, []
