"""Takes single guards out of a process under test, so that the suite can show that it would notice.

Found by every Python process of the suite's stack through PYTHONPATH; does nothing but where a file of the folder
GROUNDLINE_SABOTAGE bears the name of one of the functions below. The product itself has no such switch.
"""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any


def fence_off(store: Any) -> None:
    """Whoever had a session's lease once may go on and commit, whoever has it by now."""

    async def held(*_: object, **__: object) -> bool:
        return True

    store.hold_lease = store.renew_lease = held


def reply_by_comment_off(store: Any) -> None:
    """An agent's comment is not remembered as the origin of its message."""
    append = store.append_message

    async def unknown(*_: object) -> None:
        return None

    async def forgetful(conn: Any, session_id: Any, message: Any, **given: Any) -> Any:
        fields = {name: getattr(message, name) for name in message.__slots__} | {"source_comment_id": None}
        return await append(conn, session_id, type(message)(**fields), **given)

    store.message_by_comment, store.append_message = unknown, forgetful


def ticket_by_key_off(store: Any) -> None:
    """A ticket is made for each request, however often it comes. (The suite drops the index that stands behind it.)"""
    insert = store.insert_ticket

    async def keyless(conn: Any, new: Any, request: object) -> Any:
        return await insert(conn, new, None)

    store.insert_ticket = keyless


def done_before_handled(rows: Any) -> None:
    """The relay marks a command done as it claims it: at most once instead of at least once."""
    claim = rows.claim

    async def hasty(conn: Any, free: Any, **given: Any) -> Any:
        claimed = await claim(conn, free, **given)
        for each in claimed:
            await rows.complete(conn, each)
        return claimed

    rows.claim = hasty


GUARDS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "fence_off": ("svc_orchestrator.store", fence_off),
    "reply_by_comment_off": ("svc_orchestrator.store", reply_by_comment_off),
    "ticket_by_key_off": ("svc_ticketing.store", ticket_by_key_off),
    "done_before_handled": ("meshkit.outbox.rows", done_before_handled),
}


class _Saboteur(importlib.abc.MetaPathFinder):
    """Lets a module load as usual, and then takes a guard out of it."""

    def __init__(self, wanted: dict[str, Callable[[Any], None]]) -> None:
        self._wanted = wanted

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        remove = self._wanted.get(name)
        if remove is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_remove(module: ModuleType) -> None:
            load(module)
            remove(module)

        spec.loader.exec_module = load_and_remove  # type: ignore[method-assign]
        return spec


_folder = os.environ.get("GROUNDLINE_SABOTAGE")
if _folder:
    _wanted = {module: remove for name, (module, remove) in GUARDS.items() if (Path(_folder) / name).exists()}
    if _wanted:
        sys.meta_path.insert(0, _Saboteur(_wanted))
