"""Which processor to run on, and whether bfloat16 is fast there."""

import os

import torch

from vip_core.errors import UsageError


def best_device() -> torch.device:
    """CUDA where present, else Apple's MPS, else the CPU; or what VIP_DEVICE names.

    Raises:
        UsageError: if VIP_DEVICE names none that is here.
    """
    if name := os.environ.get("VIP_DEVICE"):
        try:
            return torch.empty(0, device=name).device
        except (RuntimeError, AssertionError) as error:  # the latter where torch was built without CUDA
            raise UsageError(f"VIP_DEVICE={name} is no device of this machine; give cpu, cuda or mps.") from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def fast_bf16(device: torch.device) -> bool:
    """True where bfloat16 autocast of an image tower is faster than float32, not merely possible."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # Emulated bf16 is slower than fp32, so ask for the instructions themselves.
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return False
