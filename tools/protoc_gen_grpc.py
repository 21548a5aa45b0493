"""A buf plugin that writes `*_pb2_grpc.py` and, for asyncio, its types `*_pb2_grpc.pyi`.

It bridges two generators: the one inside grpcio-tools, which buf can't start by itself, and mypy-protobuf's. Files
without a service are skipped: their modules would be empty.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2
from grpc_tools import protoc


def generate(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """Answers a plugin request with one module and its types per file that declares a service."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    with_service = {file.name for file in request.proto_file if file.service}
    targets = [name for name in request.file_to_generate if name in with_service]
    if not targets:
        return response
    narrowed = plugin_pb2.CodeGeneratorRequest()
    narrowed.CopyFrom(request)
    narrowed.file_to_generate[:] = targets
    narrowed.parameter = "quiet,only_async"
    typed = subprocess.run(
        ["protoc-gen-mypy_grpc"], input=narrowed.SerializeToString(), stdout=subprocess.PIPE, check=True, timeout=60
    )
    response.file.extend(plugin_pb2.CodeGeneratorResponse.FromString(typed.stdout).file)
    with tempfile.TemporaryDirectory() as scratch:
        descriptors = Path(scratch, "in.binpb")
        descriptors.write_bytes(descriptor_pb2.FileDescriptorSet(file=request.proto_file).SerializeToString())
        out = Path(scratch, "out")
        out.mkdir()
        code = protoc.main(["protoc", f"--descriptor_set_in={descriptors}", f"--grpc_python_out={out}", *targets])
        if code:
            response.error = f"grpc_tools.protoc exited with {code}"
            return response
        for path in sorted(out.rglob("*.py")):
            response.file.add(name=path.relative_to(out).as_posix(), content=path.read_text(encoding="utf-8"))
    return response


if __name__ == "__main__":
    incoming = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(incoming).SerializeToString())
