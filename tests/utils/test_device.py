"""The device: the fastest one that is available, or the one that VIP_DEVICE names."""

import pytest
import torch

from vip_core.errors import UsageError
from vip_core.utils.device import best_device


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_best_device_prefers_cuda_then_mps(monkeypatch, cuda, mps, expected):
    monkeypatch.delenv("VIP_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device().type == expected


def test_best_device_is_what_the_variable_names(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("VIP_DEVICE", "cpu")
    assert best_device().type == "cpu"


@pytest.mark.parametrize("name", ["meta", "tpu", "cuda:99", "a b"])
def test_best_device_refuses_what_cannot_compute_here(monkeypatch, name):
    monkeypatch.setenv("VIP_DEVICE", name)
    with pytest.raises(UsageError, match="is not a device of this machine; use cpu, cuda or mps"):
        best_device()
