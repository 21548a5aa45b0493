"""One ONNX sentence model on the CPU: text → tokens → hidden states → one vector. Blocking; see `onnx_embedder`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from tokenizers import BertWordPieceTokenizer, Tokenizer

from meshkit.models.errors import EmbeddingUnavailable, ModelCorrupt
from meshkit.models.vectors import Vectors, normalised

Pooling = Literal["mean", "cls"]
# Of a longer text only so many characters per token that the model can hold are tokenised: tokens are about four long,
# and a text of megabytes must not cost seconds only to be cut.
_CHARACTERS_PER_TOKEN = 32


@dataclass(frozen=True, slots=True)
class Encoder:
    """A loaded model. `encode` may run in several threads at once; it holds the interpreter's lock only briefly."""

    name: str
    dimension: int
    max_tokens: int
    tokenizer: Tokenizer
    session: onnxruntime.InferenceSession
    pooling: Pooling = "mean"

    def encode(self, text: str) -> Vectors:
        """float32 (dimension,) of length 1. EmbeddingUnavailable if the model gives something else."""
        # A lone surrogate can't be tokenised, and must not fail a batch.
        usable = text[: self.max_tokens * _CHARACTERS_PER_TOKEN].encode("utf-8", "replace").decode("utf-8")
        tokens = self.tokenizer.encode(usable).ids
        feed = {}
        for each in self.session.get_inputs():
            values = {"input_ids": tokens, "attention_mask": [1] * len(tokens)}.get(each.name, [0] * len(tokens))
            feed[each.name] = np.array([values], np.int32 if each.type == "tensor(int32)" else np.int64)
        output = self.session.run(None, feed)[0]
        # One text at a time: there is no padding to leave out. A two-dimensional output is pooled already.
        states = output[0] if output.ndim == 2 else output[0, 0] if self.pooling == "cls" else output[0].mean(axis=0)
        vector = normalised(states.astype(np.float32).reshape(1, -1))
        if vector is None or vector.shape != (1, self.dimension):
            raise EmbeddingUnavailable
        row: Vectors = vector[0]
        return row


def open_session(model: Path | bytes, intra_op_threads: int) -> onnxruntime.InferenceSession:
    """The model in onnxruntime. ModelCorrupt if it can't be loaded."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    # Threads that spin for work take the cores that the other processes need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    source: Any = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as exc:
        what = "the built model" if isinstance(model, bytes) else model.name
        raise ModelCorrupt(f"onnxruntime can't load {what}: {type(exc).__name__}") from None


def bert_tokenizer(vocabulary: dict[str, int], max_tokens: int, *, lowercase: bool = True) -> Tokenizer:
    """BERT's WordPiece over `vocabulary`, cut to `max_tokens` with its [CLS] and [SEP]."""
    wordpiece = BertWordPieceTokenizer(vocabulary, lowercase=lowercase)
    tokenizer = Tokenizer.from_str(wordpiece.to_str())
    tokenizer.enable_truncation(max_tokens)
    return tokenizer
