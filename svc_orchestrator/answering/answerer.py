"""What writes a draft."""

from typing import Protocol

from groundline.evaluation.v1.evaluation_pb2 import Draft, Verdict
from groundline.retrieval.v1.evidence_pb2 import EvidencePack


class AnswererError(Exception):
    """No draft came; a person answers (LLM_ERROR). The message is a closed reason, nobody's own text.

    `tokens` are what was paid in vain, as far as it is known.
    """

    def __init__(self, reason: str, tokens: int = 0) -> None:
        super().__init__(reason)
        self.tokens = tokens


class NothingToSay(AnswererError):
    """The evidence holds no answer: a person answers (INSUFFICIENT_COVERAGE)."""


class Answerer(Protocol):
    """Writes drafts. What it writes is shown only after the gate has passed it."""

    @property
    def name(self) -> str:
        """Goes into `Draft.model`: `extractive-2` or the language model's name."""

    async def draft(self, question: str, pack: EvidencePack, *, deadline_s: float) -> Draft:
        """A draft from nothing but `pack`, within `deadline_s` seconds. Raises AnswererError, TimeoutError;
        NothingToSay where the pack holds no answer."""

    async def revise(
        self, question: str, pack: EvidencePack, refused: Draft, verdict: Verdict, *, deadline_s: float
    ) -> Draft | None:
        """A second draft that heeds why the gate refused the first; None from who would only write the same again.

        Raises as `draft`.
        """
