"""`python -m evals.conflicts`: how often the gate cries conflict over what agrees, and how often it sees one.

What is seen is counted on conflicts that are made: a sentence, and its copy with another number, version or month, or
with a denial more. They are as alike as sentences of two pages can be, so that this is the most that is seen; what is
said in other words is not in it. Cries are counted on pairs of passages that agree, on copies that are changed without
changing what they say, and on all sentences of a folder of pages that are the same word for word but for numbers.
"""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

from evals import metrics
from evals.conversations import read_knowledge
from evals.sets import SEED, read_set
from groundline.retrieval.v1.evidence_pb2 import EVIDENCE_KIND_DOCUMENT, Evidence
from meshkit.text.front_matter import read_front_matter
from meshkit.text.quantities import quantities
from meshkit.text.words import words
from svc_evaluator.case import Line, Passage
from svc_evaluator.signals.conflict import disagreements
from svc_evaluator.statements import MONTHS, named_numbers
from svc_evaluator.wording import wording

# Kinds of mined pairs that were taken to state different things.
KINDS = ("number", "negation")
SETS = ("stackfaq", "covidfaq", "squad2", "clapnq")
_LEAST_CHARS = 25
_VERB = re.compile(r"\b(?:is|are|can|will|must|should|does|has|have|was|were)\b(?! (?:not|no|never)\b)")
_SPELLED = {"2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight", "10": "ten"}
_CONTRACTED = {"does not": "doesn't", "is not": "isn't", "are not": "aren't", "do not": "don't", "cannot": "can not"}


def measure(folder: Path, texts: Iterable[str] = ()) -> dict[str, Any]:
    """The rate of false alarms over `same.jsonl`, what is seen of `conflicts.jsonl` by kind, and of copies made of the
    sentences of `same.jsonl` and of `texts`, by kind."""
    same = list(_rows(folder / "same.jsonl"))
    alarms = [float(_disagree(row["a"], row["b"])) for row in same]
    found: dict[str, Any] = {"pairs": len(alarms), "false_alarms": int(sum(alarms)), "rate": metrics.mean(alarms)}
    mined = list(_rows(folder / "conflicts.jsonl"))
    for kind in KINDS:
        seen = [_disagree(row["a"], row["b"]) for row in mined if row.get("kind") == kind]
        found[f"mined_{kind}"] = {"pairs": len(seen), "seen": sum(seen)}
    texts = [*(row["a"] for row in same), *texts]
    return found | {"made": made(texts), "made_before": made(texts, word_for_word=False)}


def made(texts: Iterable[str], *, word_for_word: bool = True) -> dict[str, dict[str, Any]]:
    """Of copies made of the sentences of `texts`, by kind: how many there are, and how many are seen as conflicts. The
    same texts give the same copies."""
    draw, of, seen = Random(SEED), Counter[str](), Counter[str]()
    for sentence in sorted(_sentences(texts)):
        for kind, copy in _copies(sentence, draw):
            of[kind] += 1
            seen[kind] += _disagree(sentence, copy, word_for_word=word_for_word)
    return {
        kind: {"copies": count, "seen": seen[kind], "share": metrics.share(seen[kind], count)}
        for kind, count in sorted(of.items())
    }


def alike(pages: Iterable[Passage], *, word_for_word: bool) -> tuple[int, int]:
    """How many sentences the pages hold, and over how many pairs of them on two pages, which are the same but for
    numbers and denials, conflict is cried."""
    holders: dict[tuple[str, ...], dict[str, tuple[Passage, Line]]] = defaultdict(dict)
    count = 0
    for page in pages:
        for line in page.lines:
            count += 1
            # The first of its wording on a page: the others repeat it.
            holders[wording(line.text).words].setdefault(page.evidence.doc_id, (page, line))
    cried = 0
    for held in holders.values():
        for (one, line), (other, other_line) in combinations(held.values(), 2):
            if line.text != other_line.text:
                pairs = disagreements(_only(one, line), _only(other, other_line), word_for_word=word_for_word)
                cried += any(True for _ in pairs)
    return count, cried


def _only(page: Passage, line: Line) -> Passage:
    """The page with no other line."""
    alone = Passage(page.evidence, page.rank)
    alone.lines = [line]
    return alone


