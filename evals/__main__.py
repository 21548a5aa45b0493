"""`python -m evals`: every set at hand and the samples, as a report (HTML and Markdown) and a JSON file."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evals import comparison, conflicts
from evals.conversations import converse, read_knowledge, read_questions, tally
from evals.desk import open_desk
from evals.measuring import measure
from evals.page import to_html, to_markdown
from evals.report import TITLE, blocks
from evals.sets import SEED, TEST, EvalSet, SetUnusable, read_set
from evals.summary import plain, summary
from evals.turns import Turns

REPOSITORY = Path(__file__).resolve().parent.parent
BASELINE = REPOSITORY / "evals" / "baseline.json"
SETS = ("stackfaq", "covidfaq", "squad2", "clapnq", "begin")
CONFLICTS = "etcd_versions"
SAMPLE = 800


def main(arguments: Sequence[str] | None = None) -> int:
    """0: measured; 1: a set can't be read."""
    options = _parser().parse_args(arguments)
    try:
        found = asyncio.run(_measure(options))
    except SetUnusable as error:
        print(f"evals: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "quality.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    said = blocks(found, comparison.read(BASELINE))
    report = to_markdown(TITLE, said)
    (options.out / "quality.md").write_text(report, encoding="utf-8")
    (options.out / "quality.html").write_text(to_html(TITLE, said), encoding="utf-8")
    if options.keep_baseline:
        BASELINE.write_text(json.dumps(comparison.kept(found), indent=1) + "\n", encoding="utf-8")
    print(report)
    return 0


async def _measure(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {
        "part": options.part,
        "sample": options.sample,
        "sets": [],
        "skipped": [],
        "config": {"seed": SEED},
    }
    for name in options.only or SETS:
        folder = options.sets / name
        if not folder.is_dir():
            _say(f"SKIPPED {name}: {folder} is not there")
            found["skipped"].append(name)
            continue
        measured = await _measure_set(read_set(folder).sampled(options.sample, part=options.part))
        found["sets"].append(measured)
        found["config"].update(measured["config"])
    if not options.only:
        found["samples"] = await _measure_samples(REPOSITORY / "samples")
        if (options.sets / CONFLICTS).is_dir():
            texts = [each.evidence.text for each in conflicts.pages(REPOSITORY / "samples" / "knowledge")]
            found["conflicts"] = plain(conflicts.measure(options.sets / CONFLICTS, texts))
        else:
            _say(f"SKIPPED {CONFLICTS}: {options.sets / CONFLICTS} is not there")
            found["skipped"].append(CONFLICTS)
    return found


async def _measure_set(eval_set: EvalSet) -> dict[str, Any]:
    started = time.monotonic()
    async with open_desk() as desk:
        found = summary(await measure(desk, eval_set, _quiet))
    _say(f"{eval_set.name}: {time.monotonic() - started:.0f} s")
    return found


async def _measure_samples(folder: Path) -> dict[str, Any]:
    async with open_desk() as desk:
        await desk.ingest(read_knowledge(folder / "knowledge"), _quiet)
        outcomes = await converse(Turns(desk), read_questions(folder / "questions.jsonl"), _quiet)
    found: dict[str, Any] = plain(tally(outcomes))
    return found


def _quiet(_phase: str, _done: int, _total: int) -> None: ...


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals", description=__doc__)
    parser.add_argument("--sets", type=Path, default=REPOSITORY.parent / "shared" / "data" / "evals")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "evals")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="most questions of a set; 0: all")
    parser.add_argument("--part", choices=("dev", TEST, ""), default=TEST, help="which half is reported")
    parser.add_argument("--only", nargs="*", help="only these sets, and nothing else")
    parser.add_argument(
        "--keep-baseline", action="store_true", help="store this run in evals/baseline.json, to compare later ones with"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
