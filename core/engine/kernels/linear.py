"""Linear layers and LoRA on a CPU in float32, with matrix products by the faster library and few passes over the
activations.

PyTorch sends float32 products to MKL, which on AMD processors with AVX-512 leaves half of the vector width unused;
oneDNN, which PyTorch brings too, uses all of it. Measured on two cores of an AMD EPYC with AVX-512, 260 x 576 by
576 x 1536: 163 GFLOP/s against 352. Where there is AVX2 alone, MKL is the faster one: over a layer's products of the
starter model 68 against 61 on one core, 1,450 nodes. Both compute in float32 throughout.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias: x [T, in], weight [out, in] (any strides), on the CPU in float32. No gradient."""
    if not takes_onednn():
        return torch.nn.functional.linear(x, weight, bias)
    if not weight.is_contiguous() and not weight.t().is_contiguous():
        weight = weight.contiguous()  # for other strides oneDNN has plain loops only, a thousand times slower
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@lru_cache(maxsize=1)
def takes_onednn() -> bool:
    """Are products oneDNN's? Not where the processor has AVX2 alone, or this PyTorch lacks the operator that its own
    compiler uses: that is tried once, on a small product.

    Not decided by timing: a resumed run must compute with what it began with.
    """
    if torch.backends.cpu.get_cpu_capability() == "AVX2":
        return False
    operator = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if operator is None or not torch.backends.mkldnn.is_available():
        return False
    x, weight = torch.ones(2, 3), torch.ones(4, 3)
    try:
        return bool((operator(x, weight, None, "none", [], "") == 3).all())
    except (RuntimeError, TypeError):
        return False  # another release, with another signature


class _Linear(torch.autograd.Function):
    """x @ weight.T + bias with both of its products by `product`; x [T, in].

    Whoever calls it gives the result its shape: a view that a function made cannot be changed in place, which some
    models do (Gemma 3n).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x if weight.requires_grad else None, weight)
        return product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        need_x, need_weight, need_bias = ctx.needs_input_grad
        return (
            product(g, weight.t()) if need_x else None,
            product(g.t(), x.t()) if need_weight else None,
            g.sum(0) if need_bias else None,
        )


class _Lora(torch.autograd.Function):
    """x W' + bias + scale · (x A') B', where W and bias are frozen: one pass over x less than adding two layers.

    x [T, in]; weight W [out, in]; A [r, in]; B [out, r].
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        inner = product(x, a).mul_(scale)
        ctx.save_for_backward(x, weight, a, b, inner)
        ctx.scale = scale
        return product(x, weight, bias).addmm_(inner, b.t())

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, inner = ctx.saved_tensors
        back = product(g, b.t()).mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = product(g, weight.t()).addmm_(back, a)
        return grad_x, None, None, product(back.t(), x.t()), product(inner.t(), g.t()).t(), None


def _in_rows(x: Tensor) -> Tensor:
    """[.., n] → [T, n]"""
    return x.reshape(-1, x.shape[-1])


def _suits(x: Tensor, weight: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.numel() > 0
    )


class FastLinear(nn.Linear):
    """nn.Linear whose products are `product`'s."""

    def forward(self, x: Tensor) -> Tensor:
        if not _suits(x, self.weight):
            return super().forward(x)
        return _Linear.apply(_in_rows(x), self.weight, self.bias).view(*x.shape[:-1], len(self.weight))


def _fast_lora(kind: type[nn.Module]) -> type[nn.Module]:
    class FastLora(kind):
        """PEFT's LoRA layer; the plain case (one active adapter without variant or dropout) in one piece."""

        def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            base = self.get_base_layer()
            names = [name for name in self.active_adapters if name in self.lora_A]
            plain = (
                not args
                and not kwargs
                and not self.disable_adapters
                and not self.merged
                and len(names) == 1
                and names[0] not in self.lora_variant
                and isinstance(base, FastLinear)
                and not base.weight.requires_grad
                and _suits(x, base.weight)
            )
            if not plain:
                return super().forward(x, *args, **kwargs)
            name = names[0]
            a, b, dropout = self.lora_A[name], self.lora_B[name], self.lora_dropout[name]
            if a.weight.dtype != x.dtype or b.bias is not None or (self.training and getattr(dropout, "p", 0)):
                return super().forward(x)
            out = _Lora.apply(_in_rows(x), base.weight, base.bias, a.weight, b.weight, self.scaling[name])
            return out.view(*x.shape[:-1], len(base.weight))

    return FastLora


@lru_cache(maxsize=1)
def _lora_kinds() -> tuple[type[nn.Module], type[nn.Module]]:
    from peft.tuners.lora import Linear

    return Linear, _fast_lora(Linear)


def install(model: nn.Module) -> None:
    """Give linear and LoRA layers their faster class, where the weights are float32 on the CPU."""
    plain_lora, fast_lora = _lora_kinds()
    for module in model.modules():
        # Only the very classes: a quantized layer is a subclass with weights of another kind.
        if type(module) is nn.Linear and module.weight.dtype == torch.float32 and module.weight.device.type == "cpu":
            module.__class__ = FastLinear
        elif type(module) is plain_lora:
            module.__class__ = fast_lora
