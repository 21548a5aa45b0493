"""`python -m svc_orchestrator`."""

from meshkit.config import read
from meshkit.server import run
from svc_orchestrator.settings import OrchestratorSettings
from svc_orchestrator.wiring import wire

if __name__ == "__main__":
    run("orchestrator", read(OrchestratorSettings), wire)
