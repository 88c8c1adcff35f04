"""A module as an ONNX model, by PyTorch's exporter (the packages onnx and onnxscript)."""

import io
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import onnx
import torch
from torch import Tensor, nn

OPSET = 20
ANY = torch.export.Dim.DYNAMIC  # a dimension of any length


def export_onnx(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: list[str],
    outputs: list[str],
    lengths: tuple[dict[int, Any], ...] | None = None,
) -> onnx.ModelProto:
    """A module as an ONNX model, without any path of the machine that made it.

    Args:
        module: to export.
        inputs: examples of what it takes.
        names: of the inputs.
        outputs: names of what it gives.
        lengths: of each input, the dimensions whose length may vary, as `{0: ANY}`; None: all are fixed.
    """
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # of PyTorch's exporter, about its own future
        program = torch.onnx.export(
            module.eval(),
            inputs,
            input_names=names,
            output_names=outputs,
            dynamic_shapes=lengths,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.graph.ClearField("value_info")
    model.ClearField("metadata_props")
    for node in model.graph.node:  # stack traces with paths of this machine
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    return model
