"""What was sent to endpoints, and sending it once more."""

from uuid import UUID

from groundline.commands.v1 import audit_service_pb2 as audit_pb
from groundline.commands.v1 import commands_pb2 as commands
from meshkit import outbox
from meshkit.ids import new_id
from meshkit.paging import decode_token, encode_token
from meshkit.postgres import Database
from svc_workers import audit
from svc_workers.webhooks import store
from svc_workers.webhooks.errors import DeliveryNotFound, EndpointDisabled, EndpointNotFound


class DeliveryLog:
    """Reads the log, and replays."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def page(
        self, endpoint_id: UUID, *, state: str | None, size: int, token: str
    ) -> tuple[list[store.Delivery], str]:
        """A page, newest first, and the token of the next one. Raises EndpointNotFound, PageTokenInvalid."""
        filters = ("webhook-deliveries", endpoint_id, state)
        cursor = decode_token(token, filters=filters, kinds=(UUID,))
        async with self._db.connection() as conn:
            if await store.get_endpoint(conn, endpoint_id) is None:
                raise EndpointNotFound(endpoint_id=endpoint_id)
            before = cursor[0] if cursor else None
            rows = await store.list_deliveries(conn, endpoint_id, before=before, state=state, limit=size + 1)
        if len(rows) <= size:
            return rows, ""
        return rows[:size], encode_token((rows[size - 1].delivery_id,), filters=filters)

    async def replay(self, delivery_id: UUID, request_id: str) -> store.Delivery:
        """Sends it once more, once by `request_id` unless that is "".

        Raises DeliveryNotFound, EndpointNotFound, EndpointDisabled.
        """
        async with self._db.transaction() as conn:
            delivery = await store.get_delivery(conn, delivery_id)
            if delivery is None:
                raise DeliveryNotFound(delivery_id=delivery_id)
            if request_id and (earlier := await store.replay_of_request(conn, delivery_id, request_id)):
                return earlier
            # Held, so that it isn't disabled between this look and the commit.
            endpoint = await store.get_endpoint(conn, delivery.endpoint_id, lock=True)
            if endpoint is None or endpoint.state == "deleted":
                raise EndpointNotFound(endpoint_id=delivery.endpoint_id)
            if endpoint.state != "enabled":
                raise EndpointDisabled(endpoint_id=delivery.endpoint_id)
            made = await store.insert_replay(conn, new_id(), delivery_id, request_id or None)
            if made is None:
                rival = await store.replay_of_request(conn, delivery_id, request_id)
                assert rival is not None
                return rival
            await outbox.put(
                conn,
                commands.DeliverWebhook(delivery_id=str(made.delivery_id)),
                type="deliver_webhook",
                key=f"webhook-replay:{made.delivery_id}",
            )
            note = f"as {made.delivery_id}"
            await audit.record(conn, audit_pb.AUDIT_ACTION_DELIVERY_REPLAYED, delivery_id, changed=True, note=note)
            return made
