"""The stack's road: embedded, or through RabbitMQ; with a node of its own, or a broker that it is told of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cli.stack.errors import StackError
from cli.stack.layout import Home, Ports
from cli.stack.processes import EPMD, RABBITMQ, Program
from cli.stack.rabbitmq import NodePorts, RabbitServer, find_programs

EMBEDDED, AMQP = "embedded", "amqp"
ROADS = (EMBEDDED, AMQP)


class Broker:
    """How commands travel. `server` is None where the road is embedded or `url` names a broker that isn't ours."""

    def __init__(self, home: Home, ports: Ports, road: str, url: str | None) -> None:
        """Raises StackError if `road` is none, or if it needs a broker and there is none to be had."""
        if road not in ROADS:
            raise StackError(f"there is no road {road!r}; there are {', '.join(ROADS)}", exit_code=2)
        self.road = road
        self._url = url
        self.server: RabbitServer | None = None
        if road != AMQP or url is not None:
            return
        if find_programs() is None:
            raise StackError(
                "the amqp road needs a broker: `apt-get install rabbitmq-server`, or set GROUNDLINE_AMQP_URL to one"
            )
        self.server = RabbitServer(home.broker, NodePorts(*ports.broker))

    def environment(self) -> dict[str, str]:
        """What the services are told of it. Once `programs` has prepared the node."""
        if self.road == EMBEDDED:
            return {"GROUNDLINE_ROAD": EMBEDDED}
        url = self.server.url if self.server is not None else self._url or ""
        return {"GROUNDLINE_ROAD": AMQP, "GROUNDLINE_AMQP_URL": url}

    def programs(self) -> Iterator[Program]:
        """What the supervisor runs for it. Prepares the node. Raises StackError."""
        if self.server is None:
            return
        self.server.prepare()
        account = self.server.account.name if self.server.account else None
        for name, command in ((EPMD, self.server.epmd_command()), (RABBITMQ, self.server.command())):
            yield Program(
                name,
                command,
                self.server.environment(),
                account=account,
                stop_timeout_s=30,
                directory=Path("/"),
            )

    @property
    def processes(self) -> tuple[str, ...]:
        """The names of its processes, in the order of their start."""
        return (EPMD, RABBITMQ) if self.server is not None else ()
