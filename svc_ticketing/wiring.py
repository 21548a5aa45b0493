"""What the process is made of."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from groundline.ticketing.v1 import ticketing_service_pb2_grpc as rpc
from meshkit.config import ServiceSettings
from meshkit.objects import open_store
from meshkit.postgres import Database
from meshkit.server import Registration, Service
from svc_ticketing.attachments import Attachments
from svc_ticketing.changes import Changes
from svc_ticketing.comments import Comments
from svc_ticketing.servicer import TicketingServicer
from svc_ticketing.tickets import Tickets


class TicketingSettings(ServiceSettings):
    """Ticketing needs nothing beyond what every service can be told."""


async def wire(stack: AsyncExitStack, settings: TicketingSettings) -> Sequence[Registration]:
    """Opens the database and the object store and registers their closing on `stack`."""
    database = await stack.enter_async_context(Database.from_settings(settings, name="ticketing"))
    objects = open_store(settings.object_store_url)
    servicer = TicketingServicer(
        Tickets(database), Comments(database), Attachments(database, objects), Changes(database)
    )
    return [Service(rpc.add_TicketingServiceServicer_to_server, servicer)]
