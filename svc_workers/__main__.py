"""`python -m svc_workers delivery` and `python -m svc_workers knowledge`."""

import sys

from meshkit.config import read
from meshkit.server import run
from svc_workers.settings import WorkerSettings
from svc_workers.wiring import DELIVERY, KNOWLEDGE, wire_delivery, wire_knowledge

WORKERS = {"delivery": (DELIVERY, wire_delivery), "knowledge": (KNOWLEDGE, wire_knowledge)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in WORKERS:
        print("usage: python -m svc_workers delivery|knowledge", file=sys.stderr)
        sys.exit(2)
    name, wire = WORKERS[sys.argv[1]]
    run(name, read(WorkerSettings), wire)
