"""Gated feed-forward layers (Shazeer, 2020, arXiv 2002.05202) without a gradient: what lies between their products.

Written as down(silu(gate(x)) · up(x)), the activation and the multiplication each go through memory once more. Where
nothing is learnt, oneDNN takes both into the products that they follow; beside an adapter they are done in place.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from core.engine.kernels.linear import FastLinear, _suits, takes_onednn


@lru_cache(maxsize=32)
def _fast(kind: type[nn.Module]) -> type[nn.Module]:
    class FastMLP(kind):
        """A model's own layer; scoring and generation on the CPU in float32 take fewer passes over its activations."""

        def forward(self, x: Tensor) -> Tensor:
            if torch.is_grad_enabled() or x.device.type != "cpu" or x.dtype != torch.float32:
                return super().forward(x)
            return self.down_proj(_gated(x, self.gate_proj, self.up_proj))

    return FastMLP


def _gated(x: Tensor, gate: nn.Module, up: nn.Module) -> Tensor:
    """silu(gate(x)) · up(x), without a gradient."""
    first, second = _frozen(gate), _frozen(up)
    if first is None or second is None or not _fuses() or not (_suits(x, first.weight) and _suits(x, second.weight)):
        return nn.functional.silu(gate(x), inplace=True).mul_(up(x))
    flat = x.reshape(-1, x.shape[-1])
    multiply = torch.ops.mkldnn._linear_pointwise
    gated = multiply(flat, first.weight, first.bias, "swish", [], "")
    gated = multiply.binary(flat, gated, second.weight, second.bias, "mul")
    return gated.view(*x.shape[:-1], gated.shape[-1])


def _frozen(layer: nn.Module) -> FastLinear | None:
    """The linear layer that is all of `layer`: an adapter is not there, or switched off."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    if isinstance(layer, BaseTunerLayer) and layer.disable_adapters and not layer.merged:
        layer = layer.get_base_layer()
    return layer if type(layer) is FastLinear else None


@lru_cache(maxsize=1)
def _fuses() -> bool:
    """Does this PyTorch's oneDNN take what follows into its products? Tried once, on a small one."""
    if not takes_onednn():
        return False
    x, weight, other = torch.ones(2, 3), torch.ones(4, 3), torch.full((2, 4), 2.0)
    try:
        operator = torch.ops.mkldnn._linear_pointwise
        swish = operator(x, weight, None, "swish", [], "")
        return bool(
            torch.allclose(swish, nn.functional.silu(torch.full((2, 4), 3.0)))
            and (operator.binary(x, other, weight, None, "mul") == 6).all()
        )
    except (RuntimeError, TypeError, AttributeError):
        return False  # another release, with another signature


def install(model: nn.Module) -> None:
    """Give a CPU model's gated layers their faster class, where it computes the same: decided by trying."""
    for layer in model.modules():
        kind = type(layer)
        if kind.__name__ != "FastMLP" and _is_gated(layer) and _computes_the_same(layer):
            layer.__class__ = _fast(kind)  # type: ignore[arg-type]  # mypy: no class of unknown kind is hashable


def _is_gated(layer: nn.Module) -> bool:
    return all(isinstance(getattr(layer, name, None), nn.Module) for name in ("gate_proj", "up_proj", "down_proj"))


def _computes_the_same(layer: nn.Module) -> bool:
    weight = getattr(layer.gate_proj, "weight", None)
    if weight is None or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return False
    x = torch.sin(torch.arange(3.0 * weight.shape[1])).view(1, 3, -1)
    with torch.no_grad():
        down = layer.down_proj(_gated(x, layer.gate_proj, layer.up_proj))
        own = layer(x)
        # Rounding grows with the largest of what is summed, not with each sum.
        return bool((own - down).abs().max() <= 1e-5 * own.abs().max())
