"""The peers' side of a comparison: their environment, what they are given, and each as a process that can be ended."""

import asyncio
import json
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.load import LoadError
from bench.search.synthetic import REPOSITORY, Floats
from bench.side_by_side import Say

# As bench/peers/search_stores.py names them.
PEERS = ("LangChain", "LlamaIndex", "Haystack")
REQUIREMENTS = REPOSITORY / "bench/peers/search_requirements.txt"
SCRIPT = REPOSITORY / "bench/peers/search_stores.py"
ENVIRONMENT = REPOSITORY / "build/search-peers"
INSTALL_TIMEOUT_S = 900.0
# What is given, named as the script reads it; and what it finds.
GIVEN, CHUNKS, VECTORS, QUERY_VECTORS = "given.json", "chunks.jsonl", "vectors.npy", "query_vectors.npy"
FOUND = "found.json"


@dataclass(frozen=True, slots=True)
class Runner:
    """What runs a peer: an interpreter and a script."""

    python: Path
    script: Path = SCRIPT


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, question by question: the first `warm_up` are not counted, and none is asked any more when the
    others have taken `most_s` seconds. Each is asked for `top` chunks."""

    queries: Sequence[str]
    vectors: Floats
    warm_up: int
    top: int
    most_s: float


def environment(say: Say) -> Runner:
    """The peers' own interpreter, with what search_requirements.txt pins. Raises LoadError."""
    python, stamp = ENVIRONMENT / "bin/python", ENVIRONMENT / "installed.txt"
    if not stamp.is_file() or stamp.read_bytes() != REQUIREMENTS.read_bytes():
        say("installing the peers")
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
            [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(REQUIREMENTS)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
            if done.returncode:
                raise LoadError(f"the peers could not be installed: {done.stderr.strip()[-300:]}")
        stamp.write_bytes(REQUIREMENTS.read_bytes())
    return Runner(python)


def give_chunks(folder: Path, chunks: Iterator[tuple[str, str]], vectors: Floats) -> None:
    """Writes the chunks' ids and texts, and their vectors in the same order."""
    np.save(folder / VECTORS, vectors)
    with (folder / CHUNKS).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": number, "text": text}) + "\n" for number, text in chunks)


def give_questions(folder: Path, url: str, asked: Asked, *, chunks: int, indexed: bool) -> None:
    """Writes the rest: `url` is the database of the peer that is run next, and `indexed` whether it needs an index for
    its vectors."""
    np.save(folder / QUERY_VECTORS, asked.vectors)
    given = {
        "url": url,
        "top": asked.top,
        "chunks": chunks,
        "dimension": asked.vectors.shape[1],
        "indexed": indexed,
        "warm_up": asked.warm_up,
        "most_s": asked.most_s,
        "queries": list(asked.queries),
    }
    (folder / GIVEN).write_text(json.dumps(given), encoding="utf-8")


async def run_peer(
    runner: Runner, peer: str, folder: Path, steps: Sequence[str], timeout_s: float, say: Say
) -> dict[str, Any]:
    """What a peer found in the folder; each line that it prints is said.

    Raises LoadError with the reason if it fails, or is not done in `timeout_s`; it has ended in any case.
    """
    log = folder / f"{peer}.log"
    (folder / FOUND).unlink(missing_ok=True)
    async with _process(runner, peer, folder, steps, log) as process:
        try:
            async with asyncio.timeout(timeout_s):
                assert process.stdout is not None
                async for line in process.stdout:
                    say(f"{peer}: {line.decode(errors='replace').strip()}")
                code = await process.wait()
        except TimeoutError as error:
            raise LoadError(f"{peer}: {' and '.join(steps)} took longer than {timeout_s:g} s") from error
    if code:
        raise LoadError(f"{peer} failed: {log.read_text(encoding='utf-8', errors='replace').strip()[-500:]}")
    found: dict[str, Any] = json.loads((folder / FOUND).read_text(encoding="utf-8"))
    return found


@asynccontextmanager
async def _process(runner: Runner, peer: str, folder: Path, steps: Sequence[str], log: Path) -> AsyncIterator[Process]:
    command = (str(runner.python), str(runner.script), peer, str(folder), *steps)
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, stdout=PIPE, stderr=errors)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
