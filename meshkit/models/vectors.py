"""What every embedder gives, and how it is counted."""

from typing import Any

import numpy as np

from meshkit.telemetry import counter, histogram

Vectors = np.ndarray[Any, np.dtype[np.float32]]

# More texts in one call than this is a caller's mistake: they should come in portions.
MAX_TEXTS = 10_000

TEXTS = counter("groundline_embedding_texts_total", "Texts embedded.", ["kind"])
SECONDS = histogram("groundline_embedding_seconds", "From the call to its vectors, waiting included.", ["kind"])
FAILURES = counter("groundline_embedding_failures_total", "Calls without vectors.", ["kind", "reason"])


def normalised(vectors: Vectors) -> Vectors | None:
    """Each row scaled to length 1; None if a row can't be: zero, infinite or not a number."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths)) or np.any(lengths <= 1e-12):
            return None
        scaled: Vectors = (vectors / lengths).astype(np.float32, copy=False)
    return scaled if np.all(np.isfinite(scaled)) else None
