"""Puts webhooks together, for the worker that serves and sends them."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from groundline.webhooks.v1 import webhook_service_pb2_grpc
from meshkit.outbox import Handler
from meshkit.postgres import Database
from meshkit.server import Service
from meshkit.telemetry import get_logger
from svc_workers.settings import WorkerSettings
from svc_workers.webhooks.connecting import GuardedBackend
from svc_workers.webhooks.deliver_webhook import DeliverWebhook, Patience
from svc_workers.webhooks.delivery_log import DeliveryLog
from svc_workers.webhooks.endpoints import Endpoints
from svc_workers.webhooks.publish_event import PublishEvent
from svc_workers.webhooks.sealing import Seal
from svc_workers.webhooks.sending import Sender
from svc_workers.webhooks.servicer import WebhookServicer

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The service for admins and the jobs that send."""

    service: Service
    handlers: Sequence[Handler[Any]]


def open_webhooks(stack: AsyncExitStack, settings: WorkerSettings, database: Database) -> Webhooks:
    """Raises ValueError if there is no key for the secrets."""
    key_file = settings.webhook_key_file or settings.signing_key_file
    if key_file is None:
        raise ValueError("neither GROUNDLINE_WEBHOOK_KEY_FILE nor GROUNDLINE_SIGNING_KEY_FILE is set")
    if settings.webhook_allow_private:
        log.warning("webhook_guard_off")
    seal = Seal.from_file(key_file)
    sender = Sender(GuardedBackend(allow_private=settings.webhook_allow_private), timeout_s=settings.webhook_timeout_s)
    stack.push_async_callback(sender.close)
    patience = Patience(settings.webhook_backoff_s, settings.webhook_disable_failures, settings.webhook_disable_after_s)
    servicer = WebhookServicer(
        Endpoints(database, seal, allow_private=settings.webhook_allow_private), DeliveryLog(database)
    )
    return Webhooks(
        Service(webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server, servicer),
        [PublishEvent(database), DeliverWebhook(database, sender, seal, patience)],
    )
