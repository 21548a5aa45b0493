"""The embedding models that a process has open, each once, by the name under which its vectors are stored."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from meshkit.models.embeddings import Embedder
from meshkit.models.errors import ModelCorrupt

# A model takes tens to hundreds of megabytes: a process serves a few, and holds no more.
MOST_OPEN = 8


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model as the database knows it: `name` is that of its vectors, `spec` what to ask for to get it."""

    name: str
    spec: str


class Shelf:
    """Opens models as they are needed. `default` is the process' own, of the configured `spec`; it is closed with the
    others. Without `open_model` there is no other."""

    def __init__(
        self, default: Embedder, spec: str = "", open_model: Callable[[str], Awaitable[Embedder]] | None = None
    ) -> None:
        self.default = default
        self.spec = spec
        self._open_model = open_model
        self._open: dict[str, Embedder] = {default.name: default}
        self._opening = asyncio.Lock()
        self._closed = False

    def get(self, name: str) -> Embedder | None:
        """The model of that name, if it is open."""
        return self._open.get(name)

    async def open(self, spec: str) -> Embedder:
        """The model that `spec` names, opened unless it is. Raises ModelCorrupt, and what its server raises."""
        async with self._opening:
            return await self._opened(spec)

    async def named(self, model: NamedModel) -> Embedder:
        """The model of that very name. Raises ModelCorrupt if its spec leads to another or to none."""
        if (found := self._open.get(model.name)) is not None:
            return found
        async with self._opening:
            if (found := self._open.get(model.name)) is not None:
                return found
            found = await self._opened(model.spec)
        if found.name != model.name:
            raise ModelCorrupt(f"{model.spec!r} is another model here: {found.name}, not {model.name}")
        return found

    async def close(self) -> None:
        """Closes all. May be called twice."""
        self._closed = True
        for embedder in self._open.values():
            await embedder.close()

    async def _opened(self, spec: str) -> Embedder:
        if self._open_model is None or self._closed:
            raise ModelCorrupt(f"this process opens no model {spec!r}")
        if spec == self.spec:
            return self.default
        if len(self._open) >= MOST_OPEN:
            raise ModelCorrupt(f"{MOST_OPEN} embedding models are open already: start the process anew")
        embedder = await self._open_model(spec)
        if (known := self._open.get(embedder.name)) is not None:
            await embedder.close()
            return known
        self._open[embedder.name] = embedder
        return embedder
