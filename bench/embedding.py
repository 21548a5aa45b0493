"""Texts a second: the embedder that serves against bare onnxruntime, and what the event loop notices of it.

`package` is onnxruntime alone on the package's own graph, `fused` the same on the graph that serves; both on one
thread, with their tokens made beforehand. `embedder` is what the services call: tokenising, pooling, its queue and the
way into another thread and back are in its figure.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import onnxruntime

from bench.figures import Spread, quantile, ratios
from bench.report import Table, spread_text
from bench.side_by_side import Plan, Say
from meshkit.models import minilm
from meshkit.models.onnx_embedder import OnnxEmbedder, load_minilm
from meshkit.models.onnx_encoder import Encoder

NAME = "embedding"
SUBJECTS = ("package", "fused", "embedder")
# Tokens of a question and of a passage.
LENGTHS = (20, 200)
PASSAGES = 1_000
# How often the event loop is asked whether it is awake, and a question is asked, while passages are embedded.
_TICK_S, _QUESTION_EVERY_S = 0.005, 0.25
_LEAST_OF_BARE, _LEAST_OF_PACKAGE, _MOST_LAG_MS = 0.9, 2.0, 20.0


def run(plan: Plan, say: Say) -> Table:
    """Measures in turns, `plan.rounds` rounds of `plan.duration_s` seconds a subject and length."""
    say("loading the model")
    fused, package = load_minilm(), load_minilm(plain=True)
    found: dict[int, dict[str, list[float]]] = {}
    for length in LENGTHS:
        texts = _texts(length, 64, plan.seed)
        bare = {"package": _bare(package, texts), "fused": _bare(fused, texts)}
        found[length] = {name: [] for name in SUBJECTS}
        for turn in range(plan.rounds):
            for name in SUBJECTS if turn % 2 == 0 else SUBJECTS[::-1]:
                say(f"{name}: texts of {length} tokens, round {turn + 1} of {plan.rounds}")
                seconds = plan.duration_s / 2
                rate = _rate(bare[name], seconds) if name in bare else asyncio.run(_served(fused, texts, seconds))
                found[length][name].append(rate)
    say(f"{PASSAGES} passages beside an event loop and questions")
    quiet, busy, lags, took_s = asyncio.run(_beside(fused, plan.seed))
    return _table(found, quiet, busy, lags, took_s)


def _texts(tokens: int, count: int, seed: int) -> list[str]:
    """Words that are one token each."""
    words = [word for word in minilm.vocabulary() if word.isascii() and word.isalpha() and len(word) > 2]
    choice = random.Random(f"{seed} {tokens}")
    # [CLS] and [SEP] are two of them.
    return [" ".join(choice.choices(words, k=tokens - 2)) for _ in range(count)]


def _bare(encoder: Encoder, texts: Sequence[str]) -> Callable[[], int]:
    """One pass over the texts by onnxruntime alone; gives their number."""
    session: onnxruntime.InferenceSession = encoder.session
    feeds = []
    for text in texts:
        ids = encoder.tokenizer.encode(text).ids
        known = {"input_ids": ids, "attention_mask": [1] * len(ids)}
        feeds.append(
            {
                each.name: np.array(
                    [known.get(each.name, [0] * len(ids))], np.int32 if "int32" in each.type else np.int64
                )
                for each in session.get_inputs()
            }
        )

    def once() -> int:
        for feed in feeds:
            session.run(None, feed)
        return len(feeds)

    return once


def _rate(once: Callable[[], int], seconds: float) -> float:
    once()
    done, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < seconds:
        done += once()
    return done / took


async def _served(encoder: Encoder, texts: Sequence[str], seconds: float) -> float:
    embedder = OnnxEmbedder(encoder)
    try:
        await embedder.embed(texts)
        done, started = 0, time.perf_counter()
        while (took := time.perf_counter() - started) < seconds:
            done += len(await embedder.embed(texts))
        return done / took
    finally:
        await embedder.close()


async def _beside(encoder: Encoder, seed: int) -> tuple[list[float], list[float], list[float], float]:
    """Seconds that a question took alone, and beside the passages; how late the event loop woke; the passages' time."""
    embedder = OnnxEmbedder(encoder)
    questions = _texts(LENGTHS[0], 64, seed)
    try:
        await embedder.warm()
        quiet = [await _timed(embedder.embed([each])) for each in questions]
        started = time.perf_counter()
        passages = asyncio.ensure_future(embedder.embed(_texts(LENGTHS[1], PASSAGES, seed)))
        lags, busy = await asyncio.gather(_lags(passages), _asked(embedder, questions, passages))
        await passages
        return quiet, busy, lags, time.perf_counter() - started
    finally:
        await embedder.close()


