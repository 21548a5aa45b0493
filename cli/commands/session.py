"""`groundline session`: conversations, as an agent reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import EdgeOption, JsonOption

if TYPE_CHECKING:
    from cli.mesh import Mesh


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    session = typer.Typer(no_args_is_help=True, help="Conversations.")
    session.command()(show)
    app.add_typer(session, name="session")


def show(
    session_id: Annotated[str, typer.Argument(metavar="ID")],
    turns: Annotated[
        bool, typer.Option("--turns", help="Also list its turns: what was asked, what the gate said, and the event.")
    ] = False,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a conversation's state and all its messages.

    \b
    Examples:
      groundline session show 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e
      groundline session show 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e --turns   # then: groundline replay EVENT_ID
    """
    from cli.mesh import call, every
    from groundline.conversation.v1 import conversation_service_pb2 as pb

    async def work(mesh: Mesh) -> tuple[Any, list[Any], list[dict[str, Any]]]:
        found = await mesh.conversation.GetSession(pb.GetSessionRequest(session_id=session_id))
        request = pb.ListMessagesRequest(session_id=session_id)
        messages = [each async for each in every(mesh.conversation.ListMessages, request, "messages")]
        return found.session, messages, [each async for each in _turns(mesh, session_id)] if turns else []

    session, messages, told = call(edge, "agent", work)
    if as_json:
        from cli.output import print_json, to_json

        shown = {"turns": told} if turns else {}
        print_json({"session": to_json(session), "messages": [to_json(each) for each in messages], **shown})
        return
    _print(session, messages)
    if turns:
        _print_turns(told)


async def _turns(mesh: Mesh, session_id: str) -> AsyncIterator[dict[str, Any]]:
    from cli.mesh import every
    from cli.replaying import PAGE, judged_by_the_gate, outcome
    from groundline.orchestration.v1 import orchestration_service_pb2 as pb

    request = pb.ListEventsRequest(session_id=session_id)
    async for event in every(mesh.orchestration.ListEvents, request, "events", page=PAGE):
        if event.HasField("turn"):
            judged = judged_by_the_gate(event)
            yield {
                "event_id": event.event_id,
                "created_at": event.created_at.ToJsonString(),
                "question": event.turn.understanding.standalone_query,
                "outcome": outcome(event.turn.verdict) if judged else "",
                "confidence": event.turn.verdict.confidence if judged else None,
                "policy": event.turn.verdict.policy_version,
            }


def _print_turns(turns: list[dict[str, Any]]) -> None:
    from cli.output import say, shorten, table

    say("\nTurns", "bold")
    table(
        ("event", "outcome", "confidence", "as it was asked"),
        [
            (
                each["event_id"],
                each["outcome"] or "not judged",
                "" if each["confidence"] is None else f"{each['confidence']:.2f}",
                shorten(each["question"], 60),
            )
            for each in turns
        ],
        empty="none",
    )


def _print(session: Any, messages: list[Any]) -> None:
    from cli.output import facts, moment, say, word
    from groundline.conversation.v1 import conversation_pb2 as pb
    from groundline.evaluation.v1 import reason_code_pb2

    reason = session.escalation_reason
    facts(
        [
            ("session", session.session_id),
            ("status", word(pb.SessionStatus, session.status, "SESSION_STATUS_")),
            ("reason", reason_code_pb2.ReasonCode.Name(reason).removeprefix("REASON_CODE_") if reason else ""),
            ("ticket", session.ticket_id),
            ("channel", session.channel),
            ("customer", session.customer_id),
            ("knowledge base", session.knowledge_base),
            ("started", moment(session.started_at)),
            ("summary", session.summary),
        ]
    )
    for each in messages:
        author = f" {each.author_name}" if each.author_name else ""
        say(f"\n{moment(each.created_at)}  {word(pb.MessageRole, each.role, 'MESSAGE_ROLE_')}{author}", "bold")
        say(each.content)
        for citation in each.citations:
            say(f"  ← {citation.title} ({citation.doc_uri})", "dim")
