"""`groundline replay` and `groundline gate what-if` (which `gate` registers): past verdicts, judged again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CommandError
from cli.moments import moment
from cli.options import EdgeOption, JsonOption, SinceOption

if TYPE_CHECKING:
    from cli.mesh import Mesh
    from cli.replaying import Flips, Replayed
    from groundline.evaluation.v1.evaluation_pb2 import Policy

DIFFERS = 5
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most this many turns.")]


def register(app: typer.Typer) -> None:
    """Adds the command; its sibling `what-if` is in the group `gate`."""
    app.command()(replay)


def replay(
    event_id: Annotated[
        str | None, typer.Argument(metavar="EVENT_ID", help="One turn; without it, all of them.")
    ] = None,
    since: SinceOption = "",
    limit: LimitOption = 1_000_000,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge stored turns again, from their events alone, and compare bit for bit: the verdict, and where a language
    model wrote a refused draft anew, also the one on that. Of a single turn every signal is shown. Where to find an
    EVENT_ID: `groundline session show ID --turns`.

    \b
    Examples:
      groundline replay 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e
      groundline replay --since 24h

    Exit codes: 0 all verdicts are the same, 5 one differs, 1 it could not be done, 2 it was asked wrongly.
    """
    from cli import output
    from cli import replaying as again
    from cli.mesh import call
    from cli.progress import bars
    from groundline.orchestration.v1 import orchestration_service_pb2 as pb

    single: list[Replayed] = []

    async def work(mesh: Mesh) -> tuple[int, list[Replayed]]:
        if event_id is not None:
            event = (await mesh.orchestration.GetEvent(pb.GetEventRequest(event_id=event_id))).event
            if not again.judged_by_the_gate(event):
                raise CommandError(f"event {event_id} holds no verdict of the gate: there is nothing to judge again")
            single.extend(await again.replay_all(mesh, event))
            return len(single), [each for each in single if not each.same]
        count, differing = 0, []
        async for event in again.turns(mesh, begin, limit):
            found = await again.replay_all(mesh, event)
            count += len(found)
            differing += [each for each in found if not each.same]
            progress("verdicts", count, 0)
        return count, differing

    begin = moment("--since", since)
    with bars(hidden=as_json) as progress:
        count, differing = call(edge, "admin", work)
    if as_json:
        shown = {"verdicts": [_told(each) for each in single]} if single else {}
        output.print_json({"replayed": count, "differing": [_told(each) for each in differing], **shown})
    else:
        for each in single:
            _print_verdict(each)
        output.say(f"{count} verdict{'' if count == 1 else 's'} judged again, {len(differing)} differ.")
        for each in differing:
            output.say(f"  {each.event_id}  {again.outcome(each.stored)} → {again.outcome(each.again)}")
    if differing:
        raise typer.Exit(DIFFERS)


def what_if(
    policy: Annotated[Path, typer.Option("--policy", exists=True, dir_okay=False, help="The policy file to try.")],
    since: SinceOption = "",
    limit: LimitOption = 1_000_000,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which past turns would another policy have decided otherwise?

    The evidence and the draft that there were are judged; no search and no draft is made anew. Where the policy would
    let pass what was refused before a draft, PASS_TO_DRAFT is said: what that draft would have come to is not known. A
    policy for one knowledge base is tried on that one's turns only.

    \b
    Examples:
      groundline gate what-if --policy my-policy.json --since 7d
      groundline gate what-if --policy my-policy.json --json

    Exit codes: 0 done, 1 it could not be done, 2 it was asked wrongly.
    """
    from google.protobuf import json_format

    from cli import replaying as again
    from cli.mesh import call
    from cli.progress import bars
    from groundline.evaluation.v1 import evaluation_pb2

    try:
        tried = json_format.Parse(policy.read_text(encoding="utf-8"), evaluation_pb2.Policy())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise CommandError(f"{policy} is not a policy: {str(error).splitlines()[0]}", 2) from None

    async def work(mesh: Mesh) -> Flips:
        flips = again.Flips()
        seen = 0
        async for event in again.turns(mesh, begin, limit):
            seen += 1
            if tried.knowledge_base in ("", event.turn.evidence_pack.knowledge_base):
                flips.add(await again.replay(mesh, event, tried))
            else:
                flips.elsewhere += 1
            progress("turns", seen, 0)
        return flips

    begin = moment("--since", since)
    with bars(hidden=as_json) as progress:
        found = call(edge, "admin", work)
    _print(found, tried, as_json)


def _print(flips: Flips, policy: Policy, as_json: bool) -> None:
    from cli import output

    changes = sorted(flips.counts.items(), key=lambda each: -each[1])
    if as_json:
        output.print_json(
            {
                "policy": policy.version,
                "judged": flips.judged,
                "of_other_knowledge_bases": flips.elsewhere,
                "flips": [
                    {
                        "was": was,
                        "would_be": now,
                        "count": count,
                        "examples": [_told(e) for e in flips.examples[was, now]],
                    }
                    for (was, now), count in changes
                ],
            }
        )
        return
    output.say(f"{flips.judged} turns judged by {policy.version}; {sum(flips.counts.values())} would end otherwise.")
    if flips.elsewhere:
        output.say(f"{flips.elsewhere} turns were left out: the policy is for {policy.knowledge_base} alone.")
    if changes:
        output.table(
            ("was", "would be", "turns", "for example", "event"),
            [
                (*each, count, output.shorten(example.question, 60), example.event_id)
                for each, count in changes
                for example in flips.examples[each][:1]
            ],
            empty="",
        )


def _print_verdict(replayed: Replayed) -> None:
    from cli import output
    from cli import replaying as again
    from cli.verdict_view import print_verdict

    stored = replayed.stored
    output.facts(
        [
            ("question", replayed.question),
            ("outcome", again.outcome(stored)),
            ("confidence", f"{stored.confidence:.2f}"),
            ("policy", stored.policy_version),
            ("judged on", "a draft" if replayed.drafted else "the evidence, before a draft"),
            ("session", replayed.session_id),
        ]
    )
    print_verdict(stored, replayed.pack)
    output.say("")


def _told(replayed: Replayed) -> dict[str, Any]:
    from cli.output import to_json

    return {
        "event_id": replayed.event_id,
        "session_id": replayed.session_id,
        "question": replayed.question,
        "stored": to_json(replayed.stored),
        "again": to_json(replayed.again),
    }
