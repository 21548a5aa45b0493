"""One event for one endpoint."""

import random
import time
from dataclasses import dataclass
from uuid import UUID

from google.protobuf import json_format

from groundline.commands.v1 import audit_service_pb2 as audit_pb
from groundline.commands.v1 import commands_pb2 as commands
from groundline.webhooks.v1 import event_pb2
from meshkit.outbox import Attempt, Dead, Done, Handler, Outcome, Retry
from meshkit.postgres import Database
from meshkit.telemetry import counter, get_logger
from svc_workers import audit
from svc_workers.webhooks import store
from svc_workers.webhooks.sealing import Seal, SecretUnreadable
from svc_workers.webhooks.sending import SIGNATURE_HEADER, NotSent, Sender, sign

log = get_logger(__name__)

DELIVERIES = counter("groundline_webhook_attempts_total", "Attempts at webhook deliveries, by outcome.", ["outcome"])
BACKOFF_FACTOR = 4.0
BACKOFF_CAP_S = 8 * 3600.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a failing endpoint is borne with.

    The first wait is about `backoff_s`, each further one four times as long, up to 8 hours. After `disable_failures`
    failed attempts in a row, the first of which is at least `disable_after_s` ago, the endpoint is disabled.
    """

    backoff_s: float = 5.0
    disable_failures: int = 50
    disable_after_s: float = 3600.0


class DeliverWebhook(Handler[commands.DeliverWebhook]):
    """Posts the event, signed. At least once: an endpoint that is told twice sees the same delivery_id."""

    type, command = "deliver_webhook", commands.DeliverWebhook
    timeout_s, concurrency = 75.0, 16

    def __init__(
        self, database: Database, sender: Sender, seal: Seal, patience: Patience, *, rng: random.Random | None = None
    ) -> None:
        self._db = database
        self._sender = sender
        self._seal = seal
        self._patience = patience
        self._rng = rng or random.Random()

    async def handle(self, command: commands.DeliverWebhook, attempt: Attempt) -> Outcome:
        """Sends it unless it was received, or nobody wants it any more."""
        delivery_id = UUID(command.delivery_id)
        async with self._db.connection() as conn:
            delivery = await store.get_delivery(conn, delivery_id)
            endpoint = await store.get_endpoint(conn, delivery.endpoint_id) if delivery else None
        if delivery is None or endpoint is None:
            return Dead("there is no such delivery")
        if delivery.state in ("delivered", "cancelled"):
            return Done()
        if endpoint.state != "enabled" or endpoint.sealed_secret is None:
            async with self._db.connection() as conn:
                await store.cancel_delivery(conn, delivery_id)
            return Done()
        status, error = await self._send(delivery, endpoint.url, endpoint.sealed_secret)
        DELIVERIES.labels(error or "delivered").inc()
        fields = {"delivery_id": str(delivery_id), "endpoint_id": str(endpoint.endpoint_id), "status": status}
        if not error:
            async with self._db.transaction() as conn:
                await store.record_success(conn, delivery, status)
            log.info("webhook_delivered", attempt=attempt.number, **fields)
            return Done()
        log.info("webhook_failed", error=error, attempt=attempt.number, **fields)
        return await self._failed(delivery, attempt, status, error)

    async def _send(self, delivery: store.Delivery, url: str, sealed: bytes) -> tuple[int, str]:
        """The status, 0 without an answer, and what went wrong, "" if nothing did."""
        event = json_format.ParseDict(dict(delivery.event_json), event_pb2.Event(), ignore_unknown_fields=True)
        told = event_pb2.Notification(delivery_id=str(delivery.delivery_id), event=event)
        body = json_format.MessageToJson(told, preserving_proto_field_name=True, indent=None).encode()
        try:
            secret = self._seal.open(sealed, delivery.endpoint_id)
        except SecretUnreadable:
            return 0, "secret"
        headers = {
            "groundline-delivery-id": str(delivery.delivery_id),
            "groundline-event-id": event.event_id,
            SIGNATURE_HEADER: sign(secret, body, at=int(time.time())),
        }
        try:
            status = await self._sender.post(url, body, headers)
        except NotSent as exc:
            return 0, exc.why
        return status, "" if 200 <= status < 300 else "status"

    async def _failed(self, delivery: store.Delivery, attempt: Attempt, status: int, error: str) -> Outcome:
        last = attempt.number >= attempt.max_attempts
        async with self._db.transaction() as conn:
            disabled = await store.record_failure(
                conn,
                delivery,
                status=status,
                error=error,
                last=last,
                disable_failures=self._patience.disable_failures,
                disable_after_s=self._patience.disable_after_s,
            )
            if disabled:
                await audit.record(
                    conn, audit_pb.AUDIT_ACTION_ENDPOINT_DISABLED, delivery.endpoint_id, changed=True, note=error
                )
        if disabled:
            log.warning("webhook_endpoint_disabled", endpoint_id=str(delivery.endpoint_id), error=error)
        said = f"{error} {status}" if status else error
        if last:
            return Dead(said)
        return Done() if disabled else Retry(said, self._backoff_s(attempt.number))

    def _backoff_s(self, number: int) -> float:
        bound = min(BACKOFF_CAP_S, self._patience.backoff_s * BACKOFF_FACTOR ** min(number - 1, 20))
        return bound * self._rng.uniform(0.8, 1.2)
