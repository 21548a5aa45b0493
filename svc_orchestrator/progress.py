"""Which stage each running turn is in, for whoever watches. Ephemeral: a slow watcher loses the oldest."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from groundline.conversation.v1 import conversation_pb2 as pb

MAX_BEHIND = 1000


class Progress:
    """Passes stages on to all watchers, without ever waiting for one."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[pb.TurnProgress]] = set()

    def stage(self, session_id: UUID, stage: pb.TurnStage.ValueType) -> None:
        """A stage has begun."""
        if not self._watchers:
            return
        progress = pb.TurnProgress(session_id=str(session_id), stage=stage)
        progress.at.GetCurrentTime()
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(progress)

    async def watch(self) -> AsyncIterator[pb.TurnProgress]:
        """All stages from now on, until the iterator is closed."""
        queue: asyncio.Queue[pb.TurnProgress] = asyncio.Queue(MAX_BEHIND)
        self._watchers.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)
