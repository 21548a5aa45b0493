"""Lists that say something only as a whole: their items are no sentences, and the words before them announce them."""

from groundline.evaluation.v1.evaluation_pb2 import ANSWER_FORM_LIST, Citation, Claim, Draft
from meshkit.text.blocks import Block, BlockKind
from svc_orchestrator.answering.reading import Line, Passage
from svc_orchestrator.answering.wording import is_label, plain

_MOST_ITEMS = 12


def list_of(line: Line) -> Draft | None:
    """The whole list in which an item that is no sentence stands, behind what announces it; None where nothing does,
    or the item says enough by itself."""
    if line.kind is not BlockKind.ITEM or line.ordinal is not None or _is_sentence(plain(line.shown)):
        return None
    blocks, text = line.passage.blocks, line.passage.evidence.text
    at = next(place for place, block in enumerate(blocks) if block.start <= line.start < block.end)
    first = last = at
    while first > 0 and blocks[first - 1].kind is BlockKind.ITEM:
        first -= 1
    while last + 1 < len(blocks) and blocks[last + 1].kind is BlockKind.ITEM:
        last += 1
    lead = blocks[first - 1] if first > 0 else None
    if lead is None or lead.kind is not BlockKind.PARAGRAPH or not text[lead.start : lead.end].rstrip().endswith(":"):
        return None
    items = blocks[first : last + 1]
    if len(items) > _MOST_ITEMS or any(is_label(text[each.body : each.end]) for each in items):
        # Cut short it would say that there is no more; and links alone tell nobody anything.
        return None
    shown = [f"- {plain(text[each.body : each.end])}" for each in items]
    claims = [_claim(line.passage, each, said) for each, said in zip(items, shown, strict=True)]
    return Draft(
        claims=[_claim(line.passage, lead, plain(text[lead.start : lead.end])), *claims], form=ANSWER_FORM_LIST
    )


def _is_sentence(text: str) -> bool:
    return text.endswith((".", "!", "…", "。")) and text[:1].isupper()


def _claim(passage: Passage, block: Block, shown: str) -> Claim:
    citation = Citation(chunk_id=passage.evidence.chunk_id, start=block.start, end=block.end)
    return Claim(text=shown, citations=[citation])
