# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts an ONNX model in two at one tensor, on its bytes: what leads to the tensor, and what follows from it.

The format is that of protocol buffers: a message is a row of fields, each a number, a kind and a content, and a content
may be a message again. Cutting is choosing among them, so neither the package `onnx` nor its schema is needed. The
numbers of the fields are those of `onnx.proto`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

MODEL_GRAPH = 7
NODE, GRAPH_NAME, INITIALIZER, INPUT, OUTPUT = 1, 2, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_NAME = 1, 2, 3
TENSOR_NAME, VALUE_NAME = 8, 1

FLOATS = b"\x12\x04\x0a\x02\x08\x01"
"""The type in a description of a tensor: float32, of any shape."""


class NoSuchCutError(ValueError):
    """The model cannot be cut there."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a graph."""

    name: bytes
    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    field: memoryview
    """The whole of it, as it stands in the graph."""


Model = list[bytes | memoryview]
"""The bytes of a model, in pieces: most of them lie in the model that was cut, and are not copied."""


def cut(model: memoryview, reader: str) -> tuple[Model, Model, str]:
    """Two models, the first of which makes the tensor that the second begins with, and the tensor's name.

    Args:
        model: the bytes of an ONNX file.
        reader: name of the node whose first input is the tensor.

    Raises:
        NoSuchCutError: this is no such model, or the second would need more than the tensor.
    """
    graph, rest = memoryview(b""), Model()
    for number, field, content in _fields(model):
        if number == MODEL_GRAPH:
            graph = content
        else:
            rest.append(field)
    nodes, named = _read(graph)
    tensor = next((node.inputs[0] for node in nodes if node.name == reader.encode()), None)
    if tensor is None:
        raise NoSuchCutError(f"no node is called {reader}")
    value = [*_field(VALUE_NAME, [tensor]), FLOATS]
    first, _ = _leading_to({tensor}, b"", nodes, named)
    second, needed = _leading_to(set(named[OUTPUT]), tensor, nodes, named)
    if more := needed & named[INPUT].keys():
        raise NoSuchCutError(f"what follows from {tensor.decode()} needs more than it: {more}")
    first += [*named[INPUT].values(), *_field(OUTPUT, value)]
    second += [*_field(INPUT, value), *named[OUTPUT].values()]
    return rest + _field(MODEL_GRAPH, first), rest + _field(MODEL_GRAPH, second), tensor.decode()


def _read(graph: memoryview) -> tuple[list[Node], dict[int, dict[bytes, memoryview]]]:
    """The nodes in order, and the whole fields of initializers, inputs and outputs by the names of their tensors."""
    nodes = []
    named: dict[int, dict[bytes, memoryview]] = {INITIALIZER: {}, INPUT: {}, OUTPUT: {}}
    for number, field, content in _fields(graph):
        if number == NODE:
            texts = {kind: _texts(content, kind) for kind in (NODE_NAME, NODE_INPUT, NODE_OUTPUT)}
            nodes.append(Node(b"".join(texts[NODE_NAME]), texts[NODE_INPUT], texts[NODE_OUTPUT], field))
        elif number in named:
            name = TENSOR_NAME if number == INITIALIZER else VALUE_NAME
            named[number][b"".join(_texts(content, name))] = field
    return nodes, named


def _leading_to(
    targets: set[bytes], given: bytes, nodes: list[Node], named: dict[int, dict[bytes, memoryview]]
) -> tuple[Model, set[bytes]]:
    """The graph, without inputs and outputs, that makes the targets where `given` is there; and all that it reads."""
    needed, kept = set(targets), []
    for node in reversed(nodes):  # they stand in the order in which they can be computed
        if needed.intersection(node.outputs) and given not in node.outputs:
            needed.update(node.inputs)
            kept.append(node.field)
    weights = [field for name, field in named[INITIALIZER].items() if name in needed]
    return [*reversed(kept), *_field(GRAPH_NAME, [b"part"]), *weights], needed


def _texts(message: memoryview, number: int) -> tuple[bytes, ...]:
    return tuple(bytes(content) for found, _, content in _fields(message) if found == number)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """(number, the whole field, its content; empty for plain numbers)."""
    at = 0
    while at < len(message):
        begin = at
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        length = 0
        if kind == 2:
            length, at = _varint(message, at)
        elif kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise NoSuchCutError("this is no ONNX model")
        if at + length > len(message):
            raise NoSuchCutError("the model is cut off")
        yield number, message[begin : at + length], message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of 7 bits, lowest first, and where it ends."""
    value = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
    raise NoSuchCutError("the model is cut off")


def _field(number: int, content: Model) -> Model:
    """A field that has a length."""
    return [_varint_of(number << 3 | 2) + _varint_of(sum(map(len, content))), *content]


def _varint_of(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + _varint_of(value >> 7)
