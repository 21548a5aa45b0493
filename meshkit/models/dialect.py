"""How one server wants to be asked. Compatible servers differ; what a server refuses is learned and left out."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from meshkit.models.chat import JsonSchema, Message

_FORMAT = re.compile(r"response_format|json_schema|json_object|schema|structured|grammar|guided", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server understands. Starts as the fullest, and only ever gets plainer."""

    structure: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True

    def request(
        self, messages: Sequence[Message], schema: JsonSchema | None, max_tokens: int, temperature: float
    ) -> dict[str, Any]:
        """The arguments of the client's `create`, but for the model."""
        wire = [{"role": each.role, "content": each.content} for each in messages]
        options: dict[str, Any] = {self.tokens_field: max_tokens}
        if self.temperature:
            options["temperature"] = temperature
        if schema is not None:
            if self.structure == "json_schema":
                named = {"name": "answer", "schema": dict(schema), "strict": True}
                options["response_format"] = {"type": "json_schema", "json_schema": named}
            else:
                asked = "Answer with one JSON object and nothing else. It must satisfy this JSON Schema:\n"
                wire.insert(0, {"role": "system", "content": asked + json.dumps(schema, ensure_ascii=False)})
                if self.structure == "json_object":
                    options["response_format"] = {"type": "json_object"}
        return {"messages": wire, **options}

    def after_refusal(self, text: str, *, structured: bool) -> "Dialect | None":
        """A plainer dialect, after the server refused this one with `text`; None if nothing of it is to blame."""
        if self.tokens_field == "max_tokens" and "max_completion_tokens" in text:
            return replace(self, tokens_field="max_completion_tokens")
        if self.temperature and "temperature" in text:
            return replace(self, temperature=False)
        if structured and self.structure != "prompt" and (_FORMAT.search(text) or not text.strip()):
            return replace(self, structure="json_object" if self.structure == "json_schema" else "prompt")
        return None
