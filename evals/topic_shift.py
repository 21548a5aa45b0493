"""`python -m evals.topic_shift`: how often a question that stands alone drags the one before it along.

Any two questions of a set make a conversation that changes its matter: the second must be searched as it was written.
With `--found`, what it costs and gains: how well the page of a question is found (MRR by cosine and by BM25, over all
pages) as it is written, after the questions before it about the same page, and after those about another. The other
side, questions that lean on the one before, is `evals.followups`.
"""

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from evals.__main__ import REPOSITORY, SETS
from evals.followups.figures import embedded
from evals.followups.finding import bm25, places
from evals.sets import DEV, SEED, TEST, EvalSet, read_set
from meshkit.models.embeddings import Embedder, open_embedder
from svc_orchestrator.understanding import understand


@dataclass(frozen=True, slots=True)
class Found:
    """How many questions were searched, how many of them not as written, and the MRR of their pages by the vectors and
    by BM25."""

    questions: int
    changed: int
    cosine: float
    bm25: float


def dragged(eval_set: EvalSet, *, seed: int = SEED) -> float:
    """The share of the set's questions that are not searched as written when another one came before; 0 without any."""
    chance, asked = Random(seed), [" ".join(each.text.split()) for each in eval_set.queries]
    changed = sum(understand([each], [chance.choice(asked)]).standalone_query != each for each in asked)
    return changed / len(asked) if asked else 0.0


async def found(eval_set: EvalSet, part: str, embedder: Embedder, *, seed: int = SEED) -> dict[str, Found]:
    """Of the questions of one part whose page was asked about before: as written, after that page's questions, after
    another page's. Empty without such questions."""
    chance, page_of = Random(seed), {query: next(iter(pages), "") for query, pages in eval_set.relevant.items()}
    documents = [each for each in eval_set.documents if not each.copy_of]
    number = {each.doc_id: place for place, each in enumerate(documents)}
    asked: dict[str, list[str]] = defaultdict(list)
    turns: list[tuple[str, list[str]]] = []
    own: list[int] = []
    for query in eval_set.queries:
        page = page_of.get(query.query_id, "")
        if page in number:
            if asked[page] and part in ("", query.part):
                turns.append((" ".join(query.text.split()), list(asked[page])))
                own.append(number[page])
            asked[page].append(query.text)
    if not turns:
        return {}
    pages = [each.text for each in documents]
    vectors = await embedded(pages, embedder)
    histories: dict[str, list[list[str]]] = {
        "as written": [[] for _ in turns],
        "after the same page's": [before for _, before in turns],
        "after another page's": [chance.choice(turns)[1] for _ in turns],
    }
    result = {}
    for name, before in histories.items():
        queries = [understand([turn[0]], each).standalone_query for turn, each in zip(turns, before, strict=True)]
        near = places(await embedded(queries, embedder) @ vectors.T, own)
        ranked = places(bm25(queries, pages), own)
        changed = sum(query != turn[0] for query, turn in zip(queries, turns, strict=True))
        result[name] = Found(len(turns), changed, float(np.mean(1 / near)), float(np.mean(1 / ranked)))
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each set that is there."""
    parser = argparse.ArgumentParser(prog="python -m evals.topic_shift", description=__doc__)
    parser.add_argument("--sets", type=Path, default=REPOSITORY.parent / "shared" / "data" / "evals")
    parser.add_argument("--part", choices=(DEV, TEST, ""), default=TEST)
    parser.add_argument("--found", action="store_true", help="how well the questions' pages are found, too (minutes)")
    options = parser.parse_args(arguments)
    for name in SETS:
        if (options.sets / name / "queries.jsonl").is_file():
            whole = read_set(options.sets / name)
            asked = whole.sampled(0, part=options.part)
            print(f"{name}: {dragged(asked):.3f} of {len(asked.queries)}", flush=True)
            if options.found:
                for when, each in asyncio.run(_found(whole, options.part)).items():
                    print(f"  {when}: {each.changed} of {each.questions} changed, ", end="")
                    print(f"MRR {each.cosine:.3f} by cosine, {each.bm25:.3f} by BM25", flush=True)
    return 0


async def _found(whole: EvalSet, part: str) -> dict[str, Found]:
    embedder = await open_embedder()
    try:
        return await found(whole, part, embedder)
    finally:
        await embedder.close()


if __name__ == "__main__":
    sys.exit(main())
