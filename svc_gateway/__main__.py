"""`python -m svc_gateway`."""

from meshkit.config import read
from meshkit.server import run
from svc_gateway.settings import GatewaySettings
from svc_gateway.wiring import wire

if __name__ == "__main__":
    run("gateway", read(GatewaySettings), wire)
