"""What the models of a process can be told, for its settings class to inherit."""

from pydantic import Field, SecretStr

from meshkit.config import ServiceSettings
from meshkit.models.chat import ChatModel
from meshkit.models.embeddings import DEFAULT_SPEC, Embedder, open_embedder
from meshkit.models.endpoint import Endpoint
from meshkit.models.errors import ModelCorrupt
from meshkit.models.openai_chat import OpenAIChat
from meshkit.models.reranking import Reranker, open_reranker
from meshkit.models.shelf import Shelf

ENDPOINT_PREFIX = "endpoint:"


class EmbeddingSettings(ServiceSettings):
    """Processes that write vectors and those that search them must be told the same. Knowledge bases that are made use
    this model; to move one that is there into another, `groundline reindex`."""

    embedding_model: str = DEFAULT_SPEC
    """The model that ships, a folder with an ONNX model, or the model's name at `embedding_base_url`."""
    embedding_base_url: str = ""
    """An OpenAI-compatible server for embeddings; empty: on this machine."""
    embedding_api_key: SecretStr = SecretStr("")
    embedding_dimension: int | None = Field(default=None, ge=1, le=2000)
    """How many numbers to ask the server for; unset: as many as it gives."""
    embedding_workers: int = Field(default=1, ge=1, le=64)
    """Texts computed at a time on this machine."""
    embedding_threads: int = Field(default=1, ge=1, le=64)
    """Threads for one text."""
    embedding_deadline_s: float = Field(default=30.0, gt=0, le=600)
    """How long the server may take for a request."""

    async def open_embedder(self, spec: str | None = None) -> Embedder:
        """The configured embedder, or the one that `spec` names; raises as `embeddings.open_embedder`.

        `endpoint:` before a model's name asks for it at `embedding_base_url`, whatever else is configured.
        """
        spec = self.embedding_model if spec is None else spec
        remote = spec.startswith(ENDPOINT_PREFIX)
        endpoint = None
        if remote and not self.embedding_base_url:
            raise ModelCorrupt(f"{spec!r} needs an embedding server, and none is configured")
        if remote or (self.embedding_base_url and spec == self.embedding_model):
            # 64 texts of 2,000 numbers each, written out.
            endpoint = Endpoint(
                self.embedding_base_url,
                self.embedding_api_key,
                deadline_s=self.embedding_deadline_s,
                max_response_bytes=16 * 1024 * 1024,
            )
        return await open_embedder(
            spec.removeprefix(ENDPOINT_PREFIX),
            self.home / "models",
            workers=self.embedding_workers,
            intra_op_threads=self.embedding_threads,
            endpoint=endpoint,
            dimension=self.embedding_dimension,
        )

    async def open_shelf(self) -> Shelf:
        """The configured embedder, loaded, on a shelf that opens others when they are asked for."""
        local = not self.embedding_base_url or self.embedding_model.startswith(ENDPOINT_PREFIX)
        spec = self.embedding_model if local else ENDPOINT_PREFIX + self.embedding_model
        return Shelf(await self.open_embedder(), spec, self.open_embedder)


class RerankSettings(ServiceSettings):
    """A model that orders the best passages anew, or none."""

    rerank_model: str = ""
    """The model's name at `rerank_base_url`, or a folder with an ONNX cross-encoder; empty: none."""
    rerank_base_url: str = ""
    """A server whose `/rerank` is as Jina, Cohere and vLLM have it; empty: on this machine."""
    rerank_api_key: SecretStr = SecretStr("")
    rerank_candidates: int = Field(default=20, ge=1, le=128)
    """How many of the best passages it is shown."""
    rerank_deadline_s: float = Field(default=1.0, gt=0, le=4)
    """How long it may take; after that the order is what it was without it."""
    rerank_threads: int = Field(default=1, ge=1, le=64)
    """Threads for one passage on this machine."""

    async def open_reranker(self) -> Reranker | None:
        """The configured model, or None; raises as `reranking.open_reranker`."""
        if not self.rerank_model:
            return None
        endpoint = None
        if self.rerank_base_url:
            endpoint = Endpoint(self.rerank_base_url, self.rerank_api_key, deadline_s=self.rerank_deadline_s)
        return await open_reranker(
            self.rerank_model, self.home / "models", endpoint=endpoint, intra_op_threads=self.rerank_threads
        )


class ChatSettings(ServiceSettings):
    """A chat model, or none."""

    chat_base_url: str = ""
    """An OpenAI-compatible server; empty: no chat model."""
    chat_api_key: SecretStr = SecretStr("")
    chat_model: str = ""
    """The model that writes answers; empty: no chat model."""
    chat_small_model: str = ""
    """The model for routing and tags; empty: the same."""
    chat_max_concurrent: int = Field(default=16, ge=1, le=1000)
    """Calls at a time; further ones wait within their deadline."""

    def open_chat(self, *, small: bool = False) -> ChatModel | None:
        """The configured chat model, or None."""
        model = (self.chat_small_model if small else "") or self.chat_model
        if not (self.chat_base_url and model):
            return None
        endpoint = Endpoint(self.chat_base_url, self.chat_api_key, max_concurrent=self.chat_max_concurrent)
        return OpenAIChat(endpoint, model)
