"""A reindex as it is watched from the command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from cli.errors import CommandError
from cli.mesh import check_knowledge_base
from groundline.knowledge.v1 import reindex_pb2 as rx
from meshkit.errors import from_rpc_error

if TYPE_CHECKING:
    from cli.mesh import Mesh

Progress = Callable[[str, int, int], None]
_LOOK_EVERY_S = 0.5
# How long replicas of retrieval may take to load the model once all is embedded.
SERVED_WITHIN_S = 120.0
NOT_SERVED = "EMBEDDING_MODEL_NOT_SERVED"


async def start(mesh: Mesh, knowledge_base: str, model: str) -> Any:
    """The reindex, new or under way already."""
    request = rx.StartReindexRequest(knowledge_base=knowledge_base, model=model)
    return (await mesh.knowledge.StartReindex(request)).reindex


async def last(mesh: Mesh, knowledge_base: str) -> Any:
    """The knowledge base's newest reindex. Raises CommandError if there was none."""
    request = rx.ListReindexesRequest(knowledge_base=knowledge_base, page_size=1)
    found = (await mesh.knowledge.ListReindexes(request)).reindexes
    if not found:
        await check_knowledge_base(mesh, knowledge_base)
        raise CommandError(f"{knowledge_base} was never reindexed")
    return (await mesh.knowledge.GetReindex(rx.GetReindexRequest(reindex_id=found[0].reindex_id))).reindex


async def until_ready(mesh: Mesh, reindex: Any, progress: Progress) -> Any:
    """Waits until every passage is embedded. Raises CommandError if it fails or is given up."""
    while True:
        progress("embedding", min(reindex.embedded_chunks, reindex.total_chunks), reindex.total_chunks)
        if reindex.state == rx.REINDEX_STATE_FAILED:
            raise CommandError(f"the reindex failed: {reindex.error}; the same command lets it go on")
        if reindex.state == rx.REINDEX_STATE_ABORTED:
            raise CommandError("the reindex was given up meanwhile")
        if reindex.state != rx.REINDEX_STATE_RUNNING:
            return reindex
        await asyncio.sleep(_LOOK_EVERY_S)
        reindex = (await mesh.knowledge.GetReindex(rx.GetReindexRequest(reindex_id=reindex.reindex_id))).reindex


async def switch(mesh: Mesh, reindex: Any, *, wait_s: float = SERVED_WITHIN_S) -> Any:
    """Puts the new model in force, once every replica of retrieval has loaded it."""
    until = time.monotonic() + wait_s
    while True:
        try:
            request = rx.SwitchReindexRequest(reindex_id=reindex.reindex_id)
            return (await mesh.knowledge.SwitchReindex(request)).reindex
        except grpc.aio.AioRpcError as error:
            told = from_rpc_error(error)
            # One that has tried and failed will not do better by waiting.
            waiting = told.reason == NOT_SERVED and told.metadata.get("detail") == "not loaded yet"
            if not waiting or time.monotonic() >= until:
                raise
        await asyncio.sleep(_LOOK_EVERY_S)
