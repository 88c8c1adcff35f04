"""Smaller weights in an ONNX model: stored in 16 or 8 bits and used in 32 bits, which every browser supports."""

import math
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

SMALL = {16: 2_000, 8: 70_000}  # values; a smaller tensor is stored in twice the bits, for hardly any room
GROUP = 16  # weights that share a scale; with one per channel, similarities move four times as far
FLOAT = onnx.TensorProto.FLOAT


def shrink(model: onnx.ModelProto, bits: int) -> None:
    """Store the large weights of a model in `bits` bits, 16 or 8, in place.

    A browser's runtime turns them back into 32 bits when it loads the model. A table that rows are taken from stays
    small in memory too: the rows are converted, not the table. 8 bits are symmetric, with one scale per 16 weights of
    an output channel, and per row of a table.
    """
    users = {name: node for node in reversed(model.graph.node) for name in node.input}
    for weight in [each for each in model.graph.initializer if each.data_type == FLOAT]:
        size = math.prod(weight.dims)
        if size < SMALL[16]:
            continue
        model.graph.initializer.remove(weight)
        values, user = numpy_helper.to_array(weight), users[weight.name]
        table = user.op_type == "Gather"
        if bits == 8 and size >= SMALL[8]:
            grouped = values if table else in_groups(values, user.op_type)
            stored, scale = to_8_bits(grouped, axis=-1 if table or user.op_type != "MatMul" else 1)
        else:
            stored, scale = values.astype(np.float16), None
        if table:
            _convert_rows(model.graph, user, weight.name, stored, scale)
        else:
            _convert(model.graph, weight.name, stored, scale, values.shape)


def in_groups(values: np.ndarray, operation: str) -> np.ndarray:
    """A weight with the axis over its inputs split in two: groups, and GROUP weights in each.

    The inputs are the first axis for MatMul, (K, N) -> (K/G, G, N), else all but the first, (O, …) -> (O, K/G, G).
    """
    if operation == "MatMul":
        return values.reshape(-1, GROUP, values.shape[-1])
    return values.reshape(values.shape[0], -1, GROUP)


def to_8_bits(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Values as int8, and their scales as float16 with `axis` kept as 1: all along that axis share one."""
    largest = np.abs(values).max(axis=axis, keepdims=True)
    scale = np.maximum(largest / 127, np.finfo(np.float16).tiny).astype(np.float16)
    return np.clip(np.rint(values / scale.astype(np.float32)), -127, 127).astype(np.int8), scale


def _convert(graph: Any, name: str, stored: np.ndarray, scale: np.ndarray | None, shape: tuple[int, ...]) -> None:  # noqa: ANN401
    """Nodes that give the weight `name` from how it is stored; a runtime folds them when it loads the model."""
    graph.initializer.append(numpy_helper.from_array(stored, f"{name}.stored"))
    if scale is None:
        nodes = [_cast(f"{name}.stored", name)]
    else:
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{name}.shape"))
        nodes = [
            *_scaled(f"{name}.stored", f"{name}.scale", f"{name}.grouped"),
            helper.make_node("Reshape", [f"{name}.grouped", f"{name}.shape"], [name]),
        ]
    for node in reversed(nodes):
        graph.node.insert(0, node)


def _convert_rows(graph: Any, gather: Any, name: str, stored: np.ndarray, scale: np.ndarray | None) -> None:  # noqa: ANN401
    """The same after rows are taken from a table, so that the runtime has no reason to convert the whole of it."""
    graph.initializer.append(numpy_helper.from_array(stored, name))
    rows, place = gather.output[0], list(graph.node).index(gather)
    gather.output[0] = f"{rows}.stored"
    if scale is None:
        nodes = [_cast(f"{rows}.stored", rows)]
    else:
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        nodes = [
            helper.make_node("Gather", [f"{name}.scale", gather.input[1]], [f"{rows}.scale"]),
            *_scaled(f"{rows}.stored", f"{rows}.scale", rows),
        ]
    for node in reversed(nodes):
        graph.node.insert(place + 1, node)


def _scaled(stored: str, scale: str, result: str) -> list[Any]:
    return [
        _cast(stored, f"{result}.cast"),
        _cast(scale, f"{result}.factor"),
        helper.make_node("Mul", [f"{result}.cast", f"{result}.factor"], [result]),
    ]


def _cast(given: str, result: str) -> Any:  # noqa: ANN401 (a NodeProto)
    return helper.make_node("Cast", [given], [result], to=FLOAT)
