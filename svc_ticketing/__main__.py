"""`python -m svc_ticketing`: serves until SIGTERM."""

from meshkit.config import read
from meshkit.server import run
from svc_ticketing.wiring import TicketingSettings, wire

if __name__ == "__main__":
    run("ticketing", read(TicketingSettings), wire)
