"""Answers that must be JSON of a given shape."""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jsonschema

from meshkit.models.chat import ChatModel, Completion, JsonSchema, Message, TokenUsage
from meshkit.models.endpoint import strict_json
from meshkit.models.errors import ChatMalformed, MalformedReason
from meshkit.telemetry import counter

REPAIRS = counter(
    "groundline_chat_repairs_total", "Answers asked for again because they broke their schema.", ["outcome"]
)

# Models that were only asked for JSON like to fence it.
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)
_LONGEST_QUOTE = 4000


async def complete_json(
    model: ChatModel,
    messages: Sequence[Message],
    *,
    schema: JsonSchema,
    max_tokens: int,
    deadline_s: float,
    temperature: float = 0,
) -> Completion:
    """An answer whose `parsed` satisfies `schema`; one that doesn't is sent back once, with what is wrong about it.

    `deadline_s` holds for both calls together, and `usage` counts both. Raises what `complete` raises, and
    ChatMalformed (not_json, wrong_schema, truncated) if the second answer is no better. `schema` must describe an
    object, and must not refer to other documents.
    """
    until = time.monotonic() + deadline_s
    first = await model.complete(
        messages, schema=schema, max_tokens=max_tokens, deadline_s=deadline_s, temperature=temperature
    )
    if first.parsed is not None:
        return first
    left_s = until - time.monotonic()
    if first.truncated or left_s <= 0:
        # Asked again it would be cut again.
        raise SpentInVain("truncated" if first.truncated else _fault(first.text, schema)[0], first.usage)
    reason, fault = _fault(first.text, schema)
    again = [
        *messages,
        Message("assistant", first.text[:_LONGEST_QUOTE]),
        Message("user", f"That is not usable: {fault}. Answer again, with only the JSON object that was asked for."),
    ]
    try:
        second = await model.complete(
            again, schema=schema, max_tokens=max_tokens, deadline_s=left_s, temperature=temperature
        )
    except BaseException:
        REPAIRS.labels("failed").inc()
        raise
    REPAIRS.labels("ok" if second.parsed is not None else "failed").inc()
    usage = first.usage + second.usage
    if second.parsed is None:
        reason = "truncated" if second.truncated else _fault(second.text, schema)[0]
        raise SpentInVain(reason, usage)
    return replace(second, usage=usage, latency_s=first.latency_s + second.latency_s)


class SpentInVain(ChatMalformed):
    """No usable JSON came, though tokens were paid for: `usage`."""

    def __init__(self, reason: MalformedReason, usage: TokenUsage) -> None:
        super().__init__(reason)
        self.usage = usage


def satisfying(text: str, schema: JsonSchema) -> Any | None:
    """The JSON value in `text` if it satisfies `schema`, else None. The value null counts as none."""
    try:
        value = strict_json(_unfenced(text))
    except ValueError:
        return None
    return value if _first_error(value, schema) is None else None


def _fault(text: str, schema: JsonSchema) -> tuple[MalformedReason, str]:
    try:
        value = strict_json(_unfenced(text))
    except ValueError:
        return "not_json", "it is not valid JSON"
    error = _first_error(value, schema)
    if error is None:
        return "wrong_schema", "it is null"
    where = error.json_path[:200]
    return "wrong_schema", f"{where} breaks the schema's rule {error.validator!s}"


def _unfenced(text: str) -> str:
    fenced = _FENCE.match(text)
    return fenced.group(1) if fenced else text


def _first_error(value: Any, schema: JsonSchema) -> jsonschema.ValidationError | None:
    try:
        return next(iter(jsonschema.Draft202012Validator(schema).iter_errors(value)), None)
    except RecursionError:
        return jsonschema.ValidationError("nested too deeply", validator="depth")
