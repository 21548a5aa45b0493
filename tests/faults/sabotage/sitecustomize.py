"""Takes single guards out of a process under test, so that the suite can show that it would notice.

Found by every Python process of the suite's stack through PYTHONPATH; does nothing but where a file of the folder
GROUNDLINE_SABOTAGE bears the name of one of the functions below. The product itself has no such switch.

It also gives a process the variables that the suite has for it (a proxy in the place of a peer, a clock that is wrong).
"""

import importlib.abc
import importlib.machinery
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any


def _replaced(text: str, guard: str, with_what: str) -> str:
    # A query that was rewritten would leave the guard where it is, and the control would show nothing.
    assert text.count(guard) == 1, f"{guard} is not there once"
    return text.replace(guard, with_what)


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


def cursor_on(rows: Any) -> None:
    """The relay looks only beyond the last id that it has seen, as queues with a cursor do."""
    claim, seen = rows.claim, {}

    async def beyond(conn: Any, free: Any, **given: Any) -> Any:
        found = []
        for each in sorted(await claim(conn, free, **given), key=lambda each: each.outbox_id):
            if each.outbox_id < seen.get(each.type, each.outbox_id):
                await rows.retry(conn, each, error="behind the cursor", after_s=3600)
            else:
                seen[each.type] = each.outbox_id
                found.append(each)
        return found

    rows.claim = beyond


def skip_locked_off(rows: Any) -> None:
    """The relay waits for rows that others have locked."""
    texts = dict(rows._queries)
    texts["claim_outbox"] = _replaced(texts["claim_outbox"], "for update skip locked", "for update")
    rows._queries = type(rows._queries)(texts)


def lease_by_own_clock(rows: Any) -> None:
    """Whether a command's lease has ended is told by the worker's own clock, and by no other."""
    import time

    texts = dict(rows._queries)
    original = texts["claim_outbox"]

    async def claim(conn: Any, free: Any, **given: Any) -> Any:
        here = f"to_timestamp({time.time()})"
        texts["claim_outbox"] = _replaced(original, "lease_expires_at <= now()", f"lease_expires_at <= {here}")
        rows._queries = type(rows._queries)(texts)
        return await honest(conn, free, **given)

    honest, rows.claim = rows.claim, claim


def request_owner_off(repeatable: Any) -> None:
    """A request_id is one for everybody who calls."""
    key = repeatable.RequestKey
    of = key.of.__func__

    def ownerless(cls: Any, request: Any, request_id: str, by: Any) -> Any:
        made = of(cls, request, request_id, by)
        return made and cls("everybody", made.request_id, made.sha256)

    key.of = classmethod(ownerless)


def stream_polling_off(following: Any) -> None:
    """Readers are woken by notifications alone."""

    async def nothing(self: Any) -> None:
        return None

    following.Following.poll = nothing


def mandatory_off(publisher: Any) -> None:
    """What no queue takes is confirmed like everything else."""
    import aio_pika

    publish = aio_pika.Exchange.publish

    async def careless(self: Any, *given: Any, mandatory: bool = True, **more: Any) -> Any:
        return await publish(self, *given, mandatory=False, **more)

    aio_pika.Exchange.publish = careless


def poison(create_ticket: Any) -> None:
    """No guard, but commands that do harm: what a customer said decides which."""
    work = create_ticket.CreateTicket.work

    async def poisoned(self: Any, command: Any, attempt: Any) -> Any:
        words = command.ticket.transcript[-1].content if command.ticket.transcript else ""
        if "poison by crash" in words:
            os.kill(os.getpid(), 9)
        if "poison by raise" in words:
            raise ValueError(words)
        if "poison by nack" in words:
            from meshkit.outbox import Retry

            return Retry("poison")
        return await work(self, command, attempt)

    create_ticket.CreateTicket.work = poisoned


def writes_new_column(store: Any) -> None:
    """No guard, but the next release: it writes a column that this one doesn't know."""
    texts = dict(store.queries)
    given = _replaced(texts["post_message"], "role, content, request_id)", "role, content, request_id, next_release)")
    texts["post_message"] = _replaced(
        given, "'customer', $3, $4 FROM session", "'customer', $3, $4, 'yes' FROM session"
    )
    store.queries = type(store.queries)(texts)


def last_event_id_off(servicer: Any) -> None:
    """A reader that comes back is shown the conversation from its start."""
    servicer._last_event_id = lambda context: 0


def verdicts_mad(judgement: Any) -> None:
    """The evaluator gives verdicts that are none, raises, and dies."""
    judge, turn = judgement.judge, iter(range(1 << 60))

    def mad(*given: Any) -> Any:
        verdict, number = judge(*given), next(turn) % 16
        verdict.decision, verdict.reason = 1, 0
        match number:
            case 15:
                os.kill(os.getpid(), 9)
            case 3 | 11:
                raise RuntimeError("mad")
            case 1 | 7:
                verdict.decision = 99
            case 5 | 13:
                verdict.reason = 999
            case _:
                verdict.confidence = float("nan")
        return verdict

    judgement.judge = mad


def plausibility_off(peers: Any) -> None:
    """Whatever the evaluator says is believed."""
    peers._implausible = lambda verdict: ""


GUARDS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "fence_off": ("svc_orchestrator.store", fence_off),
    "reply_by_comment_off": ("svc_orchestrator.store", reply_by_comment_off),
    "ticket_by_key_off": ("svc_ticketing.store", ticket_by_key_off),
    "done_before_handled": ("meshkit.outbox.rows", done_before_handled),
    "cursor_on": ("meshkit.outbox.rows", cursor_on),
    "skip_locked_off": ("meshkit.outbox.rows", skip_locked_off),
    "lease_by_own_clock": ("meshkit.outbox.rows", lease_by_own_clock),
    "request_owner_off": ("svc_ticketing.repeatable", request_owner_off),
    "poison": ("svc_workers.create_ticket", poison),
    "writes_new_column": ("svc_gateway.store", writes_new_column),
    "mandatory_off": ("meshkit.amqp.publisher", mandatory_off),
    "last_event_id_off": ("svc_gateway.servicer", last_event_id_off),
    "verdicts_mad": ("svc_evaluator.judgement", verdicts_mad),
    "plausibility_off": ("svc_orchestrator.peers", plausibility_off),
    "stream_polling_off": ("svc_gateway.following", stream_polling_off),
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


def _take_settings(file: Path) -> None:
    if file.exists():
        os.environ.update(json.loads(file.read_text()))


_folder = os.environ.get("GROUNDLINE_SABOTAGE")
if _folder:
    _words = sys.orig_argv[sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else ["?"]
    _take_settings(Path(_folder).with_name("settings") / "-".join(_words))
    if os.environ.get("GROUNDLINE_SABOTAGE_CLOCK_S"):
        from wrong_clock import set_wrong

        set_wrong(float(os.environ["GROUNDLINE_SABOTAGE_CLOCK_S"]))
    _wanted = {module: remove for name, (module, remove) in GUARDS.items() if (Path(_folder) / name).exists()}
    if _wanted:
        sys.meta_path.insert(0, _Saboteur(_wanted))
