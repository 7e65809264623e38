"""The parts of a forward and backward pass that decide how fast training and scoring are, each exact.

`install` puts them into a model; a part that does not suit a layer or a device leaves it as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def install(model: nn.Module) -> None:
    """Faster linear, gated, normalization and rotary layers (CPU, float32) and attention along a tree, in place.

    For the whole process, cuDNN's attention is switched off.

    Idempotent: called again after an adapter was attached, it takes the adapter's layers too. The model's numbers
    stay the same up to the rounding of float32.
    """
    import torch

    from core.engine.kernels import attention, linear, mlp, norm, rotary

    # With a mask cuDNN's backward pass gives queries whose gradient is no number: torch 2.11 to 2.13 on H100 and H200,
    # where rows have 64 tokens beyond a multiple of 128 (https://github.com/pytorch/pytorch/issues/196678, seen in
    # https://github.com/huggingface/trl/issues/7181). PyTorch's own kernels then take over, as fast. To be removed
    # when the oldest torch that we take has it mended.
    torch.backends.cuda.enable_cudnn_sdp(False)
    attention.install(model)
    linear.install(model)
    mlp.install(model)
    norm.install(model)
    rotary.install(model)
