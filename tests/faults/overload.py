"""Experiment 27: three times as many calls as can be served."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import grpc
import httpx

from cli.mesh import Mesh
from groundline.conversation.v1 import conversation_service_pb2

from .experiments import EMBEDDED, Result, Trial, settle, stage_ledger
from .load import PASSING, Conversation, Load
from .stage import Stage

# The gateway is made slow on purpose, so that this machine can offer three times what it serves: each statement takes
# 40 ms and four run at a time.
_DELAY_S, _POOL = 0.02, 4
_PEAK_FOR_S, _OVERLOAD_FOR_S = 5.0, 12.0
_TIMES = 3.0
_DEADLINE_S = 5.0
_GOODPUT, _AMPLIFICATION = 0.8, 1.2
_CUSTOMERS = 40


async def three_times(stage: Stage, result: Result) -> None:
    """27: an open loop at three times the peak. What is served stays near the peak, what is refused is told to come
    again, and retries add little."""
    ledger = stage_ledger(stage, result)
    load = Load(stage.live, ledger, result.seed)
    pool = {"gateway": {"GROUNDLINE_DATABASE_POOL_SIZE": str(_POOL)}}
    async with stage.wired(("gateway",), "postgres", pool) as wires, stage.live.mesh(None) as mesh:
        customers = [Conversation(load, mesh, mesh, f"{ledger.path.stem}-{n}") for n in range(_CUSTOMERS)]
        for each in customers:
            await each.open()
        wires["gateway"].delay_s = _DELAY_S
        peak = await _closed_loop(mesh, customers)
        before = await _calls(stage)
        offered = Counter[str]()
        good = await _open_loop(mesh, customers, _TIMES * peak, offered)
        amplification = (await _calls(stage) - before) / max(1, offered.total())
        wires["gateway"].heal()
    refused = {name: count for name, count in offered.items() if name != "OK"}
    result.add("calls beyond capacity")
    result.fired["calls beyond capacity"] = sum(refused.values())
    result.measured["goodput / peak"] = f"{good / peak:.2f} ({good:.0f} of {peak:.0f} a second)"
    result.measured["answers"] = ", ".join(f"{name} {count}" for name, count in sorted(offered.items()))
    result.measured["calls at the gateway / calls made"] = f"{amplification:.2f}"
    result.expect(good >= _GOODPUT * peak, "unexplained", "gateway", f"goodput fell to {good / peak:.0%} of the peak")
    result.expect(amplification <= _AMPLIFICATION, "unexplained", "gateway", f"{amplification:.2f} calls for each")
    passing = {each.name for each in PASSING}
    result.expect(refused.keys() <= passing, "unexplained", "gateway", f"refused with {sorted(refused)}")
    await settle(stage, result, ledger)


async def _post(mesh: Mesh, customer: Conversation, number: int) -> str:
    request = conversation_service_pb2.PostMessageRequest(
        session_id=customer.session_id, content=f"Hello! ({number})", request_id=f"load-{number}"
    )
    try:
        answer = await mesh.conversation.PostMessage(request, metadata=customer.metadata, timeout=_DEADLINE_S)
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    customer.acknowledged("post", request.request_id, answer.message_id, request.content, 1)
    return "OK"


async def _closed_loop(mesh: Mesh, customers: list[Conversation]) -> float:
    """Acknowledged a second with as many callers as there are customers, each with one call at a time."""
    until, done = time.monotonic() + _PEAK_FOR_S, 0

    async def one(number: int) -> None:
        nonlocal done
        step = 0
        while time.monotonic() < until:
            step += 1
            answered = await _post(mesh, customers[number], number * 1_000_000 + step)
            done += answered == "OK"

    await asyncio.gather(*map(one, range(len(customers))))
    return done / _PEAK_FOR_S


async def _open_loop(mesh: Mesh, customers: list[Conversation], rate: float, offered: Counter[str]) -> float:
    """Calls come whether or not earlier ones were answered; acknowledged a second, while they come."""
    began, tasks, number, in_time = time.monotonic(), [], 0, 0

    async def one(number: int) -> str:
        nonlocal in_time
        told = await _post(mesh, customers[number % len(customers)], 900_000_000 + number)
        in_time += told == "OK" and time.monotonic() - began <= _OVERLOAD_FOR_S
        return told

    while (passed := time.monotonic() - began) < _OVERLOAD_FOR_S:
        while number < passed * rate:
            number += 1
            tasks.append(asyncio.create_task(one(number)))
        await asyncio.sleep(0.005)
    offered.update(await asyncio.gather(*tasks))
    return in_time / _OVERLOAD_FOR_S


async def _calls(stage: Stage) -> float:
    """Calls of PostMessage that the gateway has answered so far."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        answer = await http.get(f"http://127.0.0.1:{stage.stack.ports.metrics('gateway')}/metrics")
    return sum(
        float(line.rpartition(" ")[2])
        for line in answer.text.splitlines()
        if line.startswith("groundline_rpc_calls_total{") and "PostMessage" in line
    )


TRIALS = (Trial("27", "three times the capacity, open loop", three_times, EMBEDDED),)
