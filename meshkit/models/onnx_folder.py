"""Any ONNX sentence model in a folder, laid out as sentence-transformers exports it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from meshkit.models.errors import ModelCorrupt
from meshkit.models.onnx_encoder import Encoder, Pooling, bert_tokenizer, open_session

_DEFAULT_MAX_TOKENS, _MOST_TOKENS = 256, 512


def find(spec: str, models_dir: Path | None) -> Path:
    """The folder that `spec` names: itself, or a folder in `models_dir`. ModelCorrupt if there is none."""
    for folder in [Path(spec), *([models_dir / spec] if models_dir else [])]:
        if folder.is_dir():
            return folder
    raise ModelCorrupt(f"no embedding model {spec!r}: neither a known name nor a folder")


def load(folder: Path, intra_op_threads: int = 1) -> Encoder:
    """Loads `model.onnx` (or `onnx/model.onnx`) with `tokenizer.json` or `vocab.txt`. Blocking.

    Pooling and length come from `1_Pooling/config.json` and `sentence_bert_config.json` where they exist, else mean and
    256. The name holds a digest of the files, so that a changed model is another model. ModelCorrupt says what lacks.
    """
    model = model_file(folder)
    max_tokens = _DEFAULT_MAX_TOKENS
    if isinstance(stated := _json(folder / "sentence_bert_config.json").get("max_seq_length"), int):
        max_tokens = min(max(stated, 8), _MOST_TOKENS)
    pooling: Pooling = "cls" if _json(folder / "1_Pooling" / "config.json").get("pooling_mode_cls_token") else "mean"
    words, tokenizer_file = tokenizer(folder, max_tokens)
    session = open_session(model, intra_op_threads)
    size = session.get_outputs()[0].shape[-1]
    if not isinstance(size, int):
        raise ModelCorrupt(f"{model.name} does not say how long its vectors are")
    digest = hashlib.sha256(f"{pooling} {max_tokens}".encode())
    for path in (model, tokenizer_file):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    name = f"{folder.resolve().name}@{digest.hexdigest()[:12]}"
    return Encoder(name, size, max_tokens, words, session, pooling)


def model_file(folder: Path) -> Path:
    """The model in `folder`. ModelCorrupt if there is none."""
    model = next((path for path in (folder / "model.onnx", folder / "onnx" / "model.onnx") if path.is_file()), None)
    if model is None:
        raise ModelCorrupt(f"{folder.name} has no model.onnx")
    return model


def tokenizer(folder: Path, max_tokens: int) -> tuple[Tokenizer, Path]:
    """The tokenizer in `folder`, which cuts to `max_tokens`, and its file. ModelCorrupt if it can't be read."""
    complete, words = folder / "tokenizer.json", folder / "vocab.txt"
    try:
        if complete.is_file():
            read = Tokenizer.from_file(str(complete))
            read.no_padding()
            read.enable_truncation(max_tokens)
            return read, complete
        if words.is_file():
            lowercase = _json(folder / "tokenizer_config.json").get("do_lower_case", True) is not False
            entries = words.read_text(encoding="utf-8").removesuffix("\n").split("\n")
            vocabulary = {token: number for number, token in enumerate(entries)}
            return bert_tokenizer(vocabulary, max_tokens, lowercase=lowercase), words
    except Exception as exc:
        raise ModelCorrupt(f"the tokenizer of {folder.name} can't be read: {type(exc).__name__}") from None
    raise ModelCorrupt(f"{folder.name} has neither tokenizer.json nor vocab.txt")


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise ModelCorrupt(f"{path.name} is not JSON") from None
    return read if isinstance(read, dict) else {}
