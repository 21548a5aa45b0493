"""Bringing files into a knowledge base: finding, sending, waiting until they are searchable."""

from __future__ import annotations

import asyncio
import fnmatch
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from cli.errors import CommandError
from cli.mesh import ASKED_WRONGLY, Mesh, every
from groundline.knowledge.v1 import knowledge_pb2, knowledge_service_pb2
from meshkit.errors import RemoteError, from_rpc_error

MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".txt": "text/plain",
}
# The contract's bound on a document.
MAX_BYTES = 700_000
_FRONT_MATTER = re.compile(rb"\A(\xef\xbb\xbf)?---\r?\n.*?^---[ \t]*(\r?\n|\Z)", re.DOTALL | re.MULTILINE)
IGNORE_FILE = ".groundlineignore"
CONCURRENCY = 8
OVERLOAD_TRIES = 8

Progress = Callable[[str, int, int], None]
"""Called with the phase (`sending`, `indexing`), how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to take in. `uri` is its path from the root that was named, with `/`."""

    path: Path
    uri: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that did not come in, and why."""

    uri: str
    reason: str


@dataclass(slots=True)
class Report:
    """What became of the files."""

    changed: list[knowledge_pb2.Document] = field(default_factory=list)
    unchanged: list[knowledge_pb2.Document] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    """The uris of files without a text of their own, such as index pages: nothing is missing without them."""
    failed: list[Failure] = field(default_factory=list)


def find_sources(roots: Sequence[Path], exclude: Sequence[str] = ()) -> list[Source]:
    """The files under `roots`, by uri. Hidden ones, those that match `exclude` and those that a root's
    `.groundlineignore` names are left out; links to folders are not followed.

    Raises CommandError for a root that isn't there, a file of a kind that can't be read, and two files with one uri.
    """
    found: dict[str, Source] = {}
    for root in roots:
        for source in _under(root, exclude):
            other = found.setdefault(source.uri, source)
            if other.path.resolve() != source.path.resolve():
                raise CommandError(
                    f"{other.path} and {source.path} would both become {source.uri}: ingest their common folder",
                    ASKED_WRONGLY,
                )
    return [found[uri] for uri in sorted(found)]


def _under(root: Path, exclude: Sequence[str]) -> Iterator[Source]:
    if root.is_file():
        kind = MEDIA_TYPES.get(root.suffix.lower())
        if kind is None:
            raise CommandError(f"{root} is none of {', '.join(MEDIA_TYPES)}", ASKED_WRONGLY)
        yield Source(root, root.name, kind)
        return
    if not root.is_dir():
        raise CommandError(f"{root} is not there", ASKED_WRONGLY)
    patterns = [*exclude, *_ignored(root)]
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            uri = path.relative_to(root).as_posix()
            kind = MEDIA_TYPES.get(path.suffix.lower())
            if kind is None or name.startswith(".") or any(fnmatch.fnmatchcase(uri, each) for each in patterns):
                continue
            yield Source(path, uri, kind)


def _ignored(root: Path) -> list[str]:
    try:
        lines = (root / IGNORE_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


async def send(
    mesh: Mesh, sources: Sequence[Source], *, knowledge_base: str, acl: Sequence[str], progress: Progress
) -> Report:
    """Sends every file. A file that is refused for what it is goes into the report; any other failure ends it all."""
    report = Report()
    waiting = iter(sources)
    done = 0

    async def work() -> None:
        nonlocal done
        for source in waiting:
            try:
                answer = await _send(mesh, source, knowledge_base, acl)
                (report.changed if answer.changed else report.unchanged).append(answer.document)
            except _Empty:
                report.empty.append(source.uri)
            except _Unfit as unfit:
                report.failed.append(Failure(source.uri, str(unfit)))
            done += 1
            progress("sending", done, len(sources))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(CONCURRENCY, len(sources))):
            group.create_task(work())
    # By name, not by who was answered first.
    report.changed.sort(key=lambda each: each.uri)
    report.unchanged.sort(key=lambda each: each.uri)
    report.failed.sort(key=lambda each: each.uri)
    return report


class _Unfit(Exception):
    """A file that can't become a document."""


class _Empty(Exception):
    """A file with no text."""


async def _send(
    mesh: Mesh, source: Source, knowledge_base: str, acl: Sequence[str]
) -> knowledge_service_pb2.CreateDocumentResponse:
    try:
        content = await asyncio.to_thread(source.path.read_bytes)
    except OSError as error:
        raise _Unfit(error.strerror or type(error).__name__) from None
    if not _FRONT_MATTER.sub(b"", content).strip():
        raise _Empty
    if len(content) > MAX_BYTES:
        raise _Unfit(f"{len(content):,} bytes, at most {MAX_BYTES:,}")
    request = knowledge_service_pb2.CreateDocumentRequest(
        knowledge_base=knowledge_base, uri=source.uri, media_type=source.media_type, content=content, acl=acl
    )
    for attempt in range(1, OVERLOAD_TRIES + 1):
        try:
            answer: knowledge_service_pb2.CreateDocumentResponse = await mesh.knowledge.CreateDocument(request)
            return answer
        except grpc.aio.AioRpcError as error:
            told = from_rpc_error(error)
            if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                raise _Unfit(_why(told)) from None
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or attempt == OVERLOAD_TRIES:
                raise
            # The server says when to come again.
            await asyncio.sleep(told.retry_after_s or min(0.25 * 2**attempt, 5.0))
    raise AssertionError("the last attempt returns or raises")


def _why(told: RemoteError) -> str:
    if told.violations:
        return "; ".join(f"{each.field}: {each.description}" for each in told.violations)
    return told.text or told.reason


async def wait_indexed(
    mesh: Mesh, report: Report, *, knowledge_base: str, timeout_s: float, progress: Progress
) -> None:
    """Waits until nothing of `report` is pending; moves what could not be read to `failed`. Raises CommandError."""
    ours = {each.doc_id: each for each in [*report.changed, *report.unchanged]}
    fresh = {each.doc_id for each in ours.values() if each.state == knowledge_pb2.DOCUMENT_STATE_PENDING}
    deadline, pause = time.monotonic() + timeout_s, 0.1
    while True:
        pending = fresh & {each.doc_id for each in await _in_state(mesh, knowledge_base, "PENDING")} if fresh else set()
        progress("indexing", len(fresh) - len(pending), len(fresh))
        if not pending:
            break
        if time.monotonic() > deadline:
            raise CommandError(
                f"{len(pending)} of {len(ours)} documents are not searchable after {timeout_s:g} s; they will be: "
                "see `groundline document list --state pending` and `groundline dlq list`"
            )
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 1.0)
    for each in await _in_state(mesh, knowledge_base, "FAILED"):
        if each.doc_id in ours:
            report.failed.append(Failure(each.uri, each.error))
            report.changed = [kept for kept in report.changed if kept.doc_id != each.doc_id]
            report.unchanged = [kept for kept in report.unchanged if kept.doc_id != each.doc_id]


async def _in_state(mesh: Mesh, knowledge_base: str, state: str) -> list[knowledge_pb2.Document]:
    request = knowledge_service_pb2.ListDocumentsRequest(
        knowledge_base=knowledge_base, state=knowledge_pb2.DocumentState.Value(f"DOCUMENT_STATE_{state}")
    )
    return [each async for each in every(mesh.knowledge.ListDocuments, request, "documents")]
