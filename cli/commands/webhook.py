"""`groundline webhook`: who outside is told of events, and what was sent to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import EdgeOption, JsonOption, LimitOption

if TYPE_CHECKING:
    from cli.mesh import Mesh

EndpointArgument = Annotated[str, typer.Argument(metavar="ID", help="The endpoint.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    webhook = typer.Typer(no_args_is_help=True, help="Endpoints that are told of events: create, list, replay.")
    webhook.command()(create)
    webhook.command("list")(list_)
    webhook.command()(show)
    webhook.command()(enable)
    webhook.command()(disable)
    webhook.command()(delete)
    webhook.command()(deliveries)
    webhook.command()(replay)
    app.add_typer(webhook, name="webhook")


def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent, https://…")],
    event: Annotated[list[str], typer.Option("--event", help="A type, such as session_escalated. May be repeated.")],
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register an endpoint. Its secret is printed now and never again.

    \b
    Types: session_escalated, session_resolved, ticket_created, ticket_updated, message_answered
    Example:
      groundline webhook create https://hooks.example.com/desk --event ticket_created --event ticket_updated
    """
    import uuid

    from cli import output
    from cli.mesh import call
    from groundline.webhooks.v1 import event_pb2
    from groundline.webhooks.v1 import webhook_service_pb2 as pb

    # `session.escalated` is how people write it elsewhere.
    types = [output.value_of(event_pb2.EventType, each.replace(".", "_"), "EVENT_TYPE_") for each in event]
    request = pb.CreateEndpointRequest(
        url=url,
        event_types=[event_pb2.EventType.ValueType(each) for each in types],
        description=description,
        request_id=str(uuid.uuid4()),
    )

    async def work(mesh: Mesh) -> Any:
        return await mesh.webhooks.CreateEndpoint(request)

    made = call(edge, "admin", work)
    if as_json:
        output.print_json(output.to_json(made))
        return
    output.facts([("endpoint", made.endpoint.endpoint_id), ("secret", made.secret)])


def list_(limit: LimitOption = 50, edge: EdgeOption = None, as_json: JsonOption = False) -> None:
    """List endpoints, oldest first."""
    from cli import output
    from cli.mesh import call, every
    from groundline.webhooks.v1 import webhook_service_pb2 as pb

    async def work(mesh: Mesh) -> list[Any]:
        request = pb.ListEndpointsRequest()
        return [each async for each in every(mesh.webhooks.ListEndpoints, request, "endpoints", limit=limit)]

    endpoints = call(edge, "admin", work)
    if as_json:
        output.print_json({"endpoints": [output.to_json(each) for each in endpoints]})
        return
    output.table(
        ("endpoint", "state", "failures", "events", "url"),
        (
            (
                each.endpoint_id,
                output.word(pb.EndpointState, each.state, "ENDPOINT_STATE_"),
                each.consecutive_failures,
                _types(each),
                each.url,
            )
            for each in endpoints
        ),
        empty="there are no endpoints",
    )


def show(endpoint_id: EndpointArgument, edge: EdgeOption = None, as_json: JsonOption = False) -> None:
    """Show one endpoint, without its secret."""
    from cli import output
    from cli.mesh import call
    from groundline.webhooks.v1 import webhook_service_pb2 as pb

    async def work(mesh: Mesh) -> Any:
        return (await mesh.webhooks.GetEndpoint(pb.GetEndpointRequest(endpoint_id=endpoint_id))).endpoint

    endpoint = call(edge, "admin", work)
    if as_json:
        output.print_json({"endpoint": output.to_json(endpoint)})
        return
    why = output.word(pb.DisabledReason, endpoint.disabled_reason, "DISABLED_REASON_")
    output.facts(
        [
            ("endpoint", endpoint.endpoint_id),
            ("url", endpoint.url),
            ("events", _types(endpoint)),
            ("for", endpoint.description),
            ("state", output.word(pb.EndpointState, endpoint.state, "ENDPOINT_STATE_")),
            ("why", "" if why == "unspecified" else why),
            ("failures", endpoint.consecutive_failures),
            ("registered", output.moment(endpoint.created_at)),
            ("changed", output.moment(endpoint.updated_at)),
        ]
    )


