"""What the orchestrator can be told, beyond what every process can."""

from pydantic import Field, SecretStr

from meshkit.config import ServiceSettings


class OrchestratorSettings(ServiceSettings):
    """Settings of `python -m svc_orchestrator`."""

    lease_s: float = Field(default=15.0, ge=1, le=300)
    """How long a session is held without a sign of life; renewed at a third of it."""
    max_turns: int = Field(default=16, ge=1, le=1000)
    """Sessions that are worked on at once in this process."""
    max_waiting_hints: int = Field(default=1000, ge=1, le=100_000)
    """Hinted sessions that may wait; beyond, the relay makes up for them."""
    retrieval_timeout_s: float = Field(default=5.0, gt=0, le=60)
    evaluation_timeout_s: float = Field(default=5.0, gt=0, le=60)
    draft_timeout_s: float = Field(default=30.0, gt=0, le=300)
    """How long a turn's drafts may take, all calls to a model together."""
    session_tokens: int = Field(default=60_000, ge=0, le=100_000_000)
    """Tokens of the language model that one conversation may cost in this process; beyond, a person answers."""
    evidence_count: int = Field(default=8, ge=1, le=50)
    """Passages that are asked for."""

    embedding_model: str = ""
    """The embedding model: a folder, or empty for the one that ships."""
    chat_base_url: str = ""
    """An OpenAI-compatible endpoint; empty answers extractively, without a language model."""
    chat_api_key: SecretStr = SecretStr("")
    chat_model: str = ""
    """The endpoint's model for answers."""

    chat_small_model: str = ""
    """The endpoint's model that makes a follow-up question stand alone; empty: rules do it alone."""
    rewrite_timeout_s: float = Field(default=3.0, gt=0, le=30)
    """How long that may take; after it, the rules' query is searched."""

    second_reader_chat_model: str = ""
    """A model at the chat endpoint that reads each draft once more, and can only refuse it; empty asks none."""
    nli_base_url: str = ""
    """Instead: an endpoint with `/predict` for pairs, as Hugging Face's text-embeddings-inference serves it."""
    nli_api_key: SecretStr = SecretStr("")
    nli_model: str = "nli"
    """The endpoint's model, as the record is to name it."""
    second_reader_timeout_s: float = Field(default=15.0, gt=0, le=300)
    """How long a second opinion may take; a late one fails the turn (EVALUATOR_ERROR)."""
