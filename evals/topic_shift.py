"""`python -m evals.topic_shift`: how often a question that stands alone drags the one before it along.

Any two questions of a set make a conversation that changes its matter: the second must be searched as it was written.
The other side, questions that lean on the one before, is `evals.followups`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from evals.__main__ import REPOSITORY, SETS
from evals.sets import DEV, SEED, TEST, EvalSet, read_set
from svc_orchestrator.understanding import understand


def dragged(eval_set: EvalSet, *, seed: int = SEED) -> float:
    """The share of the set's questions that are not searched as written when another one came before; 0 without any."""
    chance, asked = Random(seed), [" ".join(each.text.split()) for each in eval_set.queries]
    changed = sum(understand([each], [chance.choice(asked)]).standalone_query != each for each in asked)
    return changed / len(asked) if asked else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each set that is there."""
    parser = argparse.ArgumentParser(prog="python -m evals.topic_shift", description=__doc__)
    parser.add_argument("--sets", type=Path, default=REPOSITORY.parent / "shared" / "data" / "evals")
    parser.add_argument("--part", choices=(DEV, TEST, ""), default=TEST)
    options = parser.parse_args(arguments)
    for name in SETS:
        if (options.sets / name / "queries.jsonl").is_file():
            found = read_set(options.sets / name).sampled(0, part=options.part)
            print(f"{name}: {dragged(found):.3f} of {len(found.queries)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
