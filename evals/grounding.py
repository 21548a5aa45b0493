"""Whether the gate tells sentences that their evidence supports from those that it does not."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from evals import metrics
from evals.sets import DEV, TEST, LabelledClaim, part_of
from groundline.evaluation.v1.evaluation_pb2 import Citation, Claim, Draft, Policy
from groundline.retrieval.v1.evidence_pb2 import EVIDENCE_KIND_DOCUMENT, Evidence, EvidencePack
from svc_evaluator.case import Case
from svc_evaluator.signals.support import supports


def support_of(labelled: LabelledClaim, policy: Policy) -> float:
    """The support that the gate gives the sentence if it cites all of its evidence, 0 to 1."""
    pack = EvidencePack(query=labelled.question)
    for index, text in enumerate(labelled.evidence):
        pack.evidence.append(
            Evidence(
                chunk_id=f"c{index}",
                doc_id=f"d{index}",
                text=text,
                text_sha256=hashlib.sha256(text.encode()).hexdigest(),
                span_end=len(text),
                score=1.0,
                kind=EVIDENCE_KIND_DOCUMENT,
            )
        )
    cited = [Citation(chunk_id=each.chunk_id, start=0, end=len(each.text)) for each in pack.evidence if each.text]
    draft = Draft(claims=[Claim(text=labelled.answer, citations=cited)])
    return supports(Case(labelled.question, pack, draft, policy))[0].support


def measure(claims: Sequence[LabelledClaim], policy: Policy) -> dict[str, Any]:
    """AUROC over all labelled sentences; balanced accuracy at the policy's threshold, and on the test part at the
    threshold that is best on the dev part."""
    labelled = [each for each in claims if each.supported is not None]
    scores = np.array([support_of(each, policy) for each in labelled])
    truth = np.array([bool(each.supported) for each in labelled])
    dev = np.array([part_of(each.claim_id) == DEV for each in labelled], dtype=bool)
    shipped = next(each.threshold for each in policy.thresholds if each.name == "claim_support")
    found: dict[str, Any] = {
        "claims": len(labelled),
        "auroc": metrics.auroc_figure(scores[truth].tolist(), scores[~truth].tolist()),
        "roc": metrics.roc(scores[truth], scores[~truth]),
        "threshold": shipped,
        "balanced_accuracy": metrics.over_cases(
            len(labelled),
            lambda at: metrics.balanced_accuracy(scores[at][truth[at]], scores[at][~truth[at]], shipped),
        ),
        "passed": int((scores >= shipped).sum()),
        "wrongly_passed": int((scores[~truth] >= shipped).sum()),
        "refusal_precision": metrics.mean((~truth[scores < shipped]).astype(float).tolist()),
        "refusal_recall": metrics.mean((scores[~truth] < shipped).astype(float).tolist()),
        "passes_though_unsupported": metrics.mean((scores[~truth] >= shipped).astype(float).tolist()),
    }
    if dev.any() and not dev.all():
        best = _best_threshold(scores[dev], truth[dev])
        rest, right = scores[~dev], truth[~dev]
        found["tuned"] = {
            "threshold": best,
            "balanced_accuracy": metrics.over_cases(
                len(rest), lambda at: metrics.balanced_accuracy(rest[at][right[at]], rest[at][~right[at]], best)
            ),
            "tuned_on": DEV,
            "reported_on": TEST,
        }
    return found


def _best_threshold(scores: metrics.Numbers, truth: Any) -> float:
    candidates = np.unique(np.round(scores, 3))
    values = [metrics.balanced_accuracy(scores[truth], scores[~truth], float(each)) for each in candidates]
    return float(candidates[int(np.nanargmax(values))]) if not all(map(math.isnan, values)) else 0.0
