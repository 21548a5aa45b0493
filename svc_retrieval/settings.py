"""What retrieval can be told, beyond what every process can."""

from pydantic import Field

from meshkit.models.settings import EmbeddingSettings, RerankSettings


class RetrievalSettings(EmbeddingSettings, RerankSettings):
    """Settings of `python -m svc_retrieval`."""

    hnsw_ef_search: int = Field(default=100, ge=1, le=1000)
    """How many neighbours the vector index keeps in view: more finds more, and takes longer."""
    evidence_cache_ttl_s: float = Field(default=30.0, ge=0, le=300)
    """For how many seconds evidence is given again in the same conversation if nothing has changed; 0: never."""
    evidence_cache_entries: int = Field(default=1000, ge=1, le=1_000_000)
    """Searches kept at most."""
    evidence_cache_mb: int = Field(default=32, ge=1, le=65_536)
    """Megabytes that they take at most."""
    model_check_interval_s: float = Field(default=2.0, gt=0, le=60)
    """How often it is seen which embedding models knowledge bases use or are to use, and said which are loaded."""