async def _lags(work: "asyncio.Future[Any]") -> list[float]:
    found: list[float] = []
    while not work.done():
        found.append(max(0.0, await _timed(asyncio.sleep(_TICK_S)) - _TICK_S))
    return found


async def _asked(embedder: OnnxEmbedder, questions: Sequence[str], work: "asyncio.Future[Any]") -> list[float]:
    found: list[float] = []
    while not work.done():
        found.append(await _timed(embedder.embed([questions[len(found) % len(questions)]])))
        await asyncio.sleep(_QUESTION_EVERY_S)
    return found


async def _timed(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


def _table(
    found: dict[int, dict[str, list[float]]],
    quiet: Sequence[float],
    busy: Sequence[float],
    lags: Sequence[float],
    took_s: float,
) -> Table:
    rows, goals = [], []
    data: dict[str, Any] = {}
    for length, rates in found.items():
        of_bare, of_package = ratios(rates["embedder"], rates["fused"]), ratios(rates["embedder"], rates["package"])
        rows.append(
            [
                f"texts/s, {length} tokens",
                *(f"{Spread.of(rates[name]).median:.0f}" for name in SUBJECTS),
                spread_text(of_bare),
                spread_text(of_package),
            ]
        )
        goals += [
            (
                f"{length} tokens: at least {_LEAST_OF_BARE} of onnxruntime on the same graph: {of_bare.median:.2f}",
                of_bare.median >= _LEAST_OF_BARE,
            ),
            (
                f"{length} tokens: at least {_LEAST_OF_PACKAGE:g} times the package's graph: {of_package.median:.2f}",
                of_package.median >= _LEAST_OF_PACKAGE,
            ),
        ]
        data[str(length)] = {**rates, "of_bare": asdict(of_bare), "of_package": asdict(of_package)}
    lag_ms = quantile(lags, 0.99) * 1e3
    goals.append((f"the event loop at most {_MOST_LAG_MS:g} ms late (p99): {lag_ms:.2f} ms", lag_ms <= _MOST_LAG_MS))
    notes = [
        f"{PASSAGES:,} passages of {LENGTHS[1]} tokens in {took_s:.1f} s on one thread. Meanwhile the event loop woke "
        f"{quantile(lags, 0.5) * 1e3:.2f} ms late in the median, {lag_ms:.2f} ms at p99, "
        f"{max(lags) * 1e3:.2f} ms at most.",
        f"A question of {LENGTHS[0]} tokens took {quantile(quiet, 0.5) * 1e3:.1f} ms alone, beside the passages "
        f"{quantile(busy, 0.5) * 1e3:.0f} ms in the median and {quantile(busy, 0.95) * 1e3:.0f} ms at p95: it waits "
        "for the texts that the thread has in hand, never for the queue.",
    ]
    beside = {"lag_p99_s": lag_ms / 1e3, "lag_max_s": max(lags, default=math.nan), "passages_s": took_s}
    data["beside"] = {**beside, "question_alone_s": list(quiet), "question_beside_s": list(busy)}
    columns = ["figure", *SUBJECTS, "embedder to fused: median (min – max)", "embedder to package"]
    return Table(NAME, "Embedding on one thread", columns, rows, notes, goals, data)
