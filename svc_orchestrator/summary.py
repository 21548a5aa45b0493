"""The conversation in a few lines, kept short so that a person reads it in seconds and a prompt stays small."""

from collections.abc import Sequence

from svc_orchestrator.notices import CLARIFYING_QUESTION
from svc_orchestrator.store import MessageRow

MAX_LINES = 8
MAX_LINE_CHARS = 240
SPEAKERS = {"customer": "Customer", "assistant": "Bot", "agent": "Agent", "system": "Notice"}


def summarize(messages: Sequence[MessageRow]) -> str:
    """One line a message, the latest MAX_LINES, each cut at a word. Notices say nothing that a status doesn't."""
    told = [each for each in messages if each.role != "system" or each.kind == CLARIFYING_QUESTION]
    # The first words of a conversation say what it is about; they stay.
    kept = told if len(told) <= MAX_LINES else [told[0], *told[-(MAX_LINES - 1) :]]
    return "\n".join(f"{SPEAKERS[each.role]}: {_cut(each.content)}" for each in kept)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    if len(line) <= MAX_LINE_CHARS:
        return line
    head, _, _ = line[:MAX_LINE_CHARS].rpartition(" ")
    return f"{head or line[:MAX_LINE_CHARS]} …"
