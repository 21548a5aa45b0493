"""One turn: understand, retrieve, draft, evaluate. Reads and thinks; what it comes to is committed elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from groundline.conversation.v1 import conversation_pb2
from groundline.evaluation.v1 import evaluation_pb2
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import event_pb2
from groundline.retrieval.v1 import evidence_pb2
from meshkit import failpoints
from meshkit.call import current_activity
from meshkit.identity import PUBLIC_GROUP
from meshkit.models.token_budget import TokenBudget
from meshkit.telemetry import get_logger, histogram, trace_id
from svc_orchestrator.answering import Answerer
from svc_orchestrator.drafting import Drafting
from svc_orchestrator.notices import CLARIFYING_QUESTION
from svc_orchestrator.peers import Gate, Retrieval, StepFailed
from svc_orchestrator.progress import Progress
from svc_orchestrator.rewriting import MAX_REWRITTEN_CHARS, METHOD, Rewriter
from svc_orchestrator.second_opinion import SecondReader, ask
from svc_orchestrator.store import MessageRow, SessionRow
from svc_orchestrator.understanding import understand

log = get_logger(__name__)

STAGE_SECONDS = histogram("groundline_turn_stage_seconds", "How long a turn's stages took.", ["stage"])


@dataclass(slots=True)
class TurnResult:
    """What a turn came to. `record` is all of it; exactly one of the four outcomes holds.

    `draft` is set where it passed; `reason` where a person must answer; `clarification` where the customer is asked
    back; none of them where a fixed notice is enough.
    """

    record: event_pb2.Turn
    draft: evaluation_pb2.Draft | None = None
    reason: rc.ReasonCode.ValueType = rc.REASON_CODE_UNSPECIFIED
    clarification: evaluation_pb2.Clarification | None = None
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage; one that is entered twice adds up."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.timings[name] = self.timings.get(name, 0.0) + spent
            STAGE_SECONDS.labels(name).observe(spent)


class TurnTaker:
    """Takes turns. Of conversations it holds only what their language model has cost here."""

    def __init__(
        self,
        retrieval: Retrieval,
        gate: Gate,
        answerer: Answerer,
        progress: Progress,
        *,
        draft_timeout_s: float,
        rewriter: Rewriter | None = None,
        second_reader: SecondReader | None = None,
        session_tokens: int = 60_000,
    ) -> None:
        self._retrieval = retrieval
        self._gate = gate
        self._answerer = answerer
        self._progress = progress
        self._draft_timeout_s = draft_timeout_s
        self._rewriter = rewriter
        self._second_reader = second_reader
        self._budget = TokenBudget(session_tokens)
        # Rewriting leaves the drafts half of the tokens: it is worth less than they are.
        self._kept_for_drafts = session_tokens // 2

    async def take(self, session: SessionRow, burst: Sequence[MessageRow], context: Sequence[MessageRow]) -> TurnResult:
        """Handles a burst of customer messages as one; `context` is what was said before it.

        Never raises for a peer or model that fails: that is an escalation with its reason.
        """
        result = TurnResult(event_pb2.Turn(customer_message_ids=[str(each.message_id) for each in burst]))
        result.timings["capture"] = max(0.0, (datetime.now(UTC) - burst[0].created_at).total_seconds())
        activity = current_activity()
        if activity is not None and activity.traceparent:
            result.record.trace_id = trace_id(activity.traceparent) or ""
        with result.stage("understanding"):
            self._progress.stage(session.session_id, conversation_pb2.TURN_STAGE_UNDERSTANDING)
            asked_back = _was_asked_back(context)
            understood = await self._understood(session, burst, context, asked_back)
            result.record.understanding.CopyFrom(understood)
        if understood.intent == event_pb2.INTENT_HUMAN:
            _fail(result, rc.REASON_CODE_CUSTOMER_REQUEST)
            return result
        try:
            await self._answer(session, understood, result, may_ask_back=not asked_back)
        except StepFailed as exc:
            log.warning(
                "turn_step_failed",
                session_id=str(session.session_id),
                reason=rc.ReasonCode.Name(exc.reason),
                detail=exc.detail,
            )
            _fail(result, exc.reason)
        return result

    async def _understood(
        self, session: SessionRow, burst: Sequence[MessageRow], context: Sequence[MessageRow], asked_back: bool
    ) -> event_pb2.Understanding:
        """By the rules; what follows on something by the rewriter, if there is one and what it says holds."""
        earlier = [each.content for each in context if each.role == "customer"]
        said = [each.content for each in burst]
        understood = understand(said, earlier, asked_back=asked_back)
        latest = " ".join(" ".join(said).split())
        if (
            self._rewriter is None
            or not earlier
            or understood.intent != event_pb2.INTENT_QUESTION
            or len(latest) > MAX_REWRITTEN_CHARS
        ):
            return understood
        key = str(session.session_id)
        rewrite = await self._rewriter.rewrite(
            latest, context, tokens_left=self._budget.remaining(key) - self._kept_for_drafts
        )
        self._budget.charge(key, rewrite.usage.prompt_tokens + rewrite.usage.completion_tokens)
        understood.rules_query = understood.standalone_query
        understood.rewrite.CopyFrom(rewrite)
        if rewrite.outcome == event_pb2.REWRITE_OUTCOME_USED:
            understood.standalone_query, understood.method = rewrite.query, METHOD
        return understood

    async def _answer(
        self, session: SessionRow, understood: event_pb2.Understanding, result: TurnResult, *, may_ask_back: bool
    ) -> None:
        question = understood.standalone_query
        with result.stage("retrieval"):
            self._progress.stage(session.session_id, conversation_pb2.TURN_STAGE_RETRIEVING)
            groups = sorted({PUBLIC_GROUP, *session.customer_groups})
            pack = await self._retrieval.search(question, session.knowledge_base, groups, str(session.session_id))
        result.record.evidence_pack.CopyFrom(pack)
        if failpoints.ON:
            await failpoints.reach("orchestrator.turn.retrieved")
        small_talk = understood.intent == event_pb2.INTENT_SMALL_TALK
        with result.stage("evaluation"):
            verdict = await self._gate.judge(question, pack, None)
        if small_talk and not (verdict.decision == evaluation_pb2.DECISION_PASS and _is_record(pack)):
            # Nobody needs a ticket for a greeting; a fixed notice answers it. Nothing is claimed, so nothing is judged.
            return
        if verdict.decision != evaluation_pb2.DECISION_PASS:
            result.record.verdict.CopyFrom(verdict)
            if may_ask_back and verdict.HasField("clarification"):
                result.clarification = verdict.clarification
            else:
                result.reason = verdict.reason
            return
        with result.stage("model"):
            self._progress.stage(session.session_id, conversation_pb2.TURN_STAGE_DRAFTING)
            drafting = Drafting(self._answerer, self._budget, session.session_id, timeout_s=self._draft_timeout_s)
            draft = await drafting.first(question, pack, verdict)
            if failpoints.ON:
                await failpoints.reach("orchestrator.turn.drafted")
        result.record.draft.CopyFrom(draft)
        self._progress.stage(session.session_id, conversation_pb2.TURN_STAGE_CHECKING)
        verdict, opinion = await self._judged(question, pack, draft, result)
        with result.stage("model"):
            second = await drafting.second(question, pack, draft, verdict)
        if second is not None:
            refused = event_pb2.RefusedAttempt(draft=draft, verdict=verdict, second_opinion=opinion)
            result.record.refused_attempt.CopyFrom(refused)
            draft = second
            result.record.draft.CopyFrom(draft)
            verdict, opinion = await self._judged(question, pack, draft, result)
        if opinion is not None:
            result.record.second_opinion.CopyFrom(opinion)
        result.record.verdict.CopyFrom(verdict)
        if verdict.decision == evaluation_pb2.DECISION_PASS:
            result.draft = draft
        else:
            result.reason = verdict.reason

    async def _judged(
        self, question: str, pack: evidence_pb2.EvidencePack, draft: evaluation_pb2.Draft, result: TurnResult
    ) -> tuple[evaluation_pb2.Verdict, evaluation_pb2.SecondOpinion | None]:
        """The gate's verdict on a draft, given with a second reader's opinion where there is one to ask."""
        with result.stage("evaluation"):
            verdict = await self._gate.judge(question, pack, draft)
        if self._second_reader is None or verdict.decision != evaluation_pb2.DECISION_PASS:
            return verdict, None
        with result.stage("second_opinion"):
            opinion = await ask(self._second_reader, question, pack, draft)
        with result.stage("evaluation"):
            return await self._gate.judge(question, pack, draft, opinion), opinion


def failed_turn(burst: Sequence[MessageRow]) -> TurnResult:
    """The outcome of a turn that ended without one as often as is allowed."""
    result = TurnResult(event_pb2.Turn(customer_message_ids=[str(each.message_id) for each in burst]))
    _fail(result, rc.REASON_CODE_TURN_FAILED)
    return result


def _fail(result: TurnResult, reason: rc.ReasonCode.ValueType) -> None:
    result.reason = reason
    result.record.verdict.CopyFrom(evaluation_pb2.Verdict(decision=evaluation_pb2.DECISION_FAIL, reason=reason))


def _was_asked_back(context: Sequence[MessageRow]) -> bool:
    """Whether the desk's latest words were a clarifying question: the customer is asked once, and then heard."""
    said = [each for each in context if each.role != "customer"]
    return bool(said) and said[-1].kind == CLARIFYING_QUESTION


def _is_record(pack: evidence_pb2.EvidencePack) -> bool:
    return bool(pack.evidence) and pack.evidence[0].kind == evidence_pb2.EVIDENCE_KIND_APPROVED_RECORD
