"""A turn's drafts: within one deadline and the conversation's tokens, whoever writes them and whatever goes wrong."""

import asyncio
import time
from collections.abc import Awaitable
from uuid import UUID

from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.evaluation.v1.evaluation_pb2 import DECISION_FAIL, Draft, Verdict
from groundline.retrieval.v1.evidence_pb2 import EvidencePack
from meshkit.models.token_budget import TokenBudget
from meshkit.telemetry import get_logger
from svc_orchestrator.answering import Answerer, AnswererError, NothingToSay, record_draft
from svc_orchestrator.peers import StepFailed

log = get_logger(__name__)

# What a second draft can mend: the pack itself has passed before the first was written.
_MENDABLE = frozenset(
    {
        rc.REASON_CODE_MISSING_CITATIONS,
        rc.REASON_CODE_UNSUPPORTED_CLAIM,
        rc.REASON_CODE_INSUFFICIENT_COVERAGE,
    }
)
# With less time than this left, a second draft is not begun.
_LEAST_S = 0.5


class Drafting:
    """The drafts of one turn: a first, and at most one more that heeds the gate's findings."""

    def __init__(self, answerer: Answerer, budget: TokenBudget, session_id: UUID, *, timeout_s: float) -> None:
        self._answerer = answerer
        self._budget = budget
        self._key = str(session_id)
        self._until = time.monotonic() + timeout_s

    async def first(self, question: str, pack: EvidencePack, verdict: Verdict) -> Draft:
        """The approved record, if by the gate's verdict on the pack one answers; else what the answerer writes.

        Raises StepFailed: with INSUFFICIENT_COVERAGE where the pack holds no answer, else with LLM_ERROR.
        """
        record = record_draft(question, pack, verdict)
        if record is not None:
            return record
        if not self._budget.remaining(self._key):
            raise StepFailed(rc.REASON_CODE_LLM_ERROR, "the conversation's tokens are spent")
        left_s = self._left_s()
        draft = await self._bounded(self._answerer.draft(question, pack, deadline_s=left_s), left_s)
        if draft is None:
            raise StepFailed(rc.REASON_CODE_LLM_ERROR, "no draft")
        return draft

    async def second(self, question: str, pack: EvidencePack, refused: Draft, verdict: Verdict) -> Draft | None:
        """Another draft instead of a refused one; None where none can help, or time or tokens don't suffice.

        What fails on the way leaves the first outcome as it is: that is a refusal already.
        """
        if verdict.decision != DECISION_FAIL or verdict.reason not in _MENDABLE or not refused.HasField("usage"):
            return None
        left_s = self._left_s()
        cost = refused.usage.prompt_tokens + refused.usage.completion_tokens
        if left_s < _LEAST_S or self._budget.remaining(self._key) < cost:
            return None
        try:
            return await self._bounded(
                self._answerer.revise(question, pack, refused, verdict, deadline_s=left_s), left_s
            )
        except StepFailed as exc:
            log.warning("second_draft_failed", session_id=self._key, detail=exc.detail)
            return None

    def _left_s(self) -> float:
        return self._until - time.monotonic()

    async def _bounded(self, writing: Awaitable[Draft | None], left_s: float) -> Draft | None:
        try:
            async with asyncio.timeout(left_s):
                draft = await writing
        except TimeoutError as exc:
            raise StepFailed(rc.REASON_CODE_LLM_ERROR, "timed out") from exc
        except NothingToSay as exc:
            self._budget.charge(self._key, exc.tokens)
            raise StepFailed(rc.REASON_CODE_INSUFFICIENT_COVERAGE, str(exc)) from exc
        except AnswererError as exc:
            self._budget.charge(self._key, exc.tokens)
            raise StepFailed(rc.REASON_CODE_LLM_ERROR, type(exc).__name__) from exc
        except Exception as exc:
            # A model's output may be anything: half a surrogate pair is a ValueError somewhere below. Tried again it
            # would cost another draft, and end with a reason that says nothing.
            log.error("draft_crashed", error=type(exc).__name__)
            raise StepFailed(rc.REASON_CODE_LLM_ERROR, type(exc).__name__) from exc
        if draft is None:
            return None
        self._budget.charge(self._key, draft.usage.prompt_tokens + draft.usage.completion_tokens)
        if any("\0" in each.text for each in draft.claims):
            # No record could hold it, and so the turn never be committed.
            raise StepFailed(rc.REASON_CODE_LLM_ERROR, "NUL in the text")
        return draft
