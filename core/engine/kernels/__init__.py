"""The parts of a forward and backward pass that decide how fast training and scoring are, each exact.

`install` puts them into a model; a part that does not suit a layer or a device leaves it as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def install(model: nn.Module) -> None:
    """Faster linear, gated, normalization and rotary layers (CPU, float32) and attention along a tree, in place.

    Idempotent: called again after an adapter was attached, it takes the adapter's layers too. The model's numbers
    stay the same up to the rounding of float32.
    """
    from core.engine.kernels import attention, linear, mlp, norm, rotary

    attention.install(model)
    linear.install(model)
    mlp.install(model)
    norm.install(model)
    rotary.install(model)
