"""Objects by key: raw documents, extracted text, attachments, audit packs. One interface, a driver per scheme."""

import asyncio
import contextlib
import os
import re
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

MAX_KEY_CHARS = 512
_SEGMENT = re.compile(r"[A-Za-z0-9_=@+~,-][A-Za-z0-9._=@+~,-]*")


class ObjectExists(Exception):
    """`put(if_none_match=True)` found an object under the key."""


class ObjectMissing(Exception):
    """There is no object under the key."""


class ObjectStoreUnusable(Exception):
    """The configured store can't be used; the text says what to change."""


class ObjectStore(Protocol):
    """Keys are `/`-separated segments of letters, digits and `._=@+~,-`, none of which starts with a dot.

    Every method raises ValueError for another key.
    """

    async def put(
        self, key: str, data: bytes, *, content_type: str = "application/octet-stream", if_none_match: bool = False
    ) -> None:
        """Stores `data`: afterwards readers see all of it or what was there before. With `if_none_match`, raises
        ObjectExists rather than replace."""

    async def get(self, key: str) -> bytes:
        """Raises ObjectMissing."""

    async def delete(self, key: str) -> None:
        """Deletes; nothing happens if there is no such object."""

    async def exists(self, key: str) -> bool:
        """Whether there is an object under `key`."""


def open_store(url: str) -> ObjectStore:
    """The store that `url` names. Raises ObjectStoreUnusable for a scheme without a driver."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        # file:///srv/objects is absolute; file:state/objects is relative to the working folder.
        if parts.netloc not in ("", "localhost"):
            raise ObjectStoreUnusable(f"{url}: a file URL has three slashes (file:///path) or none (file:path)")
        return FolderStore(Path(unquote(parts.path)))
    raise ObjectStoreUnusable(f"GROUNDLINE_OBJECT_STORE_URL: no driver for {parts.scheme or url!r}; use file:///path")


class FolderStore:
    """A local folder. The content type is not kept: readers know it from what refers to the object."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def put(
        self, key: str, data: bytes, *, content_type: str = "application/octet-stream", if_none_match: bool = False
    ) -> None:
        """Writes beside the target, syncs, then renames (or links, which fails if the name is taken)."""
        await asyncio.to_thread(self._put, self._path(key), data, if_none_match)

    async def get(self, key: str) -> bytes:
        """Reads the whole file."""
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectMissing(key) from None

    async def delete(self, key: str) -> None:
        """Unlinks; emptied folders stay."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            await asyncio.to_thread(os.unlink, self._path(key))

    async def exists(self, key: str) -> bool:
        """Whether the file is there."""
        return await asyncio.to_thread(self._path(key).is_file)

    def _put(self, path: Path, data: bytes, if_none_match: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Segments never start with a dot, so that no key names a draft.
        draft = path.parent / f".{os.getpid()}.{os.urandom(8).hex()}"
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if if_none_match:
                try:
                    os.link(draft, path)
                except FileExistsError:
                    raise ObjectExists(path.name) from None
            else:
                draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        self._sync_folder(path.parent)

    @staticmethod
    def _sync_folder(folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _path(self, key: str) -> Path:
        if not key or len(key) > MAX_KEY_CHARS or not all(_SEGMENT.fullmatch(part) for part in key.split("/")):
            raise ValueError("not an object key")
        path = self._root.joinpath(*key.split("/"))
        # A symbolic link inside the folder must not lead out of it.
        if not path.parent.resolve().is_relative_to(self._root):
            raise ValueError("not an object key")
        return path
