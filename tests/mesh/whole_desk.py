"""The desk as a customer and an agent meet it: all services and the delivery worker, only the search is a script."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import svc_evaluator.wiring
import svc_ticketing.wiring
import svc_workers.wiring
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2, ticketing_service_pb2_grpc
from meshkit import testing
from svc_evaluator.settings import EvaluatorSettings
from svc_ticketing.wiring import TicketingSettings
from svc_workers.settings import WorkerSettings

from .scripted import Customer, Talk, open_talk

TICKETING = ticketing_service_pb2.DESCRIPTOR.services_by_name["TicketingService"]


@dataclass
class WholeDesk:
    """A talk whose escalations become tickets."""

    talk: Talk
    ticketing: testing.Served
    worker_settings: Mapping[str, Any]

    @asynccontextmanager
    async def worker(self, **settings: Any) -> AsyncIterator[None]:
        """A delivery worker that carries what the desk's services write."""
        async with AsyncExitStack() as stack:
            parts = await svc_workers.wiring.wire_delivery(
                stack, WorkerSettings(**{**self.worker_settings, **settings})
            )
            await stack.enter_async_context(testing.serve(*parts, keys=self.talk.keys))
            yield

    async def agent(self) -> ticketing_service_pb2_grpc.TicketingServiceStub:
        """Tickets, as an agent sees them."""
        channel = await self.talk.stack.enter_async_context(self.ticketing.channel(TICKETING, role="agent"))
        return ticketing_service_pb2_grpc.TicketingServiceStub(channel)

    async def ticket_of(self, customer: Customer) -> ticketing_pb2.Ticket:
        """The conversation's ticket, once the worker has made it and told the conversation."""

        async def look() -> str:
            return str((await customer.session()).ticket_id)

        ticket_id = await testing.eventually(look, timeout_s=30)
        agent = await self.agent()
        found = await agent.GetTicket(ticketing_service_pb2.GetTicketRequest(ticket_id=str(ticket_id)))
        return found.ticket


@asynccontextmanager
async def open_whole_desk(
    database_url: str,
    keys: testing.Keys,
    folder: Path,
    *,
    orchestrator_settings: Mapping[str, Any] = MappingProxyType({}),
    evaluator_settings: Mapping[str, Any] = MappingProxyType({}),
    with_worker: bool = True,
) -> AsyncIterator[WholeDesk]:
    """Production wiring on one database, each service in its own role; the policy in force is the one that ships."""
    async with AsyncExitStack() as stack:
        name = urlsplit(database_url).path.lstrip("/")
        parts = await svc_evaluator.wiring.wire(stack, EvaluatorSettings(**evaluator_settings))
        evaluator = await stack.enter_async_context(testing.serve(*parts, keys=keys))
        objects = (folder / "objects").as_uri()
        ticketing_parts = await svc_ticketing.wiring.wire(
            stack,
            TicketingSettings(
                database_url=testing.database_url(database_url, name, user="groundline_ticketing"),
                object_store_url=objects,
            ),
        )
        ticketing = await stack.enter_async_context(testing.serve(*ticketing_parts, keys=keys))
        told = {"evaluator_target": evaluator.target, **orchestrator_settings}
        talk = await stack.enter_async_context(open_talk(database_url, keys, folder, orchestrator_settings=told))
        desk = WholeDesk(
            talk,
            ticketing,
            {
                "database_url": testing.database_url(database_url, name, user="groundline_workers"),
                "signing_key_file": keys.jwks_file.with_name("signing.pem"),
                "object_store_url": objects,
                "gateway_target": talk.gateway.target,
                "orchestrator_target": talk.orchestrator.target,
                "ticketing_target": ticketing.target,
                "poll_interval_s": 0.05,
            },
        )
        if with_worker:
            await stack.enter_async_context(desk.worker())
        yield desk