def enable(endpoint_id: EndpointArgument, edge: EdgeOption = None, as_json: JsonOption = False) -> None:
    """Send events to an endpoint again; its count of failures begins anew."""
    _set_state(endpoint_id, "enabled", edge, as_json)


def disable(endpoint_id: EndpointArgument, edge: EdgeOption = None, as_json: JsonOption = False) -> None:
    """Send nothing more to an endpoint; what waits for it is cancelled."""
    _set_state(endpoint_id, "disabled", edge, as_json)


def delete(endpoint_id: EndpointArgument, edge: EdgeOption = None) -> None:
    """Delete an endpoint, and forget its secret. Its log stays."""
    from cli import output
    from cli.mesh import call
    from groundline.webhooks.v1 import webhook_service_pb2 as pb

    async def work(mesh: Mesh) -> Any:
        return await mesh.webhooks.DeleteEndpoint(pb.DeleteEndpointRequest(endpoint_id=endpoint_id))

    call(edge, "admin", work)
    output.say(f"{endpoint_id} is deleted")


def deliveries(
    endpoint_id: EndpointArgument,
    state: Annotated[str, typer.Option("--state", help="pending, delivered, failed or cancelled.")] = "",
    limit: LimitOption = 50,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was sent to an endpoint, newest first."""
    from cli import output
    from cli.mesh import call, every
    from groundline.webhooks.v1 import event_pb2
    from groundline.webhooks.v1 import webhook_service_pb2 as pb

    wanted = output.value_of(pb.DeliveryState, state, "DELIVERY_STATE_") if state else 0
    request = pb.ListDeliveriesRequest(endpoint_id=endpoint_id, state=pb.DeliveryState.ValueType(wanted))

    async def work(mesh: Mesh) -> list[Any]:
        return [each async for each in every(mesh.webhooks.ListDeliveries, request, "deliveries", limit=limit)]

    found = call(edge, "admin", work)
    if as_json:
        output.print_json({"deliveries": [output.to_json(each) for each in found]})
        return
    output.table(
        ("delivery", "event", "state", "attempts", "answer", "last error", "last tried"),
        (
            (
                each.delivery_id,
                output.word(event_pb2.EventType, each.event.type, "EVENT_TYPE_"),
                output.word(pb.DeliveryState, each.state, "DELIVERY_STATE_"),
                each.attempts,
                each.response_status or "-",
                each.last_error or "-",
                output.moment(each.last_attempt_at) or "-",
            )
            for each in found
        ),
        empty="nothing was sent yet",
    )


def replay(
    delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The delivery.")],
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a delivery's event to its endpoint once more."""
    import uuid

    from cli import output
    from cli.mesh import call
    from groundline.webhooks.v1 import webhook_service_pb2 as pb

    request = pb.ReplayDeliveryRequest(delivery_id=delivery_id, request_id=str(uuid.uuid4()))

    async def work(mesh: Mesh) -> Any:
        return (await mesh.webhooks.ReplayDelivery(request)).delivery

    made = call(edge, "admin", work)
    if as_json:
        output.print_json({"delivery": output.to_json(made)})
    else:
        output.say(f"will be sent as {made.delivery_id}")


def _set_state(endpoint_id: str, state: str, edge: str | None, as_json: bool) -> None:
    from cli import output
    from cli.mesh import call
    from groundline.webhooks.v1 import webhook_service_pb2 as pb

    wanted = output.value_of(pb.EndpointState, state, "ENDPOINT_STATE_")
    request = pb.UpdateEndpointRequest(
        endpoint_id=endpoint_id, endpoint=pb.Endpoint(state=pb.EndpointState.ValueType(wanted))
    )

    async def work(mesh: Mesh) -> Any:
        return (await mesh.webhooks.UpdateEndpoint(request)).endpoint

    endpoint = call(edge, "admin", work)
    if as_json:
        output.print_json({"endpoint": output.to_json(endpoint)})
    else:
        output.say(f"{endpoint_id} is {output.word(pb.EndpointState, endpoint.state, 'ENDPOINT_STATE_')}")


def _types(endpoint: Any) -> str:
    from cli import output
    from groundline.webhooks.v1 import event_pb2

    return ", ".join(output.word(event_pb2.EventType, each, "EVENT_TYPE_") for each in endpoint.event_types)
