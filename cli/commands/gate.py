"""`groundline gate`: the gate's policy, tried on what was asked before, or calibrated for a knowledge base."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.replay import what_if
from cli.errors import CommandError
from cli.options import EdgeOption, JsonOption, KnowledgeBaseOption

if TYPE_CHECKING:
    from cli.mesh import Mesh
    from evals.calibration.policy import Calibration

QUESTIONS = 300


def register(app: typer.Typer) -> None:
    """Adds the group."""
    gate = typer.Typer(no_args_is_help=True, help="The gate's policy: try another one, or calibrate one.")
    gate.command("what-if")(what_if)
    gate.command("calibrate")(calibrate)
    app.add_typer(gate, name="gate")


def calibrate(
    knowledge_base: KnowledgeBaseOption = "default",
    questions: Annotated[
        int, typer.Option("--questions", min=50, max=20_000, help="Make at most so many questions from its pages.")
    ] = QUESTIONS,
    wrong: Annotated[
        float,
        typer.Option("--wrong", min=0, max=0.5, help="Answer at most this share where the source was removed."),
    ] = 0.05,
    wrong_unrelated: Annotated[
        float,
        typer.Option("--wrong-unrelated", min=0, max=0.5, help="Answer at most this share of unrelated questions."),
    ] = 0.01,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", dir_okay=False, help="Where to write the policy.", show_default="policies/VERSION.json of the home"
        ),
    ] = None,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the gate to a knowledge base, by questions made from its own pages, and write the policy with its figures.

    Each question is judged with its page among the evidence and without; so are questions of everyday life. The
    default policy's weights are drawn towards what was seen; the threshold keeps to the shares that may be answered
    wrongly; the figures are of pages that were used for neither. Written into the home's `policies`, it is in force
    for the knowledge base within seconds; an evaluator elsewhere takes it from its GROUNDLINE_POLICY_FOLDER.

    \b
    Examples:
      groundline gate calibrate --knowledge-base routers
      groundline gate calibrate -k routers --questions 1000 --out routers.json

    Exit codes: 0 written, 1 it could not be done (also with too few documents), 2 it was asked wrongly.
    """
    from google.protobuf import json_format

    from cli import output
    from cli.calibrating import calibrate as run
    from cli.mesh import call
    from cli.progress import bars
    from cli.stack.layout import Home, home_from_environment
    from evals.calibration.operating import Targets

    async def work(mesh: Mesh) -> Calibration:
        return await run(mesh, knowledge_base, questions, Targets(wrong, wrong_unrelated), progress)

    named = os.environ.get("GROUNDLINE_POLICY_FOLDER")
    folder = Path(named) if named else Home(home_from_environment()).policies
    _check_writable(out.parent if out else folder)
    with bars(hidden=as_json) as progress:
        found = call(edge, "admin", work)
    file = out or folder / f"{found.policy.version}.json"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".tmp")
        draft.write_text(json_format.MessageToJson(found.policy, indent=2) + "\n", encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise CommandError(f"{file} can't be written: {error.strerror}") from None
    if as_json:
        output.print_json({**found.to_json(), "file": str(file)})
        return
    _tell(found, file, folder)


def _check_writable(folder: Path) -> None:
    """Raises CommandError where the policy could not be written: better before the minutes of work than after."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise CommandError(f"{folder} can't be written: name another file with --out")


def _tell(found: Calibration, file: Path, folder: Path) -> None:
    from cli import output

    was, now = found.before, found.after
    output.table(
        (f"on {now.n} cases kept aside", "default", "calibrated"),
        [
            ("AUROC, source present or removed", f"{was.auroc:.3f}", f"{now.auroc:.3f}"),
            ("AUROC, against unrelated questions", f"{was.auroc_unrelated:.3f}", f"{now.auroc_unrelated:.3f}"),
            ("answered of the answerable", f"{was.answered:.1%}", f"{now.answered:.1%}"),
            ("answered with the source removed", f"{was.wrongly_removed:.1%}", f"{now.wrongly_removed:.1%}"),
            ("answered of the unrelated", f"{was.wrongly_unrelated:.1%}", f"{now.wrongly_unrelated:.1%}"),
        ],
        empty="",
    )
    if not found.kept:
        output.say("The targets could not be kept: the strictest threshold that is allowed was taken.")
    base = found.policy.knowledge_base
    if file.absolute().parent == folder.absolute():
        output.say(f"Wrote {file}. It is in force for {base} within seconds.")
    else:
        output.say(
            f"Wrote {file}. It is not in force yet: put it into {folder}, or where the evaluator reads policies."
        )