def _copies(sentence: str, draw: Random) -> Iterator[tuple[str, str]]:
    """Kinds and copies: changed in what is said, or (`harmless …`) only in how."""
    found = words(sentence)
    numbers = {each.start: each for each in quantities(sentence)}
    for named in named_numbers(sentence, found, numbers).values():
        del numbers[named.start]
    written = [each for each in numbers.values() if sentence[each.start : each.end].replace(".", "").isdigit()]
    versions = [each for each in written if "." in each.value]
    whole = [each for each in written if each.value.isdigit()]
    if whole:
        one = draw.choice(whole)
        number = str(int(one.value) + draw.randint(1, max(2, int(one.value))))
        yield "number", sentence[: one.start] + number + sentence[one.end :]
        if one.value in _SPELLED and sentence[one.start - 1 : one.start] == " ":
            yield "harmless: number spelled", sentence[: one.start] + _SPELLED[one.value] + sentence[one.end :]
    if versions:
        one = draw.choice(versions)
        major, _, minor = one.value.partition(".")
        second, point, rest = minor.partition(".")
        changed = f"{major}.{int(second) + draw.randint(1, 4)}{point}{rest}"
        yield "version", sentence[: one.start] + changed + sentence[one.end :]
    months = [each for each in found if each.text.lower() in MONTHS]
    if months:
        month = draw.choice(months)
        other = draw.choice(sorted(MONTHS - {month.text.lower()})).capitalize()
        yield "month", sentence[: month.start] + other + sentence[month.end :]
    verbs = list(_VERB.finditer(sentence))
    if verbs:
        verb = draw.choice(verbs)
        yield "denial", f"{sentence[: verb.end()]} not{sentence[verb.end() :]}"
    for plain, contracted in _CONTRACTED.items():
        if plain in sentence:
            yield "harmless: contraction", sentence.replace(plain, contracted, 1)
            break
    yield "harmless: emphasised", f"**{sentence}**"


def _sentences(texts: Iterable[str]) -> set[str]:
    """Prose only: headings and code state nothing, and rows are read under their columns."""
    return {
        line.text
        for text in texts
        for line in _passage("a", text).lines
        if line.stated and not line.row and len(line.text) >= _LEAST_CHARS
    }


def _disagree(one: str, other: str, *, word_for_word: bool = True) -> bool:
    return any(True for _ in disagreements(_passage("a", one), _passage("b", other), word_for_word=word_for_word))


def _passage(name: str, text: str, title: str = "") -> Passage:
    evidence = Evidence(chunk_id=name, doc_id=name, title=title, text=text, score=1.0, kind=EVIDENCE_KIND_DOCUMENT)
    return Passage(evidence, 0)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.exists():
        yield from (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip())


def pages(folder: Path) -> list[Passage]:
    """The pages of a set, or the documents below a folder."""
    if (folder / "corpus.jsonl").is_file():
        return [_passage(each.doc_id, each.text, each.title) for each in read_set(folder).documents]
    found = []
    for each in read_knowledge(folder):
        properties, text = read_front_matter(each.content.decode(), each.media_type)
        found.append(_passage(each.uri, text, properties.title))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was counted."""
    repository = Path(__file__).resolve().parent.parent
    data = repository.parent / "shared" / "data"
    parser = argparse.ArgumentParser(prog="python -m evals.conflicts", description=__doc__)
    parser.add_argument("--pairs", type=Path, default=data / "evals" / "etcd_versions")
    samples = repository / "samples" / "knowledge"
    folders = [samples, *(data / "evals" / name for name in SETS), data / "etcd-docs"]
    parser.add_argument("--pages", type=Path, nargs="*", default=folders)
    options = parser.parse_args(arguments)
    texts = [each.evidence.text for each in pages(samples)]
    found = measure(options.pairs, texts)
    print(f"agreeing pairs: {found['false_alarms']} alarms in {found['pairs']}")
    for kind in KINDS:
        print(f"mined, {kind}: {found[f'mined_{kind}']['seen']} of {found[f'mined_{kind}']['pairs']}")
    for kind, row in found["made"].items():
        before = found["made_before"][kind]["seen"]
        print(f"made, {kind}: {row['seen']} of {row['copies']} ({row['share'].value:.3f}); {before} without the rule")
    for folder in options.pages:
        if not folder.is_dir():
            print(f"SKIPPED {folder.name}: it is not there", file=sys.stderr)
            continue
        found_pages = pages(folder)
        (count, before), (_, now) = (alike(found_pages, word_for_word=each) for each in (False, True))
        print(
            f"{folder.name}: {count} lines, {now} alarms over lines alike but for numbers ({before} without the rule)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
