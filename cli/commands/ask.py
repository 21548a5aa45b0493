"""`groundline ask`: one question, as a customer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CommandError
from cli.options import EdgeOption, JsonOption

if TYPE_CHECKING:
    from cli.asking import Outcome

HANDED_OVER = 4


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(ask)


def ask(
    question: Annotated[str, typer.Argument(help="What a customer would write.")],
    session: Annotated[str | None, typer.Option("--session", help="Go on in this conversation.")] = None,
    knowledge_base: Annotated[
        str | None, typer.Option("--knowledge-base", "-k", help="Be answered from this one.", show_default="default")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait for the outcome.")] = 60,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask as a customer: prints the answer with its sources, or who takes over and why.

    \b
    Examples:
      groundline ask "What does E-4012 mean on a Lumen 3?"
      groundline ask --session 0198c0de-… "And if that does not help?"
      groundline ask "Can I return it after 40 days?" --json | jq .outcome

    \b
    Exit codes:
      0 answered, or asked back (`outcome` in --json tells which)
      1 no outcome in time, or the mesh could not be used
      2 it was asked wrongly
      4 handed to a person
    """
    from cli import asking
    from cli.mesh import Mesh, edge_target, mint, run

    if not question.strip():
        raise CommandError("the question is empty", 2)
    target = edge_target(edge)

    async def main() -> Outcome:
        if session is None:
            # As any visitor of the site: without a credential.
            async with Mesh(target, None) as visitor:
                opened, token = await asking.open_session(visitor, channel="cli", knowledge_base=knowledge_base)
            session_id = opened.session_id
        else:
            session_id, token = session, mint("customer", f"session:{session}", session_id=session)
        async with Mesh(target, token) as customer:
            return await asking.ask(customer, session_id, question, timeout_s=timeout, progress=progress)

    with _stage(hidden=as_json) as progress:
        outcome = run(main, target)
    if as_json:
        _print_json(outcome)
    elif outcome.answered:
        _print_answer(outcome)
    else:
        _print_handover(outcome)
    if not outcome.answered:
        raise typer.Exit(HANDED_OVER)


@contextmanager
def _stage(*, hidden: bool) -> Iterator[Callable[[str], None]]:
    from rich.console import Console

    if hidden or not sys.stderr.isatty():
        yield lambda _: None
        return
    with Console(stderr=True).status("asking") as shown:
        yield lambda stage: shown.update(stage)


def _reason(outcome: Outcome) -> str:
    from groundline.evaluation.v1 import reason_code_pb2

    return reason_code_pb2.ReasonCode.Name(outcome.session.escalation_reason).removeprefix("REASON_CODE_")


def _outcome(outcome: Outcome) -> str:
    from groundline.conversation.v1.conversation_pb2 import MESSAGE_KIND_CLARIFYING_QUESTION

    if not outcome.answered:
        return "handed_over"
    asked_back = outcome.reply is not None and outcome.reply.kind == MESSAGE_KIND_CLARIFYING_QUESTION
    return "asked_back" if asked_back else "answered"


def _print_json(outcome: Outcome) -> None:
    from cli.output import print_json, to_json

    value: dict[str, Any] = {
        "outcome": _outcome(outcome),
        "message_id": outcome.message_id,
        "reply": to_json(outcome.reply) if outcome.reply is not None else None,
        "session": to_json(outcome.session),
    }
    if not outcome.answered:
        value |= {"reason": _reason(outcome), "ticket_id": outcome.session.ticket_id}
    print_json(value)


def _print_answer(outcome: Outcome) -> None:
    from cli.asking import marked
    from cli.output import note, one_line, say

    assert outcome.reply is not None
    text, citations = marked(outcome.reply)
    say(text)
    for number, each in enumerate(citations, 1):
        say(f"\n[{number}] {each.title} ({each.doc_uri})", "bold")
        say(f"    “{one_line(each.quote)}”", "dim")
    if _outcome(outcome) == "asked_back":
        note(f'\ngo on with: groundline ask --session {outcome.reply.session_id} "…"')
    else:
        note(f"\nsession {outcome.reply.session_id}")


def _print_handover(outcome: Outcome) -> None:
    from cli.output import note, say

    if outcome.reply is not None:
        say(outcome.reply.content)
    ticket_id = outcome.session.ticket_id
    say(f"\nA person answers ({_reason(outcome)}).", "bold")
    say(f"ticket  {ticket_id or 'is being made'}")
    if ticket_id:
        note(f"see it with: groundline ticket show {ticket_id}")
    note(f"session {outcome.session.session_id}")
