"""What retrieval can be told, beyond what every process can."""

from pydantic import Field

from meshkit.config import ServiceSettings


class RetrievalSettings(ServiceSettings):
    """Settings of `python -m svc_retrieval`."""

    embedding_model: str = ""
    """The embedding model's name or folder; empty means the one that ships."""
    embedding_workers: int = Field(default=1, ge=1, le=64)
    """Questions embedded at a time."""
    embedding_threads: int = Field(default=1, ge=1, le=64)
    """Threads for each of them."""
    hnsw_ef_search: int = Field(default=100, ge=1, le=1000)
    """How many neighbours the vector index keeps in view: more finds more, and takes longer."""
