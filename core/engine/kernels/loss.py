"""The loss of next tokens, without a second copy of the logits: [P, V] is the largest thing of a pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _SummedCrossEntropy(torch.autograd.Function):
    """As torch's cross_entropy(reduction="sum"), with the gradient written over the log-probabilities."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> Tensor:
        logprobs = torch.log_softmax(logits, dim=1)
        ctx.save_for_backward(logprobs, target)
        return -logprobs.gather(1, target[:, None]).sum()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        logprobs, target = ctx.saved_tensors
        probabilities = logprobs.exp_()
        probabilities[torch.arange(len(target), device=target.device), target] -= 1
        return probabilities.mul_(grad), None


def summed_cross_entropy(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Sum over P pairs of −log p(target): logits float32 [P, V], target int64 [P]. Backward may run once.

    `smoothing` mixes the target with all tokens alike (Szegedy et al., 2016, arXiv 1512.00567).
    """
    if smoothing:
        return torch.nn.functional.cross_entropy(logits, target, reduction="sum", label_smoothing=smoothing)
    return _SummedCrossEntropy.apply(logits, target)
