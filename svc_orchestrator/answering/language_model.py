"""Answers that a language model writes from the evidence, as claims with citations."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundline.evaluation.v1 import evaluation_pb2
from groundline.evaluation.v1.evaluation_pb2 import ANSWER_FORM_SENTENCES, Citation, Claim, Draft, Verdict
from groundline.retrieval.v1.evidence_pb2 import Evidence, EvidencePack
from meshkit.models.chat import ChatModel, Message
from meshkit.models.errors import ChatError
from meshkit.models.structured import SpentInVain, complete_json
from svc_orchestrator.answering.answerer import AnswererError, NothingToSay
from svc_orchestrator.answering.prompt import SCHEMA, passage_ids, prompt, revision
from svc_orchestrator.answering.quotes import locate
from svc_orchestrator.answering.reading import Reading
from svc_orchestrator.answering.wording import plain

MAX_TOKENS = 1_200


class LanguageModelAnswerer:
    """Asks a chat model. A citation whose quote is not in its passage is dropped, and the gate fails the claim."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    @property
    def name(self) -> str:
        return self._model.model

    async def draft(self, question: str, pack: EvidencePack, *, deadline_s: float) -> Draft:
        """Raises AnswererError if the model fails, is late, or gives nothing usable even when asked a second time;
        NothingToSay if it says that the passages hold no answer."""
        passages = _shown(question, pack)
        return await self._asked(prompt(question, passages), passages, deadline_s)

    async def revise(
        self, question: str, pack: EvidencePack, refused: Draft, verdict: Verdict, *, deadline_s: float
    ) -> Draft | None:
        """A second draft, from the same passages and the gate's findings. Raises as `draft`."""
        passages = _shown(question, pack)
        return await self._asked(revision(question, passages, refused, verdict), passages, deadline_s)

    async def _asked(self, messages: Sequence[Message], passages: Mapping[str, Evidence], deadline_s: float) -> Draft:
        try:
            completion = await complete_json(
                self._model, messages, schema=SCHEMA, max_tokens=MAX_TOKENS, deadline_s=deadline_s
            )
        except SpentInVain as exc:
            raise AnswererError(exc.outcome, tokens=exc.usage.total) from exc
        except ChatError as exc:
            raise AnswererError(exc.outcome) from exc
        claims = _claims(completion.parsed, passages)
        if not claims:
            raise NothingToSay("no_claims", tokens=completion.usage.total)
        usage = evaluation_pb2.TokenUsage(
            prompt_tokens=completion.usage.prompt_tokens, completion_tokens=completion.usage.completion_tokens
        )
        return Draft(claims=claims, model=self.name[:256], usage=usage, form=ANSWER_FORM_SENTENCES)


def _shown(question: str, pack: EvidencePack) -> dict[str, Evidence]:
    passages = passage_ids([each.evidence for each in Reading(question, pack).usable])
    if not passages:
        raise NothingToSay("nothing_to_answer_from")
    return passages


def _claims(parsed: Any, passages: Mapping[str, Evidence]) -> list[Claim]:
    found = []
    for each in parsed["claims"]:
        text = plain(each["text"])
        if text:
            found.append(Claim(text=text, citations=_citations(each["citations"], passages)))
    return found


def _citations(given: Sequence[Mapping[str, str]], passages: Mapping[str, Evidence]) -> list[Citation]:
    found = []
    for each in given:
        evidence = passages.get(each["passage"].strip().strip("[]").upper())
        place = locate(each["quote"], evidence.text) if evidence is not None else None
        if evidence is not None and place is not None:
            found.append(Citation(chunk_id=evidence.chunk_id, start=place[0], end=place[1]))
    return found
