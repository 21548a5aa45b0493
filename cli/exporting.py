"""Turns of the running mesh into a question set: read as they stream, written once all of them are there."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from cli.errors import CommandError
from cli.mesh import Mesh, check_knowledge_base
from cli.progress import Progress
from evals.set_building import SetBuilder
from groundline.orchestration.v1 import turn_export_pb2 as pb


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which turns: of a knowledge base, from `since` (None: the first) to before `until`, at most `most`."""

    knowledge_base: str
    since: datetime | None
    until: datetime
    most: int


def check_free(folder: Path) -> None:
    """Raises CommandError where something stands in the folder's place, or in it."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CommandError(f"{folder} is not an empty folder: name another with --out, or clear it", 2)
    except OSError as error:
        raise CommandError(f"{folder} can't be looked into: {error.strerror}", 2) from None


async def export(mesh: Mesh, wanted: Wanted, folder: Path, progress: Progress) -> dict[str, Any]:
    """Writes the set, and returns what is in its META.json. Raises CommandError where no turn is worth a question."""
    builder, exports, turns, token = SetBuilder(), list[str](), 0, ""
    while True:
        request = pb.ExportTurnsRequest(
            knowledge_base=wanted.knowledge_base, max_turns=wanted.most - turns, page_token=token
        )
        request.until.FromDatetime(wanted.until)
        if wanted.since is not None:
            request.since.FromDatetime(wanted.since)
        before = turns
        async for page in mesh.orchestration.ExportTurns(request):
            if page.export_id not in exports:
                exports.append(page.export_id)
            for turn in page.turns:
                builder.add(turn)
            turns += len(page.turns)
            token = page.next_page_token
            progress("turns", turns, 0)
        # A stream ends after an hour at the latest, wherever it is.
        if not token or turns >= wanted.most or turns == before:
            break
    if not builder.queries:
        # It only makes the message say more; where it can't be asked, what was found is still said.
        with contextlib.suppress(grpc.aio.AioRpcError):
            await check_knowledge_base(mesh, wanted.knowledge_base)
        raise CommandError(
            f"none of {turns} turns in {wanted.knowledge_base!r} makes a question: they must be answered, or resolved "
            "by a person; try an earlier --since"
        )
    about = {
        "source": "groundline eval export --redact",
        "knowledge_base": wanted.knowledge_base,
        "since": wanted.since.isoformat() if wanted.since else None,
        "until": wanted.until.isoformat(),
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "export_ids": exports,
        "turns": turns,
        "more": bool(token),
        "redacted": True,
    }
    try:
        builder.write(folder, about)
    except OSError as error:
        raise CommandError(f"{folder} can't be written: {error.strerror}") from None
    return {**about, "folder": str(folder), "counts": builder.summary()}
