"""Whether what was found is about all that was asked."""

import re

from meshkit.text.blocks import BlockKind, blocks
from meshkit.text.quantities import quantities
from svc_evaluator.case import Case, Passage
from svc_evaluator.signals.finding import Finding
from svc_evaluator.topics import applying

_PRICE = re.compile(
    r"[€$£¥]\s?\d|\d\s?(?:[€$£¥]|EUR\b|USD\b|GBP\b|CHF\b)|\bfree\b|\bno (?:charge|fee|cost)", re.IGNORECASE
)
_DATE = re.compile(
    r"\b(?:19|20)\d\d\b|\b\d{1,2}\.?\s(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|"
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s\d{1,2}\b",
    re.IGNORECASE,
)


def answer_coverage(case: Case) -> Finding:
    """The share of the question's weight that stands in what the draft cites, read under its titles and headings."""
    stems: frozenset[str] = frozenset()
    text = ""
    for claim in case.draft.claims if case.draft is not None else ():
        for passage, start, end in case.spans(claim):
            stems |= passage.context_stems.union(*(each.stems for each in passage.between(start, end)))
            text += f"{passage.context}\n{passage.evidence.text[start:end]}\n"
    return Finding(case.coverage(stems, text))


def identifier_coverage(case: Case) -> Finding:
    """The share of the exact names in the question that stand in what the answer rests on; 1 where it names none."""
    names = case.identifiers
    if not names:
        return Finding(1.0)
    found = sum(any(passage.holds(name) for passage in case.used) for name in names)
    return Finding(found / len(names), f"{len(names) - found} of {len(names)} exact names not in the evidence")


def required_slots(case: Case) -> Finding:
    """The share of the slots that the question's topics require and the evidence (or the draft) fills."""
    slots = sorted({slot for topic in applying(case) for slot in topic.required_slots})
    if not slots:
        return Finding(1.0)
    missing = [slot for slot in slots if not _fills(case, slot)]
    return Finding(1 - len(missing) / len(slots), f"not filled: {', '.join(missing)}" if missing else "")


def _fills(case: Case, slot: str) -> bool:
    if case.draft is not None:
        shown = "\n".join(claim.text for claim in case.draft.claims)
        return _holds_slot(slot, shown)
    return any(_holds_slot(slot, _all_of(passage)) for passage in case.used)


def _all_of(passage: Passage) -> str:
    return f"{passage.context}\n{passage.evidence.text}"


def _holds_slot(slot: str, text: str) -> bool:
    if slot == "price":
        return _PRICE.search(text) is not None
    if slot == "date":
        return _DATE.search(text) is not None
    if slot == "steps":
        return sum(each.kind is BlockKind.ITEM and each.ordinal is not None for each in blocks(text)) >= 2
    return bool(quantities(text)) or any(char.isdigit() for char in text)
