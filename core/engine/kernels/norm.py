"""Root-mean-square normalization (Zhang and Sennrich, 2019, arXiv 1910.07467) in few passes over the activations.

Written out in PyTorch's operators it takes six passes forward and about ten backward, each of which goes through
memory; here three and four.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn


class _RMSNorm(torch.autograd.Function):
    """x / sqrt(mean(x²) + eps) · weight along the last dimension of x [.., D]; weight [D]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        scale = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return torch.mul(x, scale).mul_(weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight, scale = ctx.saved_tensors
        grad_weight = (grad * x).mul_(scale).flatten(0, -2).sum(0) if ctx.needs_input_grad[1] else None
        if not ctx.needs_input_grad[0]:
            return None, grad_weight, None
        weighted = grad * weight
        along = torch.linalg.vecdot(weighted, x).unsqueeze(-1).mul_(scale.pow(3)).div_(-x.shape[-1])
        return weighted.mul_(scale).addcmul_(x, along), grad_weight, None


@lru_cache(maxsize=32)
def _fast(kind: type[nn.Module]) -> type[nn.Module]:
    class FastRMSNorm(kind):
        """A model's own layer, computed by `_RMSNorm` on the CPU in float32."""

        def forward(self, x: Tensor) -> Tensor:
            if x.device.type != "cpu" or x.dtype != torch.float32 or self.weight.dtype != torch.float32:
                return super().forward(x)
            return _RMSNorm.apply(x, self.weight, _eps(self))

    return FastRMSNorm


def _eps(layer: nn.Module) -> float | None:
    eps = getattr(layer, "variance_epsilon", getattr(layer, "eps", None))
    return eps if isinstance(eps, float) else None


def install(model: nn.Module) -> None:
    """Give a CPU model's normalization layers their faster class, where it computes the same: decided by trying.

    Gemma's layers, for one, have the same name and add 1 to their weight.
    """
    for layer in model.modules():
        kind = type(layer)
        if kind.__name__.endswith("RMSNorm") and kind.__name__ != "FastRMSNorm" and _computes_the_same(layer):
            layer.__class__ = _fast(kind)  # type: ignore[arg-type]  # mypy: no class of unknown kind is hashable


def _computes_the_same(layer: nn.Module) -> bool:
    weight, eps = getattr(layer, "weight", None), _eps(layer)
    if weight is None or eps is None or weight.dim() != 1 or weight.dtype != torch.float32:
        return False
    if weight.device.type != "cpu":
        return False
    with torch.no_grad():
        # Values so small that eps counts too.
        x = torch.sin(torch.arange(3.0 * len(weight))).view(3, -1) * torch.tensor([[1.0], [10.0], [eps**0.5]])
        return torch.allclose(layer(x), _RMSNorm.apply(x, weight, eps), rtol=1e-5, atol=1e-6)
