"""`python -m svc_evaluator`."""

from meshkit.config import read
from meshkit.server import run
from svc_evaluator.settings import EvaluatorSettings
from svc_evaluator.wiring import wire

if __name__ == "__main__":
    run("evaluator", read(EvaluatorSettings), wire)
