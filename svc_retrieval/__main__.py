"""`python -m svc_retrieval`."""

from meshkit.config import read
from meshkit.server import run
from svc_retrieval.settings import RetrievalSettings
from svc_retrieval.wiring import wire

if __name__ == "__main__":
    run("retrieval", read(RetrievalSettings), wire)
