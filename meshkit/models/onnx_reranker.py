"""Any ONNX cross-encoder in a folder, laid out as sentence-transformers exports it."""

import asyncio
import hashlib
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from meshkit.models import onnx_folder
from meshkit.models.errors import ChatMalformed, ChatTimeout, ChatUnavailable, ModelCorrupt
from meshkit.models.onnx_encoder import open_session

_MAX_TOKENS = 256
# Tokens are about four characters long; what is cut off anyhow must not cost time before.
_MOST_CHARACTERS = _MAX_TOKENS * 32
_MAX_WAITING = 16


class OnnxReranker:
    """A `Reranker` on this machine: pair after pair on one thread, beside the event loop. A call that ran out of time
    or was given up ends after the pair in hand."""

    def __init__(self, name: str, tokenizer: Tokenizer, session: onnxruntime.InferenceSession) -> None:
        self._name = name
        self._tokenizer = tokenizer
        self._session = session
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="rerank")
        self._waiting = 0
        self._closed = False

    @property
    def name(self) -> str:
        return self._name

    async def scores(self, query: str, texts: Sequence[str], *, deadline_s: float) -> list[float]:
        if self._closed:
            raise ChatUnavailable("connection")
        if self._waiting >= _MAX_WAITING:
            raise ChatUnavailable("local_queue_full")
        given_up = threading.Event()
        until = time.monotonic() + deadline_s
        self._waiting += 1
        try:
            async with asyncio.timeout(deadline_s):
                loop = asyncio.get_running_loop()
                found = await loop.run_in_executor(self._pool, self._all, query, list(texts), until, given_up)
        except TimeoutError:
            raise ChatTimeout(deadline_s) from None
        finally:
            self._waiting -= 1
            given_up.set()
        if len(found) != len(texts):
            raise ChatTimeout(deadline_s)
        if not all(map(math.isfinite, found)):
            raise ChatMalformed("wrong_schema")
        return found

    async def close(self) -> None:
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _all(self, query: str, texts: Sequence[str], until: float, given_up: threading.Event) -> list[float]:
        found: list[float] = []
        for text in texts:
            if given_up.is_set() or time.monotonic() >= until:
                break
            found.append(self.score(query, text))
        return found

    def score(self, query: str, text: str) -> float:
        """0 to 1: the logistic of a model's one number, or the second of two shares. NaN for anything else."""
        pair = self._tokenizer.encode(_usable(query), _usable(text))
        known = {"input_ids": pair.ids, "attention_mask": [1] * len(pair.ids), "token_type_ids": pair.type_ids}
        feed = {}
        for each in self._session.get_inputs():
            values = known.get(each.name, [0] * len(pair.ids))
            feed[each.name] = np.array([values], np.int32 if each.type == "tensor(int32)" else np.int64)
        logits = np.asarray(self._session.run(None, feed)[0], np.float64).ravel()
        if logits.size not in (1, 2) or not np.isfinite(logits).all():
            return math.nan
        # Of two classes, the logistic of their difference is the second one's share.
        difference = float(logits[0] if logits.size == 1 else logits[1] - logits[0])
        return 1 / (1 + math.exp(-min(max(difference, -700.0), 700.0)))


def load(spec: str, models_dir: Path | None = None, intra_op_threads: int = 1) -> OnnxReranker:
    """Loads `model.onnx` (or `onnx/model.onnx`) with `tokenizer.json` or `vocab.txt`, and tries it. Blocking.

    The name holds a digest of the files. ModelCorrupt says what lacks.
    """
    folder = onnx_folder.find(spec, models_dir)
    model = onnx_folder.model_file(folder)
    tokenizer, tokenizer_file = onnx_folder.tokenizer(folder, _MAX_TOKENS)
    digest = hashlib.sha256()
    for path in (model, tokenizer_file):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    name = f"{folder.resolve().name}@{digest.hexdigest()[:12]}"
    reranker = OnnxReranker(name, tokenizer, open_session(model, intra_op_threads))
    try:
        tried = reranker.score("How long is it?", "It is two metres long.")
    except Exception as exc:
        raise ModelCorrupt(f"{folder.name} can't score a pair of texts: {type(exc).__name__}") from None
    if not math.isfinite(tried):
        raise ModelCorrupt(f"{folder.name} gives a pair of texts no score")
    return reranker


def _usable(text: str) -> str:
    return text[:_MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
