"""Every command: help with examples, and what goes wrong before the mesh is asked."""

import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
import typer
from typer.testing import CliRunner

import cli.commands
from cli.app import build, unwrapped
from cli.asking import Outcome
from cli.commands.ask import _outcome
from cli.commands.stack import _shown
from cli.commands.token import parse_ttl
from cli.errors import CommandError
from cli.mesh import edge_target, explain
from groundline.conversation.v1 import conversation_pb2 as pb
from meshkit import testing


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    inner: dict[str, Any] | None = getattr(group, "commands", None)
    if inner is None:
        yield path
        return
    for name, command in inner.items():
        yield from commands(command, (*path, name))


ALL = list(commands(typer.main.get_command(build())))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GROUNDLINE_HOME", str(tmp_path))
    for name in ("GROUNDLINE_EDGE", "GROUNDLINE_SIGNING_KEY_FILE", "GROUNDLINE_SUBJECT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_walk_found_them_all() -> None:
    modules = {found.name for found in pkgutil.iter_modules(cli.commands.__path__)}
    assert modules - {path[0] for path in ALL} == {
        "database",
        "stack",
    }  # They are called otherwise: db, and up to logs.
    assert len(ALL) >= 40


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_has_an_example(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(build(), [*path, "--help"])
    assert shown.exit_code == 0
    assert f"groundline {' '.join(path)}" in shown.output


@pytest.mark.parametrize(("command", "words"), [("reindex", "The workers"), ("eval", "Reads corpus")])
def test_a_help_fills_the_terminal_and_keeps_its_examples(command: str, words: str) -> None:
    assert unwrapped("Says one\nthing.\n\nExamples:\n  a b\n  c d\n\nMore\nof it.") == (
        "Says one thing.\n\nExamples:\n  a b\n  c d\n\nMore of it."
    )
    shown = CliRunner().invoke(build(), [command, "--help"], env={"TERMINAL_WIDTH": "72"})
    lines = [line.strip() for line in shown.output.partition("Examples:")[0].splitlines()]
    start = next(at for at, line in enumerate(lines) if line.startswith(words))
    paragraph = lines[start : lines.index("", start)]
    assert len(paragraph) > 2 and all(len(line) > 50 for line in paragraph[:-1])


def test_an_empty_question_is_not_asked() -> None:
    result = CliRunner().invoke(build(), ["ask", "  "])
    assert isinstance(result.exception, CommandError)
    assert (str(result.exception), result.exception.exit_code) == ("the question is empty", 2)


def test_who_is_asked_back_has_no_answer_yet() -> None:
    reply = pb.Message(role=pb.MESSAGE_ROLE_SYSTEM, kind=pb.MESSAGE_KIND_CLARIFYING_QUESTION)
    told = [
        _outcome(Outcome(pb.Session(), "m", reply, answered=True)),
        _outcome(Outcome(pb.Session(), "m", pb.Message(role=pb.MESSAGE_ROLE_ASSISTANT), answered=True)),
        _outcome(Outcome(pb.Session(), "m", reply, answered=False)),
    ]
    assert told == ["asked_back", "answered", "handed_over"]


def test_a_folder_is_told_without_a_detour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert _shown(tmp_path / "there") == str(tmp_path / "there")
    assert _shown(tmp_path / "here" / ".groundline") == ".groundline"


def test_without_a_key_one_line_says_what_to_do() -> None:
    result = CliRunner().invoke(build(), ["ticket", "list"])
    assert isinstance(result.exception, CommandError)
    assert "make up" in str(result.exception)
    assert "\n" not in str(result.exception)


def test_the_edge_is_where_it_was_said_to_be(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert edge_target() == "127.0.0.1:8080"
    (home / "stack.json").write_text(json.dumps({"edge": 9080, "admin": 9901, "base": 50050}))
    assert edge_target() == "127.0.0.1:9080"
    monkeypatch.setenv("GROUNDLINE_EDGE", "http://edge.example:80/")
    assert edge_target() == "edge.example:80"
    assert edge_target("localhost:1") == "localhost:1"
    for wrong in ("https://edge.example", "edge.example", "edge.example:80/path"):
        with pytest.raises(CommandError, match="host:port"):
            edge_target(wrong)


def test_a_token_is_what_was_asked_for(home: Path) -> None:
    keys = testing.Keys.create(home / "keys")
    result = CliRunner().invoke(
        build(),
        ["token", "--role", "agent", "--subject", "ada", "--groups", "group:a,group:b", "--ttl", "2h", "--json"],
    )
    minted = json.loads(result.stdout)
    claims = jwt.decode(minted["token"], options={"verify_signature": False})
    assert (claims["role"], claims["sub"], claims["groups"]) == ("agent", "ada", ["group:a", "group:b"])
    assert claims["exp"] - claims["iat"] == minted["ttl_s"] == 7200
    assert keys.jwks_file.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--role", "king"],
        ["--role", "customer"],
        ["--role", "agent", "--session", "x"],
        ["--role", "agent", "--ttl", "soon"],
        ["--role", "agent", "--ttl", "31d"],
        ["--role", "agent", "--ttl", "0"],
    ],
)
def test_a_token_that_can_not_be(home: Path, arguments: list[str]) -> None:
    testing.Keys.create(home / "keys")
    result = CliRunner().invoke(build(), ["token", *arguments])
    assert isinstance(result.exception, CommandError)
    assert result.exception.exit_code == 2


def test_times() -> None:
    assert [parse_ttl(each) for each in ("90", "90s", "30m", "8h", "7d")] == [90, 90, 1800, 28800, 604800]


@pytest.mark.parametrize(
    ("code", "words", "exit_code"),
    [
        (grpc.StatusCode.UNAVAILABLE, "make up", 1),
        (grpc.StatusCode.UNAUTHENTICATED, "GROUNDLINE_HOME", 1),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "groundline status", 1),
        (grpc.StatusCode.INVALID_ARGUMENT, "no such thing", 2),
        (grpc.StatusCode.NOT_FOUND, "no such thing", 1),
    ],
)
def test_a_refusal_says_what_to_do(code: grpc.StatusCode, words: str, exit_code: int) -> None:
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "no such thing")
    told = explain(error, "127.0.0.1:8080")
    assert words in str(told)
    assert told.exit_code == exit_code
