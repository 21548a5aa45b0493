"""Whether each claim says no more than what it cites. Catches invention; subtle distortion needs a reading model."""

import math
import re
from itertools import pairwise

from groundline.evaluation.v1.evaluation_pb2 import Claim, ClaimSupport
from meshkit.text.exact_names import exact_names, stands_in
from meshkit.text.quantities import Quantity, quantities
from meshkit.text.words import words
from svc_evaluator.case import Case, Passage
from svc_evaluator.signals.finding import Finding
from svc_evaluator.statements import Statement, same_wording, state

# What a claim is worth that says a number or name which its citations don't have, or says the opposite.
_INVENTED = 0.2
_LIST_MARK = re.compile(r"^\s*(?:\d{1,3}[.)]|[-*•])\s+", re.MULTILINE)
# From here on a sentence is taken to be the one that the claim repeats.
_REPEATED = 0.8


def claim_support(case: Case) -> Finding:
    """The support of the claim that is supported least; 0 without a claim."""
    least = case.thresholds["claim_support"]
    values = [each.support for each in supports(case)]
    weak = sum(each < least for each in values)
    return Finding(min(values, default=0.0), f"{weak} of {len(values)} claims not supported" if weak else "")


def supports(case: Case) -> list[ClaimSupport]:
    """Each claim's support, in the draft's order."""
    least = case.thresholds["claim_support"]
    found = []
    for index, claim in enumerate(case.draft.claims if case.draft is not None else ()):
        value = round(support(case, claim), 6)
        found.append(ClaimSupport(claim_index=index, support=value, ok=value >= least))
    return found


def support(case: Case, claim: Claim) -> float:
    """How much of the claim stands in what it cites, 0 to 1."""
    spans = case.spans(claim)
    cited = [passage.evidence.text[start:end] for passage, start, end in spans]
    if not cited:
        return 0.0
    if any(same_wording(claim.text, each) for each in cited):
        return 1.0
    contained = _containment(case, claim.text, spans)
    said = _LIST_MARK.sub("", claim.text)
    context = "\n".join((*cited, *(f"{each.context}\n{_headers(each, start, end)}" for each, start, end in spans)))
    if _invents_number(said, context) or _invents_name(said, context) or _says_opposite(said, spans):
        return min(contained, _INVENTED)
    return contained


def _containment(case: Case, text: str, spans: list[tuple[Passage, int, int]]) -> float:
    """The share of the claim's words, weighted by rarity within the pack, that stand in the spans or above them."""
    there: set[str] = set()
    for passage, start, end in spans:
        there |= {each.stem for each in words(passage.evidence.text[start:end])}
        there |= passage.context_stems
        there |= {each.stem for each in words(_headers(passage, start, end))}
    numbers = {each.start for each in quantities(text)}
    # Numbers are judged by their value elsewhere: "forty" is 40.
    said = {each.stem for each in words(text) if not each.stop and (each.numeric or each.start not in numbers)}
    weights = {stem: _rarity(case, stem) for stem in sorted(said)}
    total = math.fsum(weights.values())
    if not total:
        # Nothing but stop words: neither supported nor in need of it, and no answer to anything.
        return 0.0
    return math.fsum(weight for stem, weight in weights.items() if stem in there) / total


def _rarity(case: Case, stem: str) -> float:
    holding = sum(stem in each.stems for each in case.passages)
    return math.log(1 + (len(case.passages) - holding + 0.5) / (holding + 0.5)) + 0.5


def _headers(passage: Passage, start: int, end: int) -> str:
    return "\n".join(dict.fromkeys(each.header for each in passage.between(start, end) if each.header))


def _invents_number(said: str, context: str) -> bool:
    there = quantities(context)
    return any(not _is_there(each, there, context) for each in quantities(said))


def _is_there(quantity: Quantity, there: list[Quantity], context: str) -> bool:
    same = [each for each in there if each.value == quantity.value]
    if not same:
        # As part of a longer name: "2" of "LM2-NODE", "4012" of "E-4012".
        return not quantity.unit and len(quantity.value) > 1 and stands_in(quantity.value, context)
    if not quantity.unit or any(each.unit == quantity.unit for each in same):
        return True
    # "5 and 10 minutes": the unit stands with another number.
    return any(not each.unit for each in same) and any(each.unit == quantity.unit for each in there)


def _invents_name(said: str, context: str) -> bool:
    # Bare numbers are judged by their value: 7000 is 7,000.
    if any(not stands_in(each, context) for each in exact_names(said) if not each.isdigit()):
        return True
    there = {each.stem for each in words(context)}
    found = words(said)
    # The first word of a sentence is written large whatever it is.
    inner = [
        each
        for before, each in pairwise(found)
        if "." not in said[before.end : each.start] and "\n" not in said[before.end : each.start]
    ]
    return any(
        each.text[0].isupper() and not each.stop and each.stem not in there for each in inner if each.text != "I"
    )


def _says_opposite(said: str, spans: list[tuple[Passage, int, int]]) -> bool:
    claim = state(said)
    sources = [each.statement for passage, start, end in spans for each in passage.between(start, end)]
    if claim.negated and not any(each.negated for each in sources):
        return True
    repeated = [each for each in sources if _contained(claim, each) >= _REPEATED]
    return not claim.negated and bool(repeated) and all(each.negated for each in repeated)


def _contained(claim: Statement, source: Statement) -> float:
    return len(claim.content & source.content) / len(claim.content) if claim.content else 0.0
