"""The files of a set, read line by line: plain or gzipped, and what is wrong with them said with file and line."""

import gzip
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_YES = frozenset({"true", "yes", "1", "answerable"})
_NO = frozenset({"false", "no", "0", "unanswerable"})
_SUPPORTED = frozenset({"supported", "supports", "true", "yes", "1", "entailed", "entailment", "grounded", "faithful",
                        "attributable", "fully attributable"})  # fmt: skip
_UNSUPPORTED = frozenset({"unsupported", "refuted", "refutes", "false", "no", "0", "contradiction", "ungrounded",
                          "unfaithful", "hallucinated", "not attributable"})  # fmt: skip


class SetUnusable(Exception):
    """The folder holds no set that can be read; the message names the file, the line, what is wrong and what to do."""


def there(folder: Path, name: str) -> Path | None:
    """`folder/name`, or the same gzipped, if it is there."""
    return next((each for each in (folder / name, folder / f"{name}.gz") if each.is_file()), None)


def rows(file: Path | None, *needed: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of a JSON-lines file with its place (`corpus.jsonl:12`); nothing where there is no file.

    Raises SetUnusable for what is no object, or lacks one of `needed`.
    """
    for place, line in _lines(file):
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as exc:
            raise SetUnusable(f"{place}: not JSON; each line must be one JSON object: mend or remove it") from exc
        if not isinstance(row, dict):
            raise SetUnusable(f"{place}: not an object; each line must be one JSON object: mend or remove it")
        missing = [name for name in needed if row.get(name) is None]
        if missing:
            has = ", ".join(sorted(map(str, row))[:8]) or "nothing"
            raise SetUnusable(f"{place}: no {', '.join(missing)} (it has {has}): add it, or remove the line")
        yield place, row


def judgments(file: Path | None) -> Iterator[tuple[str, str, float]]:
    """(query id, document id, score) of each line; a line without a score counts 1. The head may be missing, and TREC's
    four columns are taken, too. Raises SetUnusable."""
    for place, line in _lines(file):
        cells = [each.strip() for each in line.split("\t")]
        if len(cells) == 1:
            cells = line.split()
        if place.endswith(":1") and cells[0].casefold() in ("query_id", "query-id", "qid"):
            continue
        if len(cells) == 4:
            del cells[1]
        try:
            query_id, doc_id, score = cells[0], cells[1], float(cells[2]) if len(cells) > 2 else 1.0
        except (IndexError, ValueError) as exc:
            raise _not_judgment(place) from exc
        if not math.isfinite(score):
            raise _not_judgment(place)
        yield query_id, doc_id, score


def text_of(value: Any) -> str:
    """A value as text that can be stored and sent: no NUL, no halves of surrogate pairs."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def answerable_of(row: dict[str, Any], place: str) -> bool | None:
    """What the set says of a question: it may be answered, it must not be, or (None) nothing. Raises SetUnusable."""
    value = row.get("answerable")
    word = str(value).strip().casefold()
    if value is None or word == "":
        return None
    if word in _YES or word in _NO:
        return word in _YES
    raise SetUnusable(f"{place}: answerable is {value!r}: write true or false, or leave it out")


def supported_of(label: Any) -> tuple[bool | None, bool]:
    """What a claim's label says (None: the sentence claims nothing), and whether the label is known."""
    word = str(label).strip().casefold()
    if word in _SUPPORTED or word in _UNSUPPORTED:
        return word in _SUPPORTED, True
    return None, word in ("generic", "none", "neutral")


def _lines(file: Path | None) -> Iterator[tuple[str, str]]:
    """Lines that are not blank, each with its place."""
    if file is None:
        return
    number = 0
    try:
        # Bytes, so that a line ends at a line feed only, and so that what is no text is found in its line.
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for number, raw in enumerate(lines, 1):
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                if line.strip():
                    yield f"{file.name}:{number}", line
    except UnicodeDecodeError as exc:
        raise SetUnusable(f"{file.name}:{number}: not UTF-8: write the file as UTF-8") from exc
    except (OSError, EOFError, zlib.error) as exc:
        raise SetUnusable(f"{file.name}:{number + 1}: can't be read ({exc}): is the file whole?") from exc


def _not_judgment(place: str) -> SetUnusable:
    return SetUnusable(f"{place}: not query_id, doc_id and score, divided by tabs: mend or remove the line")
