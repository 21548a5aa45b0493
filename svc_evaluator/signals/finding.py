"""What a signal says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A signal's value, and a few words for a person (never customer text)."""

    value: float
    note: str = ""
