"""This run against the stored one: what moved, and whether by more than chance."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = Mapping[str, Any]

FIGURES = ("ndcg_at_10", "hit_at_1", "hit_at_5", "recall_at_20", "auroc", "refusal_precision", "refusal_recall",
           "over_refusal", "gold_recall")  # fmt: skip
_LESS_IS_BETTER = frozenset({"over_refusal"})
# Of a 95% interval's width, one standard error.
_WIDTHS_A_SIGMA = 3.92


@dataclass(frozen=True, slots=True)
class Moved:
    """A figure then and now. `verdict` is `better`, `worse` or `within noise`."""

    set_name: str
    figure: str
    before: float
    now: float
    verdict: str


def kept(found: Object) -> dict[str, Any]:
    """Of a run, what a later one is compared with."""
    sets = {
        each["set"]: {name: [_value(each, name), *each["ci95"][name]] for name in FIGURES if name in each["ci95"]}
        for each in found["sets"]
    }
    samples = found.get("samples") or {}
    names = ("answered", "refused", "over_refused", "wrongly_answered", "questions")
    return {
        "part": found["part"],
        "sample": found["sample"],
        "config": found["config"],
        "sets": sets,
        "samples": {name: samples[name] for name in names if name in samples},
    }


def read(file: Path) -> dict[str, Any] | None:
    """A run that was kept, if there is one."""
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def compare(before: Object, found: Object) -> Iterator[Moved]:
    """Each figure that both runs have. The questions are the same ones, so that this rather misses a small change than
    cries one: the intervals are taken as if they were of different questions."""
    for name, figures in kept(found)["sets"].items():
        for figure, (now, low, high) in figures.items():
            old = before["sets"].get(name, {}).get(figure)
            if old is None or now is None or old[0] is None:
                continue
            noise = 1.96 * math.hypot((high - low) / _WIDTHS_A_SIGMA, (old[2] - old[1]) / _WIDTHS_A_SIGMA)
            gain = (old[0] - now) if figure in _LESS_IS_BETTER else (now - old[0])
            verdict = "within noise" if abs(gain) <= noise else "better" if gain > 0 else "worse"
            yield Moved(name, figure, old[0], now, verdict)


def _value(measured: Object, name: str) -> float | None:
    value: float | None = measured[name] if name in measured else measured.get("gate", {}).get(name)
    return value
