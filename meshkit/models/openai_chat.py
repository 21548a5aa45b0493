"""Chat over any OpenAI-compatible endpoint."""

import time
from collections.abc import Sequence
from typing import Any

from meshkit.models.chat import Completion, JsonSchema, Message, TokenUsage
from meshkit.models.dialect import Dialect
from meshkit.models.endpoint import Connection, Endpoint, RefusedByServer
from meshkit.models.errors import ChatError, ChatMalformed, ChatTimeout, ChatUnavailable
from meshkit.models.structured import satisfying
from meshkit.telemetry import counter, get_logger, histogram

log = get_logger(__name__)

CALLS = counter("groundline_chat_calls_total", "Calls of chat models.", ["model", "outcome"])
TOKENS = counter("groundline_chat_tokens_total", "Tokens of chat models.", ["model", "kind"])
SECONDS = histogram("groundline_chat_seconds", "From the call to its answer or error.", ["model"])

_CHARACTERS_PER_TOKEN = 4
_MOST_TOKENS = 10_000_000


class OpenAIChat:
    """A `ChatModel` at an endpoint."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        if not model:
            raise ValueError("a chat endpoint needs a model's name")
        self._connection = Connection(endpoint)
        self._model = model
        self._dialect = Dialect()

    @property
    def model(self) -> str:
        return self._model

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: JsonSchema | None = None,
        max_tokens: int,
        deadline_s: float,
        temperature: float = 0,
    ) -> Completion:
        started = time.monotonic()
        outcome = "cancelled"
        try:
            answer = await self._answer(messages, schema, max_tokens, temperature, started + deadline_s, deadline_s)
            usage = _usage(answer, messages)
            # Counted before it is judged: an unusable answer is paid for as well.
            TOKENS.labels(self._model, "prompt").inc(usage.prompt_tokens)
            TOKENS.labels(self._model, "completion").inc(usage.completion_tokens)
            text, truncated = _text(answer)
            outcome = "ok"
        except ChatError as exc:
            outcome = exc.outcome
            reason = getattr(exc, "reason", exc.outcome)
            status = getattr(exc, "status", None)
            log.warning("chat_failed", model=self._model, outcome=outcome, reason=reason, status=status)
            raise
        finally:
            CALLS.labels(self._model, outcome).inc()
            SECONDS.labels(self._model).observe(time.monotonic() - started)
        parsed = satisfying(text, schema) if schema is not None and not truncated else None
        return Completion(text, parsed, self._model, usage, time.monotonic() - started, truncated)

    async def close(self) -> None:
        await self._connection.close()

    async def _answer(
        self,
        messages: Sequence[Message],
        schema: JsonSchema | None,
        max_tokens: int,
        temperature: float,
        until: float,
        deadline_s: float,
    ) -> dict[str, Any]:
        create = self._connection.client.chat.completions.with_raw_response.create
        dialect = self._dialect
        while True:
            request = dialect.request(messages, schema, max_tokens, temperature)
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise ChatTimeout(deadline_s)
            try:
                answer = await self._connection.call(create, {"model": self._model, **request}, left_s)
            except ChatTimeout:
                raise ChatTimeout(deadline_s) from None
            except RefusedByServer as refused:
                plainer = dialect.after_refusal(refused.text, structured=schema is not None)
                if plainer is None:
                    raise ChatUnavailable("bad_request", refused.status) from None
                dialect = plainer
                continue
            if dialect != self._dialect:
                # Learned only now that it has worked.
                self._dialect = dialect
                log.info("chat_dialect_learned", model=self._model, structure=dialect.structure)
            return answer


def _text(answer: dict[str, Any]) -> tuple[str, bool]:
    """The answer's text, and whether it was cut short."""
    try:
        choice = answer["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        refusal, content = message.get("refusal"), message.get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ChatMalformed("not_a_completion") from None
    if finish == "content_filter" or refusal:
        raise ChatMalformed("refused")
    if content is not None and not isinstance(content, str):
        raise ChatMalformed("not_a_completion")
    if not content or not content.strip():
        raise ChatMalformed("truncated" if finish == "length" else "empty")
    return content, finish == "length"


def _usage(answer: dict[str, Any], messages: Sequence[Message]) -> TokenUsage:
    stated = answer.get("usage")
    counts = [stated.get(key) for key in ("prompt_tokens", "completion_tokens")] if isinstance(stated, dict) else []
    known = [each for each in counts if type(each) is int and 0 <= each <= _MOST_TOKENS]
    if len(known) == 2:
        return TokenUsage(known[0], known[1])
    asked = sum(len(each.content) for each in messages)
    try:
        answered = len(answer["choices"][0]["message"]["content"])
    except (KeyError, IndexError, TypeError):
        answered = 0
    return TokenUsage(asked // _CHARACTERS_PER_TOKEN + 1, answered // _CHARACTERS_PER_TOKEN + 1, estimated=True)
