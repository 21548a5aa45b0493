"""Which answerer a process uses, opened and closed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from meshkit.models.embeddings import open_embedder
from meshkit.models.endpoint import Endpoint
from meshkit.models.openai_chat import OpenAIChat
from svc_orchestrator.answering.answerer import Answerer
from svc_orchestrator.answering.extractive import ExtractiveAnswerer
from svc_orchestrator.answering.language_model import LanguageModelAnswerer


@asynccontextmanager
async def open_answerer(
    *, embedding_model: str, cache: Path, chat_base_url: str, chat_api_key: str, chat_model: str
) -> AsyncIterator[Answerer]:
    """The language model, where an endpoint and a model are given; else the extractive answerer.

    `cache` is the folder with embedding models by name. Raises ValueError for a bad endpoint, ModelCorrupt for a
    damaged embedding model.
    """
    if chat_base_url and chat_model:
        chat = OpenAIChat(Endpoint(chat_base_url, SecretStr(chat_api_key)), chat_model)
        try:
            yield LanguageModelAnswerer(chat)
        finally:
            await chat.close()
        return
    embedder = await open_embedder(embedding_model, cache)
    try:
        await embedder.warm()
        yield ExtractiveAnswerer(embedder)
    finally:
        await embedder.close()
