"""What writes a draft."""

from typing import Protocol

from groundline.evaluation.v1.evaluation_pb2 import Draft
from groundline.retrieval.v1.evidence_pb2 import EvidencePack


class AnswererError(Exception):
    """No draft came; a person answers (LLM_ERROR). The message is a closed reason, nobody's own text."""


class NothingToSay(AnswererError):
    """The evidence holds no answer: a person answers (INSUFFICIENT_COVERAGE)."""


class Answerer(Protocol):
    """Writes drafts. What it writes is shown only after the gate has passed it."""

    @property
    def name(self) -> str:
        """Goes into `Draft.model`: `extractive-1` or the language model's name."""

    async def draft(self, question: str, pack: EvidencePack, *, deadline_s: float) -> Draft:
        """A draft from nothing but `pack`, within `deadline_s` seconds. Raises AnswererError, TimeoutError;
        NothingToSay where the pack holds no answer."""
