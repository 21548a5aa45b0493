"""What only people may answer."""

from svc_evaluator.case import Case
from svc_evaluator.signals.finding import Finding
from svc_evaluator.topics import applying


def policy_restricted(case: Case) -> Finding:
    """How many topics apply that the policy leaves to people."""
    names = [topic.name for topic in applying(case) if topic.restricted]
    return Finding(float(len(names)), ", ".join(names)[:1000])
