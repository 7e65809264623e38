"""Products go another way with AVX-512 than with AVX2 alone: both are tried on whatever processor there is."""

from __future__ import annotations

import pytest
import torch

from core.engine.kernels import linear, mlp


@pytest.fixture(params=["AVX2", "AVX512"])
def capability(request, monkeypatch):
    """What PyTorch says that the processor can do, while a test runs."""
    forget = (linear.takes_onednn.cache_clear, mlp._fuses.cache_clear)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: request.param)
    for clear in forget:
        clear()
    yield request.param
    monkeypatch.undo()
    for clear in forget:
        clear()
