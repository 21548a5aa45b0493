"""A question's words are looked for in the evidence by the stemmer of its language."""

import pytest

from groundline.evaluation.v1.evaluation_pb2 import Policy
from groundline.retrieval.v1.evidence_pb2 import Evidence, EvidencePack, QueryTerm, RetrievalDiagnostics
from svc_evaluator.case import Case
from svc_orchestrator.answering.reading import Reading

QUESTION = "Wie werden Verträge gekündigt?"
TEXT = "Die Kündigung des Vertrages ist zum Monatsende möglich."


def _pack(configuration: str) -> EvidencePack:
    terms = [QueryTerm(lexeme="vertrag", idf=2.0), QueryTerm(lexeme="kundig", idf=1.0)]
    diagnostics = RetrievalDiagnostics(terms=terms, text_configuration=configuration)
    return EvidencePack(evidence=[Evidence(text=TEXT, chunk_id="1")], diagnostics=diagnostics)


@pytest.mark.parametrize(("configuration", "covered"), [("german", 1.0), ("", 2 / 3), ("klingon", 0.0)])
def test_coverage_is_by_the_language_of_the_terms(configuration: str, covered: float) -> None:
    pack = _pack(configuration)
    case = Case(QUESTION, pack, None, Policy())
    assert case.coverage(case.passages[0].stems) == pytest.approx(covered)
    assert Reading(QUESTION, pack).coverage(TEXT) == pytest.approx(covered)
