"""A peer is a process: what it says is said, and how it ends badly is told."""

import sys
from pathlib import Path

import numpy as np
import pytest

from bench.load import LoadError
from bench.search.peer_stores import Asked, Runner, give_chunks, give_questions, run_peer

ECHO = """
import json, sys
from pathlib import Path
folder = Path(sys.argv[2])
given = json.loads((folder / "given.json").read_text())
lines = (folder / "chunks.jsonl").read_text().splitlines()
print("loading: 0 of", given["chunks"], flush=True)
(folder / "found.json").write_text(json.dumps({"given": given, "first": json.loads(lines[0]), "steps": sys.argv[3:]}))
"""
FAIL = "import sys; sys.exit('the reason')"
HANG = "import time; print('here', flush=True); time.sleep(600)"


def runner(folder: Path, text: str) -> Runner:
    script = folder / "script.py"
    script.write_text(text)
    return Runner(Path(sys.executable), script)


def give(folder: Path) -> None:
    vectors = np.eye(3, 4, dtype=np.float32)
    give_chunks(folder, ((str(each), f'text "{each}"\n') for each in range(3)), vectors)
    asked = Asked(["how?", "why?"], vectors[:2], warm_up=1, top=20, most_s=2.5)
    give_questions(folder, "postgresql://somewhere", asked, chunks=3, indexed=True)


async def test_a_peer_reads_what_is_given_and_says_how_far_it_is(tmp_path: Path) -> None:
    give(tmp_path)
    said: list[str] = []
    found = await run_peer(runner(tmp_path, ECHO), "Echo", tmp_path, ("load", "ask"), 60, said.append)
    assert said == ["Echo: loading: 0 of 3"]
    assert found["steps"] == ["load", "ask"] and found["first"] == {"id": "0", "text": 'text "0"\n'}
    given = found["given"]
    assert (given["queries"], given["top"], given["dimension"], given["most_s"]) == (["how?", "why?"], 20, 4, 2.5)
    assert np.array_equal(np.load(tmp_path / "vectors.npy"), np.eye(3, 4))


async def test_a_peer_that_fails_or_hangs_is_told_and_gone(tmp_path: Path) -> None:
    give(tmp_path)
    with pytest.raises(LoadError, match="Broken failed: the reason"):
        await run_peer(runner(tmp_path, FAIL), "Broken", tmp_path, ("load",), 60, lambda _: None)
    said: list[str] = []
    with pytest.raises(LoadError, match=r"Slow: ask took longer than 2 s"):
        await run_peer(runner(tmp_path, HANG), "Slow", tmp_path, ("ask",), 2, said.append)
    assert said == ["Slow: here"]
