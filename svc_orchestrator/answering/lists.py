"""Lists that say something only as a whole: their items are no sentences, or they are done one after the other."""

import re

from groundline.evaluation.v1.evaluation_pb2 import ANSWER_FORM_LIST, Citation, Claim, Draft
from meshkit.text.blocks import Block, BlockKind
from svc_orchestrator.answering.reading import Line, Passage
from svc_orchestrator.answering.wording import as_written, ends_as_sentence, is_label, plain

_MOST_ITEMS = 12
# What is announced like this is done from the first item to the last, also where no numbers say so.
_ONE_AFTER_THE_OTHER = re.compile(
    r"\b(?:steps?|process|procedure|sequentially|in (?:this|the following) order)\b", re.IGNORECASE
)


def list_of(line: Line, *, how: bool = False) -> Draft | None:
    """The whole list in which an item that is no sentence stands, behind what announces it; None where nothing does,
    or the item says enough by itself. `how`: what to do is asked, so that a single item never does."""
    if line.kind is not BlockKind.ITEM or line.ordinal is not None:
        return None
    blocks, text = line.passage.blocks, line.passage.evidence.text
    first = line.place
    while first > 0 and blocks[first - 1].kind in (BlockKind.ITEM, BlockKind.CODE):
        first -= 1
    lead = blocks[first - 1] if first > 0 else None
    if lead is None or lead.kind is not BlockKind.PARAGRAPH or not text[lead.start : lead.end].rstrip().endswith(":"):
        return None
    steps = how or _ONE_AFTER_THE_OTHER.search(text[lead.start : lead.end]) is not None
    shown = plain(line.shown)
    if not steps and ends_as_sentence(shown) and shown[:1].isupper():
        return None
    items = _items(line.passage, first)
    if not items or len(items) > _MOST_ITEMS or any(is_label(text[each[0].body : each[0].end]) for each in items):
        # Cut short it would say that there is no more; and links alone tell nobody anything.
        return None
    announced = _claim(line.passage, [lead], plain(text[lead.start : lead.end]))
    return Draft(
        claims=[announced, *(_claim(line.passage, each, _shown(text, each)) for each in items)], form=ANSWER_FORM_LIST
    )


def _items(passage: Passage, first: int) -> list[list[Block]]:
    """The list's items from block `first` on, each with the code below it."""
    items: list[list[Block]] = []
    for block in passage.blocks[first:]:
        if block.kind is BlockKind.ITEM:
            items.append([block])
        elif block.kind is BlockKind.CODE and items:
            items[-1].append(block)
        else:
            break
    if items and not passage.evidence.text[: items[-1][0].end].endswith(":"):
        # Code behind the last item belongs to it if it stands below it.
        items[-1][1:] = [each for each in items[-1][1:] if each.start < each.body]
    return items


def _shown(text: str, item: list[Block]) -> str:
    words = f"- {plain(text[item[0].body : item[0].end])}"
    return "\n".join((words, *(as_written(text[each.start : each.end]) for each in item[1:])))


def _claim(passage: Passage, blocks: list[Block], shown: str) -> Claim:
    citation = Citation(chunk_id=passage.evidence.chunk_id, start=blocks[0].start, end=blocks[-1].end)
    return Claim(text=shown, citations=[citation])
