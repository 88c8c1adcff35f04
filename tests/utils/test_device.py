"""The choice of a device."""

import pytest
import torch

from vip_core.errors import UsageError
from vip_core.utils.device import best_device


@pytest.mark.parametrize("cuda, mps, chosen", [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_best_device_prefers_cuda_then_mps_then_the_processor(monkeypatch, cuda, mps, chosen):
    monkeypatch.delenv("VIP_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device().type == chosen


def test_best_device_is_the_one_that_the_user_names(monkeypatch):
    monkeypatch.setenv("VIP_DEVICE", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert best_device().type == "cpu"


def test_best_device_refuses_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setenv("VIP_DEVICE", "gpu")
    with pytest.raises(UsageError, match="VIP_DEVICE=gpu"):
        best_device()
