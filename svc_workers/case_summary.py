"""A conversation in a few lines, in its own words."""

from groundline.evaluation.v1 import reason_code_pb2
from meshkit.text.sentences import sentences

LINE_CHARS = 320


def summary_of(question: str, reason: reason_code_pb2.ReasonCode.ValueType, resolution: str) -> str:
    """Three lines: what was asked, why a person answered, how it was solved. Each begins as it was written."""
    lines = [f"Asked: {_opening(question)}"]
    if reason != reason_code_pb2.REASON_CODE_UNSPECIFIED:
        name = reason_code_pb2.ReasonCode.Name(reason).removeprefix("REASON_CODE_")
        lines.append(f"Handed over: {name.replace('_', ' ').lower()}")
    lines.append(f"Solved: {_opening(resolution)}")
    return "\n".join(lines)


def _opening(text: str) -> str:
    """As many whole sentences as fit a line, at least the beginning of the first."""
    taken = ""
    for sentence in sentences(text):
        words = " ".join(text[sentence.start : sentence.end].split())
        if taken and len(taken) + 1 + len(words) > LINE_CHARS:
            break
        taken = f"{taken} {words}".strip()
    return taken if len(taken) <= LINE_CHARS else taken[: LINE_CHARS - 1].rsplit(" ", 1)[0] + "…"
