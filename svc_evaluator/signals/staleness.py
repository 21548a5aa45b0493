"""Evidence that is out of date, or for another version of the product."""

from groundline.evaluation.v1.evaluation_pb2 import Claim
from meshkit.text.versions import speaks_of_another
from svc_evaluator.case import Case, Passage
from svc_evaluator.confidence import best_of
from svc_evaluator.signals.conflict import differing_versions
from svc_evaluator.signals.finding import Finding
from svc_evaluator.versions import is_for, knows


def stale(case: Case) -> Finding:
    """With a draft: how many cited passages are out of date. Without: 1 if only such a passage would answer."""
    if case.draft is not None or case.record is not None:
        used = [case.record] if case.record is not None else case.cited
        old = [each for each in used if case.is_stale(each)]
        return Finding(float(len(old)), _why(old))
    old = [each for each in case.passages if case.is_stale(each) and is_for(each.evidence, case.named_versions)]
    least = case.thresholds["answerability"]
    enough = [each for each in old if best_of(case, [each])[0] >= least and _names_all(case, each)]
    if not enough or best_of(case, case.usable)[0] >= least:
        return Finding(0.0)
    return Finding(1.0, _why(enough))


def product_version(case: Case) -> Finding:
    """The share of claims whose sources are for a version that was asked about; without a draft, 1 if there are such.

    0 where the question names a version that nothing in the pack knows, and where it names none but the versions'
    documents state different things.
    """
    if case.named_versions:
        names = case.versioned_names
        known = any(knows(each.evidence, names, version) for each in case.passages for version in case.named_versions)
        if not known:
            return Finding(0.0, "the version asked about is in no document that was found")
    elif differing_versions(case):
        return Finding(0.0, "no version is named, and the documents of two versions differ")
    if case.draft is None:
        ruled_out = any(not is_for(each.evidence, case.named_versions) for each in case.passages)
        return Finding(0.0, "all is for another version") if ruled_out and not case.usable else Finding(1.0)
    claims = case.draft.claims
    wrong = sum(_is_about_another(case, each) for each in claims)
    note = f"{wrong} claims are about another version" if wrong else ""
    return Finding(1 - wrong / len(claims) if claims else 1.0, note)


def _is_about_another(case: Case, claim: Claim) -> bool:
    """Whether what the claim cites is for another version, or speaks only of another one."""
    for passage, start, end in case.spans(claim):
        if not is_for(passage.evidence, case.named_versions):
            return True
        shown = passage.evidence.text[start:end]
        if speaks_of_another(shown, case.numbered_names):
            return True
        # Under "Acme 3", a sentence that names none is about that one.
        heading = passage.evidence.heading_path[-1] if passage.evidence.heading_path else passage.evidence.title
        silent = all(name not in shown.lower() for name in case.numbered_names)
        if silent and speaks_of_another(heading, case.numbered_names):
            return True
    return False


def _names_all(case: Case, passage: Passage) -> bool:
    return all(passage.holds(name) for name in case.identifiers)


def _why(old: list[Passage]) -> str:
    superseded = sum(each.superseded for each in old)
    return f"{superseded} superseded, {len(old) - superseded} past the policy's age" if old else ""
