"""Drafts: from evidence to claims with citations."""

from svc_orchestrator.answering.answerer import Answerer, AnswererError, NothingToSay
from svc_orchestrator.answering.extractive import ExtractiveAnswerer
from svc_orchestrator.answering.language_model import LanguageModelAnswerer
from svc_orchestrator.answering.opening import open_answerer
from svc_orchestrator.answering.recorded import record_draft
from svc_orchestrator.answering.wording import to_text

__all__ = [
    "Answerer",
    "AnswererError",
    "ExtractiveAnswerer",
    "LanguageModelAnswerer",
    "NothingToSay",
    "open_answerer",
    "record_draft",
    "to_text",
]
