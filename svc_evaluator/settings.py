"""What the evaluator can be told, beyond what every process can."""

from pathlib import Path

from pydantic import Field

from meshkit.config import ServiceSettings


class EvaluatorSettings(ServiceSettings):
    """Settings of `python -m svc_evaluator`."""

    policy_version: str = Field(default="", max_length=128)
    """The policy in force where a knowledge base has none of its own; empty: the greatest version that is for all."""
    policy_folder: Path | None = None
    """A folder with policies of one's own (`*.json`), beside those that are shipped; read again when one changes."""
