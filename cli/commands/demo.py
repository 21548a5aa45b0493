"""`groundline demo`: the whole desk in six steps, against the running mesh."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import EdgeOption, JsonOption

if TYPE_CHECKING:
    from cli.demo import Story

_LABEL_WIDTH = 14


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(demo)


def demo(
    knowledge_base: Annotated[
        str | None, typer.Option("--knowledge-base", "-k", help="Where samples/knowledge is.", show_default="default")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds that a step may wait.")] = 60,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play a scripted conversation: a cited answer, a hand-over, an agent's reply, and what is learned from it.

    Needs samples/knowledge, which `make up` takes in. Can be played again on the same data.

    \b
    Examples:
      groundline demo
      groundline demo --edge 127.0.0.1:9080 --json

    \b
    Exit codes:
      0 every step held
      1 one did not (it is named), or the mesh could not be used
      2 it was asked wrongly
    """
    import asyncio

    from cli.demo import Rest, play
    from cli.mesh import edge_target, mint

    base_url = f"http://{edge_target(edge)}"
    agent_token = mint("agent", "demo-agent")
    narrator = _Silent() if as_json else _Printed()

    async def main() -> Story:
        async with Rest(base_url) as rest:
            return await play(rest, agent_token, narrator=narrator, knowledge_base=knowledge_base, timeout_s=timeout)

    story = asyncio.run(main())
    if as_json:
        from cli.output import print_json

        print_json(asdict(story))
    else:
        from cli.output import say

        say(f"\nAll {_steps()} steps held, in {story.seconds:.1f} s.", "bold green")


def _steps() -> int:
    from cli.demo.story import STEPS

    return STEPS


class _Silent:
    def step(self, number: int, title: str) -> None:
        pass

    def line(self, who: str, text: str) -> None:
        pass

    def stage(self, name: str) -> None:
        pass


class _Printed:
    """Prints each step as it happens."""

    def step(self, number: int, title: str) -> None:
        from cli.output import say

        say(f"\n{number}/{_steps()}  {title}", "bold cyan")

    def line(self, who: str, text: str) -> None:
        from cli.output import labelled

        labelled(f"  {who}", text, width=_LABEL_WIDTH)

    def stage(self, name: str) -> None:
        from cli.output import labelled

        labelled("  …", name, width=_LABEL_WIDTH, style="dim")
