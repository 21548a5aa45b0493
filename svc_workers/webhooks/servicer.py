"""WebhookService: translate, call, translate."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from google.protobuf import json_format

from groundline.webhooks.v1 import event_pb2
from groundline.webhooks.v1 import webhook_service_pb2 as pb
from groundline.webhooks.v1 import webhook_service_pb2_grpc as rpc
from meshkit.call import current_principal
from meshkit.errors import FieldViolation, InvalidRequest
from meshkit.paging import page_size
from svc_workers.webhooks import store
from svc_workers.webhooks.delivery_log import DeliveryLog
from svc_workers.webhooks.endpoints import Endpoints
from svc_workers.webhooks.errors import FieldNotUpdatable
from svc_workers.webhooks.publish_event import EVENT_PREFIX, event_name


class WebhookServicer(rpc.WebhookServiceServicer):
    """Endpoints and their log, for admins."""

    def __init__(self, endpoints: Endpoints, log: DeliveryLog) -> None:
        self._endpoints = endpoints
        self._log = log

    async def CreateEndpoint(self, request: pb.CreateEndpointRequest, context: Any) -> pb.CreateEndpointResponse:
        endpoint, secret = await self._endpoints.create(
            request.url, list(map(event_name, request.event_types)), request.description, _request(request)
        )
        return pb.CreateEndpointResponse(endpoint=_endpoint(endpoint), secret=secret)

    async def GetEndpoint(self, request: pb.GetEndpointRequest, context: Any) -> pb.GetEndpointResponse:
        return pb.GetEndpointResponse(endpoint=_endpoint(await self._endpoints.get(UUID(request.endpoint_id))))

    async def ListEndpoints(self, request: pb.ListEndpointsRequest, context: Any) -> pb.ListEndpointsResponse:
        rows, following = await self._endpoints.page(size=page_size(request.page_size), token=request.page_token)
        return pb.ListEndpointsResponse(endpoints=map(_endpoint, rows), next_page_token=following)

    async def UpdateEndpoint(self, request: pb.UpdateEndpointRequest, context: Any) -> pb.UpdateEndpointResponse:
        endpoint = await self._endpoints.update(UUID(request.endpoint_id), _values(request), etag=request.endpoint.etag)
        return pb.UpdateEndpointResponse(endpoint=_endpoint(endpoint))

    async def DeleteEndpoint(self, request: pb.DeleteEndpointRequest, context: Any) -> pb.DeleteEndpointResponse:
        await self._endpoints.delete(UUID(request.endpoint_id))
        return pb.DeleteEndpointResponse()

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Any) -> pb.ListDeliveriesResponse:
        rows, following = await self._log.page(
            UUID(request.endpoint_id),
            state=_word(pb.DeliveryState, request.state, "DELIVERY_STATE_") if request.state else None,
            size=page_size(request.page_size),
            token=request.page_token,
        )
        return pb.ListDeliveriesResponse(deliveries=map(_delivery, rows), next_page_token=following)

    async def ReplayDelivery(self, request: pb.ReplayDeliveryRequest, context: Any) -> pb.ReplayDeliveryResponse:
        made = await self._log.replay(UUID(request.delivery_id), request.request_id)
        return pb.ReplayDeliveryResponse(delivery=_delivery(made))


def _request(request: pb.CreateEndpointRequest) -> store.Request | None:
    if not request.request_id:
        return None
    by = current_principal()
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    return store.Request(f"{by.role_name}:{by.subject}", request.request_id, digest)


def _word(enum: Any, value: int, prefix: str) -> str:
    return str(enum.Name(value)).removeprefix(prefix).lower()


def _event_types(endpoint: pb.Endpoint) -> tuple[str, ...]:
    if not endpoint.event_types:
        raise _missing("endpoint.event_types", "must name at least one type")
    return tuple(map(event_name, endpoint.event_types))


def _state(endpoint: pb.Endpoint) -> str:
    if endpoint.state == pb.ENDPOINT_STATE_UNSPECIFIED:
        raise _missing("endpoint.state", "must say a state")
    return _word(pb.EndpointState, endpoint.state, "ENDPOINT_STATE_")


def _missing(field: str, description: str) -> InvalidRequest:
    return InvalidRequest(violations=[FieldViolation(field, description, f"{field}.required")])


_UPDATABLE: Mapping[str, Callable[[pb.Endpoint], Any]] = {
    "url": lambda endpoint: endpoint.url,
    "event_types": _event_types,
    "description": lambda endpoint: endpoint.description,
    "state": _state,
}


def _values(request: pb.UpdateEndpointRequest) -> dict[str, Any]:
    paths = list(request.update_mask.paths) or [path for path in _UPDATABLE if getattr(request.endpoint, path)]
    for path in paths:
        if path not in _UPDATABLE:
            raise FieldNotUpdatable(path=path)
    return {path: _UPDATABLE[path](request.endpoint) for path in paths}


def _endpoint(row: store.Endpoint) -> pb.Endpoint:
    endpoint = pb.Endpoint(
        endpoint_id=str(row.endpoint_id),
        url=row.url,
        event_types=[event_pb2.EventType.Value(EVENT_PREFIX + each.upper()) for each in row.event_types],
        description=row.description,
        state=pb.EndpointState.Value(f"ENDPOINT_STATE_{row.state.upper()}"),
        consecutive_failures=row.consecutive_failures,
        etag=row.etag,
    )
    if row.disabled_reason:
        endpoint.disabled_reason = pb.DisabledReason.Value(f"DISABLED_REASON_{row.disabled_reason.upper()}")
    endpoint.created_at.FromDatetime(row.created_at)
    endpoint.updated_at.FromDatetime(row.updated_at)
    return endpoint


def _delivery(row: store.Delivery) -> pb.Delivery:
    delivery = pb.Delivery(
        delivery_id=str(row.delivery_id),
        endpoint_id=str(row.endpoint_id),
        state=pb.DeliveryState.Value(f"DELIVERY_STATE_{row.state.upper()}"),
        attempts=row.attempts,
        response_status=row.response_status,
        last_error=row.last_error,
        replay_of=str(row.replay_of) if row.replay_of else "",
    )
    # A newer writer's fields are optional by the contract's rules.
    json_format.ParseDict(dict(row.event_json), delivery.event, ignore_unknown_fields=True)
    delivery.created_at.FromDatetime(row.created_at)
    if row.last_attempt_at is not None:
        delivery.last_attempt_at.FromDatetime(row.last_attempt_at)
    return delivery
