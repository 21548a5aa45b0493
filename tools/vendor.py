"""Writes the contracts of others that ours import below third_party/, from the locked wheels that carry them.

Run by `make vendor` after one of those wheels changed version. A test holds the folder to what this writes.
"""

import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tools.descriptor_to_proto import load, to_source

GOOGLEAPIS = (
    "google/api/annotations.proto",
    "google/api/field_behavior.proto",
    "google/api/http.proto",
    "google/api/httpbody.proto",
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)
VALIDATE_HEADER = """\
// Copyright Buf Technologies, Inc. Licensed under the Apache License, Version 2.0.
// Printed from the descriptor in protovalidate {version} by tools/descriptor_to_proto.py, which holds no comments.
"""


def vendored() -> dict[str, str]:
    """Text of every vendored file by its path below third_party/."""
    files = {}
    for name in GOOGLEAPIS:
        package = name.rpartition("/")[0].replace("/", ".")
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(f"no installed package carries {name}")
        source = Path(next(iter(spec.submodule_search_locations)), Path(name).name)
        files[f"googleapis/{name}"] = source.read_text(encoding="utf-8")
    header = VALIDATE_HEADER.format(version=version("protovalidate"))
    source_text = to_source(load("protovalidate._gen.buf.validate.validate_pb"))
    files["protovalidate/buf/validate/validate.proto"] = header + source_text
    return files


if __name__ == "__main__":
    root = Path(sys.argv[1])
    for name, text in vendored().items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
