"""What a customer could be asked back, where nothing can be answered because the question leaves too much open."""

from collections.abc import Iterable

from groundline.evaluation.v1 import reason_code_pb2 as codes
from groundline.evaluation.v1.evaluation_pb2 import (
    CLARIFICATION_KIND_UNDERSPECIFIED,
    CLARIFICATION_KIND_VERSION,
    Clarification,
)
from meshkit.text.versions import names_of_version
from meshkit.text.words import words
from svc_evaluator.case import Case
from svc_evaluator.signals.conflict import differing_versions
from svc_evaluator.versions import version_of

# A question that fails for one of these may only have been put too shortly. All else is for a person, however put.
_MAY_BE_ASKED_BACK = frozenset({codes.REASON_CODE_NO_EVIDENCE, codes.REASON_CODE_INSUFFICIENT_COVERAGE})
_VERSION_SIGNAL = "product_version"
# Words that say that there is a matter, and not what it is.
_SAYS_NOTHING = frozenset(
    """
    work works working worked function functions help problem problems issue issues question questions trouble error
    errors fail fails failed failing failure broken broke break broke wrong bad stuck fix fixed support happen happens
    happened still not no never doesn't don't won't isn't can't cannot anymore yet again always suddenly today yesterday
    urgent asap thing things stuff device product
    """.split()  # noqa: SIM905
)


def clarification(case: Case, failed: Iterable[tuple[str, codes.ReasonCode.ValueType]]) -> Clarification | None:
    """What could be asked back; None where the policy does not allow it, or asking would hide another reason.

    `failed` are the signals that failed, with their reasons.
    """
    rules, found = case.policy.clarification, list(failed)
    if not rules.allowed or case.draft is not None or not found:
        return None
    if any(reason not in _MAY_BE_ASKED_BACK for _, reason in found):
        return None
    if _says_little(case, rules.most_words):
        return Clarification(kind=CLARIFICATION_KIND_UNDERSPECIFIED)
    if [name for name, _ in found] == [_VERSION_SIGNAL] and not case.named_versions:
        options = _versions(case)
        if 2 <= len(options) <= rules.most_options:
            return Clarification(kind=CLARIFICATION_KIND_VERSION, options=options)
    return None


def _says_little(case: Case, most_words: int) -> bool:
    """Whether the question names nothing: no code, no version, and hardly a word that says what it is about."""
    if case.identifiers or case.named_versions:
        return False
    telling = {
        each.stem
        for each in words(case.question)
        if not each.stop and each.text.lower().replace("’", "'") not in _SAYS_NOTHING
    }
    return len(telling) <= most_words


def _versions(case: Case) -> list[str]:
    """The versions that the sources differ about, as their titles name them, in order; empty if a title names none."""
    passages = {
        each.evidence.chunk_id: each for pair in differing_versions(case) for each in (pair.one, pair.other)
    }.values()
    found: dict[str, str] = {}
    for each in passages:
        version = version_of(each.evidence)
        named = names_of_version(each.context, case.versioned_names, version)
        if not named:
            return []
        found.setdefault(version, named[:64])
    return [name for _, name in sorted(found.items())]
