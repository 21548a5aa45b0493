"""The slow but sure path of a customer's message: what the gateway's hint did not get done."""

import asyncio

from groundline.commands.v1 import commands_pb2 as commands
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from meshkit.outbox import Attempt, Done, Outcome, Retry
from svc_workers.job import Job
from svc_workers.peers import Peers, answer

# Whoever holds the session is likely to finish this very message. Waiting here, instead of giving the command back,
# keeps a long turn from using up its attempts.
BUSY_PATIENCE_S = 60.0
BUSY_PAUSE_S = 0.5
BUSY_RETRY_S = 5.0


class AdvanceSession(Job[commands.AdvanceSession]):
    """Has the orchestrator handle what a customer said. Its commit completes the row; doing so again is harmless."""

    type, command = "advance_session", commands.AdvanceSession
    timeout_s, concurrency = 130.0, 32

    def __init__(self, peers: Peers, *, busy_patience_s: float = BUSY_PATIENCE_S) -> None:
        self._orchestration = peers.orchestration
        self._busy_patience_s = busy_patience_s

    async def work(self, command: commands.AdvanceSession, attempt: Attempt) -> Outcome:
        """Asks until the session is free."""
        request = orchestration.AdvanceSessionRequest(session_id=command.session_id)
        waited_s = 0.0
        while True:
            response = await answer(self._orchestration.AdvanceSession(request))
            if response.outcome != orchestration.ADVANCE_OUTCOME_BUSY:
                return Done()
            if waited_s >= self._busy_patience_s:
                return Retry("the session is busy", BUSY_RETRY_S)
            await asyncio.sleep(BUSY_PAUSE_S)
            waited_s += BUSY_PAUSE_S
