"""Rotary position embeddings (Su et al., 2021, arXiv 2104.09864) in few passes over queries and keys.

transformers writes x · cos + (−x₂, x₁) · sin in five operators, of which three copy; here three, and three backward.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

NAME = "apply_rotary_pos_emb"
"""What each model file of transformers calls its function."""
Rotate = Callable[..., tuple[Tensor, Tensor]]


class _Rotary(torch.autograd.Function):
    """x · cos + (−x₂, x₁) · sin for queries and keys [.., L, D]; x₁ and x₂ are the halves of x's last dimension."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(cos, sin)
        return _turned(q, cos, sin), _turned(k, cos, sin)

    @staticmethod
    def backward(ctx: Any, grad_q: Tensor, grad_k: Tensor) -> tuple[Tensor, Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        half = sin.shape[-1] // 2
        # The transpose: each half's sine goes with the half that it was multiplied by.
        back = torch.cat((-sin[..., half:], -sin[..., :half]), -1)
        return _turned(grad_q, cos, back), _turned(grad_k, cos, back), None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    out = x * cos
    out[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
    out[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return out


def _or(own: Rotate) -> Rotate:
    """`own`, computed by `_Rotary` on the CPU in float32."""

    def rotate(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, *others: Any, **named: Any) -> tuple[Tensor, Tensor]:
        suits = (
            not others
            and not named
            and q.device.type == "cpu"
            and q.dtype == k.dtype == cos.dtype == torch.float32
            and q.shape[-1] == k.shape[-1] == cos.shape[-1]  # some models turn a part of each head only
        )
        if not suits:
            return own(q, k, cos, sin, *others, **named)
        return _Rotary.apply(q, k, cos.unsqueeze(1), sin.unsqueeze(1))

    return rotate


@lru_cache(maxsize=32)
def _fast(kind: type[nn.Module]) -> type[nn.Module]:
    """A subclass whose forward pass calls our function; `kind` itself where the model's computes something else.

    The function is a global name of the model's file. It is exchanged for this class only, not in the file, which other
    models of the process use too.
    """
    forward = kind.forward
    own = forward.__globals__.get(NAME)
    if own is None or not _computes_the_same(own):  # None: a method of that name
        return kind
    names = {**forward.__globals__, NAME: _or(own)}
    ours = FunctionType(forward.__code__, names, forward.__name__, forward.__defaults__, forward.__closure__)
    ours.__kwdefaults__ = forward.__kwdefaults__
    return type(f"Fast{kind.__name__}", (kind,), {"forward": ours, "__module__": kind.__module__})


def _computes_the_same(own: Rotate) -> bool:
    q, k = torch.sin(torch.arange(80.0)).view(1, 2, 5, 8), torch.cos(torch.arange(40.0)).view(1, 1, 5, 8)
    # The halves differ, which those of a model do not: it shows which half goes with which.
    cos, sin = torch.cos(torch.arange(40.0) / 9).view(1, 5, 8), torch.sin(torch.arange(40.0) / 7).view(1, 5, 8)
    try:
        theirs = own(q, k, cos, sin)
        return all(torch.allclose(x, y, atol=1e-6) for x, y in zip(theirs, _or(own)(q, k, cos, sin), strict=True))
    except (RuntimeError, TypeError, ValueError, IndexError):
        return False  # another signature


def install(model: nn.Module) -> None:
    """Give a model's attention layers their faster class, where it computes the same: decided by trying."""
    for layer in model.modules():
        code = getattr(type(layer).forward, "__code__", None)
        if code and NAME in code.co_names and not type(layer).__name__.startswith("Fast"):
            layer.__class__ = _fast(type(layer))  # type: ignore[arg-type]  # mypy: no class of unknown kind is hashable
