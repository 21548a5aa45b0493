"""Reading and writing ONNX files without the onnx package: the few messages of its format that we need.

Field numbers are those of onnx.proto (the ONNX format never changes them); what is not declared here is skipped.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Array = np.ndarray[Any, np.dtype[Any]]

_KINDS = {
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
}
# message → its fields as "name=number type", `*` for repeated.
_MESSAGES = {
    "Dimension": ("dim_value=1 int64", "dim_param=2 string"),
    "Shape": ("dim=1 *Dimension",),
    "TensorType": ("elem_type=1 int32", "shape=2 Shape"),
    "Type": ("tensor_type=1 TensorType",),
    "ValueInfo": ("name=1 string", "type=2 Type"),
    "Tensor": ("dims=1 *int64", "data_type=2 int32", "name=8 string", "raw_data=9 bytes"),
    "Attribute": ("name=1 string", "f=2 float", "i=3 int64", "ints=8 *int64", "type=20 int32"),
    "Node": ("input=1 *string", "output=2 *string", "name=3 string", "op_type=4 string", "attribute=5 *Attribute",
             "domain=7 string"),
    "Graph": ("node=1 *Node", "name=2 string", "initializer=5 *Tensor", "input=11 *ValueInfo", "output=12 *ValueInfo"),
    "OperatorSet": ("domain=1 string", "version=2 int64"),
    "Model": ("ir_version=1 int64", "producer_name=2 string", "graph=7 Graph", "opset_import=8 *OperatorSet"),
}  # fmt: skip
_TYPES: dict[int, Any] = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
_TYPE_NUMBERS = {np.dtype(kind): number for number, kind in _TYPES.items()}
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_INTS = 1, 2, 7


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="onnx_subset.proto", package="onnx_subset", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            (field_name, number), kind = field.split()[0].split("="), field.split()[1]
            repeated = kind.startswith("*")
            added = message.field.add(name=field_name, number=int(number), label=3 if repeated else 1)
            kind = kind.removeprefix("*")
            if kind in _KINDS:
                added.type = _KINDS[kind]
            else:
                added.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
                added.type_name = f".onnx_subset.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    find = pool.FindMessageTypeByName
    return {name: message_factory.GetMessageClass(find(f"onnx_subset.{name}")) for name in _MESSAGES}


_CLASSES = _messages()


def read_weights(path: Path) -> dict[str, Array]:
    """The initializers of the model in `path` by name, but for unusual data types. ValueError if it is no ONNX file."""
    try:
        model = _CLASSES["Model"].FromString(path.read_bytes())
    except Exception:
        raise ValueError(f"{path.name} is not an ONNX file") from None
    return {
        tensor.name: np.frombuffer(tensor.raw_data, _TYPES[tensor.data_type]).reshape(tuple(tensor.dims))
        for tensor in model.graph.initializer
        if tensor.data_type in _TYPES and tensor.raw_data
    }


class GraphWriter:
    """Puts a graph together, node by node."""

    def __init__(self, name: str, opsets: dict[str, int]) -> None:
        self._model = _CLASSES["Model"](ir_version=9, producer_name="groundline")
        self._model.graph.name = name
        for domain, version in opsets.items():
            self._model.opset_import.add(domain=domain, version=version)

    def input(self, name: str, kind: type[np.generic], shape: Sequence[int | str]) -> str:
        """Declares an input; a string in `shape` is a free dimension."""
        _describe(self._model.graph.input.add(), name, kind, shape)
        return name

    def output(self, name: str, kind: type[np.generic], shape: Sequence[int | str]) -> str:
        """Declares an output."""
        _describe(self._model.graph.output.add(), name, kind, shape)
        return name

    def weight(self, name: str, values: Array) -> str:
        """Adds a constant."""
        number = _TYPE_NUMBERS[values.dtype]
        self._model.graph.initializer.add(
            name=name, dims=values.shape, data_type=number, raw_data=np.ascontiguousarray(values).tobytes()
        )
        return name

    def node(
        self,
        op: str,
        inputs: Sequence[str],
        outputs: str | Sequence[str],
        domain: str = "",
        **attributes: int | float | Sequence[int],
    ) -> str:
        """Adds a node; gives the name of its first output. An input "" is an optional one left out."""
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        node = self._model.graph.node.add(op_type=op, name=names[0], input=inputs, output=names, domain=domain)
        for key, value in attributes.items():
            if isinstance(value, int):
                node.attribute.add(name=key, i=value, type=_ATTRIBUTE_INT)
            elif isinstance(value, float):
                node.attribute.add(name=key, f=value, type=_ATTRIBUTE_FLOAT)
            else:
                node.attribute.add(name=key, ints=value, type=_ATTRIBUTE_INTS)
        return names[0]

    def to_bytes(self) -> bytes:
        """The ONNX file."""
        return bytes(self._model.SerializeToString())


def _describe(info: Any, name: str, kind: type[np.generic], shape: Sequence[int | str]) -> None:
    info.name = name
    info.type.tensor_type.elem_type = _TYPE_NUMBERS[np.dtype(kind)]
    for size in shape:
        if isinstance(size, str):
            info.type.tensor_type.shape.dim.add(dim_param=size)
        else:
            info.type.tensor_type.shape.dim.add(dim_value=size)
