"""What a run will need. Rough on purpose, and said so: a range, from the parameters, not a promise."""

from __future__ import annotations


def training_memory_gb(parameters_m: float, tokens_per_forward: int, on_gpu: bool) -> tuple[float, float]:
    """Gigabytes for LoRA training, low and high: weights (bf16 on a GPU, float32 on a CPU) plus activations.

    Activations are taken as 14 to 34 values of hidden size per token and layer (Korthikanti et al., 2022, arXiv
    2205.05198, without recomputation), with hidden size × layers estimated from the parameter count.
    """
    width = 2 if on_gpu else 4
    weights = parameters_m * 1e6 * width
    hidden_layers = 17_000 * (parameters_m / 135) ** 0.6  # hidden size × layers; 576 × 30 for 135M
    low, high = (weights + tokens_per_forward * hidden_layers * k * width for k in (14, 34))
    return low / 1e9 + 0.3, high / 1e9 + 0.8
