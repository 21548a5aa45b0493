"""`python -m evals.followups`: how near the rules' standalone query comes to the one that a person wrote.

Counted over the turns that have something before them; intervals (95 %) are drawn over whole conversations. Beside the
rules' query stand the turn alone, and all that the customer said, one after the other.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from evals.followups.figures import METHODS, Measured, measured
from evals.followups.topics import read_topics
from evals.metrics import Figure
from evals.sets import DEV, TEST
from meshkit.models.embeddings import open_embedder
from svc_orchestrator.understanding import METHOD


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures, or writes them as JSON."""
    parser = argparse.ArgumentParser(prog="python -m evals.followups", description=__doc__)
    parser.add_argument("--part", choices=(DEV, TEST), default=TEST)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--turns", action="store_true", help="each turn beside what was made of it, no figures")
    options = parser.parse_args(arguments)
    turns = read_topics(part=options.part)
    if options.turns:
        for turn in turns:
            print(f"{turn.turn_id}\t{turn.asked}\n\t{turn.rewritten}\n\t{METHODS['rules'](turn)}")
        return 0
    found = asyncio.run(_measured(options.part))
    if options.json:
        print(json.dumps({"part": options.part, "method": METHOD, **_plain(found)}, indent=1))
    else:
        print("\n".join(_lines(options.part, found)))
    return 0


async def _measured(part: str) -> Measured:
    embedder = await open_embedder()
    try:
        return await measured(read_topics(), part, embedder)
    finally:
        await embedder.close()


def _lines(part: str, found: Measured) -> list[str]:
    lines = [f"{METHOD}, {part}: {found.turns} turns with something before them, of {found.topics} conversations"]
    lines += [f"  {name:34} {_figure(figure)}" for name, figure in found.rules.items()]
    lines.append(f"{'':36} " + " ".join(f"{name:>21}" for name in found.by_method))
    for name in next(iter(found.by_method.values())):
        lines.append(f"  {name:34} " + " ".join(f"{_figure(each[name]):>21}" for each in found.by_method.values()))
    return lines


def _figure(figure: Figure) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})"


def _plain(found: Measured) -> dict[str, Any]:
    def numbers(figures: dict[str, Figure]) -> dict[str, list[float]]:
        return {name: [round(x, 4) for x in (each.value, each.low, each.high)] for name, each in figures.items()}

    return {
        "turns": found.turns,
        "topics": found.topics,
        "rules": numbers(found.rules),
        "by_method": {name: numbers(each) for name, each in found.by_method.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
