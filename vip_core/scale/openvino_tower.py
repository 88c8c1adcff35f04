"""An image tower run by OpenVINO on a CPU: in float32 as fast as PyTorch in bfloat16, and exact."""

import hashlib
import threading
from pathlib import Path

import openvino
import torch
from torch import Tensor, nn

from vip_core.errors import UsageError
from vip_core.models.backbone import Backbone
from vip_core.models.onnx_export import ANY, export_onnx
from vip_core.utils.console import console
from vip_core.utils.files import atomic_together, tensor_bytes
from vip_core.utils.paths import cache_folder


class OpenVinoTower:
    """Features of pixels, as `Backbone.encode_images` gives them in float32. Threads may share one.

    Exporting the tower takes up to a minute; the file is cached.

    Args:
        backbone: on the CPU.
        threads: that call it at the same time; each computes on one core.

    Raises:
        UsageError: the backbone is on a GPU, or its tower cannot be exported.
        StorageError: the cache cannot be written.
    """

    def __init__(self, backbone: Backbone, threads: int):
        if backbone.device.type != "cpu":
            raise UsageError("--runtime openvino computes on the CPU; set VIP_DEVICE=cpu, or leave --runtime out.")
        core = openvino.Core()
        model = core.read_model(_exported(backbone).read_bytes())
        options = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads}
        self._compiled = core.compile_model(model, "CPU", options)
        self._own = threading.local()  # a request of each thread

    def __call__(self, pixels: Tensor) -> Tensor:
        """Features (B, D) of pixels (B, 3, H, W)."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        features = self._own.request.infer([pixels.contiguous().numpy()])[0]
        return torch.from_numpy(features.copy())  # the request writes its next result into the same memory


class _Features(nn.Module):
    def __init__(self, clip: nn.Module):
        super().__init__()
        self.clip = clip

    def forward(self, pixels: Tensor) -> Tensor:
        return self.clip.encode_image(pixels)  # type: ignore[operator]


def _exported(backbone: Backbone) -> Path:
    """The tower as an ONNX file in the cache."""
    weights = hashlib.sha256(tensor_bytes(backbone.clip.visual.state_dict())).hexdigest()[:16]
    path = cache_folder() / "openvino" / f"{backbone.fingerprint}-{weights}-{torch.__version__}.onnx"
    if path.is_file():
        return path
    console.print("Exporting the image tower for OpenVINO; this is done once.")
    pixels = torch.zeros(2, 3, *backbone.image_size)
    try:
        model = export_onnx(_Features(backbone.clip), (pixels,), ["pixels"], ["features"], ({0: ANY},))
    except (RuntimeError, torch.onnx.OnnxExporterError) as error:
        raise UsageError(f"The image tower of {backbone.name} cannot be exported; leave --runtime out.") from error
    atomic_together(path.parent, {path.name: model.SerializeToString()})
    return path
