"""The comparison at size, in small: stand-ins for the peers on a real server."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.search import compared_at_size
from bench.search.peer_stores import Runner
from bench.search.synthetic import DOCUMENTATION, Synthetic
from db.postgres import PostgresServer
from tests.postgres import own_folder_server

CHUNKS, QUESTIONS = 300, 6
STAND_IN = '''
"""Loads into a table, with indexes if its name says so, and answers by comparing all."""
import asyncio, json, sys
from pathlib import Path
import asyncpg
import numpy as np

name, folder, step = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
given = json.loads((folder / "given.json").read_text())
vectors = np.load(folder / "vectors.npy")
asked = np.load(folder / "query_vectors.npy")[given["warm_up"]:]

async def load():
    conn = await asyncpg.connect(given["url"])
    await conn.execute("CREATE TABLE stood_in (text tsvector, vector vector(384))")
    await conn.executemany("INSERT INTO stood_in VALUES ($1::text::tsvector, $2::text::vector)",
                           [("a", str(each.tolist())) for each in vectors[:20]])
    await conn.execute("CREATE INDEX ON stood_in USING gin (text)")
    if name != "Unindexed":
        await conn.execute("CREATE INDEX ON stood_in USING hnsw (vector vector_cosine_ops)")

async def count():
    conn = await asyncpg.connect(given["url"])
    assert await conn.fetchval("SELECT count(*) FROM stood_in") == 20
    if name == "Broken":
        sys.exit("it broke")

asyncio.run(load() if step == "load" else count())
print(step, flush=True)
ranked = [np.argsort(-(vectors @ each))[: given["top"]].astype(str).tolist() for each in asked]
times = [1.0] * len(asked)
found = {"loaded_s": 1.5} if step == "load" else {"ranked": ranked, "ms": times, "cpu_ms": times}
(folder / "found.json").write_text(json.dumps(found))
'''


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with own_folder_server() as server:
        yield server


def test_all_are_asked_the_same_and_who_fails_takes_none_with_it(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compared_at_size, "PEERS", ("Exact", "Unindexed", "Broken"))
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    runner = Runner(Path(sys.executable), script)
    synthetic = Synthetic(seed=3, sources=DOCUMENTATION[-1:])
    said: list[str] = []

    def compare() -> compared_at_size.Sized:
        return compared_at_size.one_size(server, runner, tmp_path, synthetic, CHUNKS, QUESTIONS, said.append)

    found = compare()
    assert set(found.answers) == {"Exact", "Groundline"}
    assert "Unindexed made no index of its vectors" in found.missing["Unindexed"]
    assert found.missing["Broken"] == "Broken failed: it broke"
    for each in found.answers.values():
        assert len(each.ms) == len(each.cpu_ms) == len(each.ranked) == QUESTIONS
        assert all(0 < len(ranked) <= compared_at_size.TOP for ranked in each.ranked)
    assert found.quality["Exact"].nearest == found.quality["Exact"].source == 1
    assert found.quality["Exact"].best < 1, "who does not read does not find by words"
    assert found.quality["Groundline"].nearest > 0.8 and found.quality["Groundline"].source == 1
    assert found.answers["Exact"].loaded_s == 1.5
    assert said.count("Exact: load") == said.count("Unindexed: load") == 1

    again = compare()
    assert said.count("Exact: load") == 1, "what is loaded is not loaded again"
    assert said.count("Unindexed: load") == 2, "and what is not, is"
    assert again.answers["Exact"].ranked == found.answers["Exact"].ranked
    assert again.quality == found.quality
