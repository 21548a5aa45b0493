"""`groundline gate calibrate` against the running mesh, over the samples."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import build
from cli.errors import CommandError
from groundline.knowledge.v1 import knowledge_service_pb2 as knowledge
from svc_evaluator.policy_files import SHIPPED, Policies, read_policy

from ..stack import Live


@pytest.fixture(autouse=True)
def home(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDLINE_HOME", str(live.stack.home.path))
    for name in ("GROUNDLINE_EDGE", "GROUNDLINE_SIGNING_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_policy_is_written_that_the_gate_goes_by(live: Live, tmp_path: Path) -> None:
    file = tmp_path / "policies" / "own.json"
    result = CliRunner().invoke(build(), ["gate", "calibrate", "--questions", "60", "--out", str(file), "--json"])
    assert result.exit_code == 0, result.exception
    told = json.loads(result.stdout)
    assert told["counts"]["source_present"] >= 40
    assert told["counts"]["source_removed"] == told["counts"]["questions"] == 60
    held_out = told["held_out"]["calibrated"]
    assert held_out["auroc"] > 0.7
    assert held_out["auroc_unrelated"] > 0.9
    assert held_out["wrongly_unrelated"] <= 0.05
    made = read_policy(file)
    assert (made.version, made.knowledge_base) == (told["version"], "default")
    at_hand = Policies.from_folders(SHIPPED, file.parent)
    assert at_hand.get(knowledge_base="default") == made
    assert at_hand.get(knowledge_base="others").knowledge_base == ""


def test_too_few_documents_are_refused(live: Live, tmp_path: Path) -> None:
    async def make() -> None:
        async with live.mesh(live.token("admin")) as mesh:
            await mesh.knowledge.CreateKnowledgeBase(knowledge.CreateKnowledgeBaseRequest(name="tiny-to-calibrate"))

    asyncio.run(make())
    file = tmp_path / "own.json"
    result = CliRunner().invoke(build(), ["gate", "calibrate", "-k", "tiny-to-calibrate", "--out", str(file)])
    assert isinstance(result.exception, CommandError)
    assert "20 are needed" in str(result.exception)
    assert not file.exists()


@pytest.mark.parametrize(
    "command", [("gate", "calibrate"), ("reindex", "--status"), ("eval", "export", "--out", "nowhere")]
)
def test_a_knowledge_base_that_is_not_there_is_said_with_those_that_are(
    command: tuple[str, ...], live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(build(), [*command, "-k", "nope", "--edge", live.stack.edge_target])
    assert isinstance(ran.exception, CommandError)
    assert str(ran.exception).startswith("there is no knowledge base 'nope'; there are: ")
    assert "default" in str(ran.exception)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said_before_the_work(live: Live, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "policy.json"
    ran = CliRunner().invoke(build(), ["gate", "calibrate", "--out", str(out), "--edge", "127.0.0.1:9"])
    assert isinstance(ran.exception, CommandError)
    assert "can't be written" in str(ran.exception)
