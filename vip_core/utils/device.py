"""Which processor to run on, and whether bfloat16 is fast there."""

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from vip_core.errors import UsageError

_KINDS = ("cpu", "cuda", "mps", "xpu")  # torch knows others, such as meta, which compute nothing
_CPU_BF16 = frozenset({"avx512_bf16", "amx_tile"})


def best_device() -> torch.device:
    """CUDA where present, else Apple's MPS, else the CPU; or what VIP_DEVICE names.

    Raises:
        UsageError: if VIP_DEVICE names a device that this machine does not have.
    """
    if name := os.environ.get("VIP_DEVICE"):
        try:
            if torch.device(name).type in _KINDS:
                return torch.empty(0, device=name).device
        except (RuntimeError, AssertionError):  # the latter where torch was built without CUDA
            pass
        raise UsageError(f"VIP_DEVICE={name} is not a device of this machine; use cpu, cuda or mps.")
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
        return bool(_CPU_BF16 & _cpu_flags())  # emulated bfloat16 is slower than float32
    return False


def trainable_attention(device: torch.device, trained: bool = True) -> AbstractContextManager[object]:
    """Within it, attention whose gradient is wanted is computed step by step on a CPU; `trained` says whether it is.

    The backward pass of the fused kernel takes as long there as all the rest of a step, for texts as short as symptoms.
    """
    return sdpa_kernel(SDPBackend.MATH) if trained and device.type == "cpu" else nullcontext()


@cache
def _cpu_flags() -> frozenset[str]:
    """The processor's instruction sets as Linux names them; none on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))
