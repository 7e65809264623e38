"""What an evaluation is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluationChoice:
    """What an evaluation measures besides the held-out loss."""

    max_rows: int | None = None
    """Test rows to generate for; None: all."""
    max_new_tokens: int = 96
    benchmarks: tuple[str, ...] = ()
    benchmark_items: int = 100
    """Items per benchmark, drawn at random with the seed; the same for both sides."""
    benchmark_folder: str | None = None
    """Folder of benchmark files; None: the Hub."""
    seed: int = 0
    strengths: tuple[float, ...] = ()
    """Parts of the adapter's strength between 0 and 1 to measure too: see core/models/adapter_scaling.py."""
    checkpoints: bool = False
    """Whether the run's checkpoints are measured too."""
    size: str = ""
    """quick | standard | full: how many items per benchmark, in the place of `benchmark_items`."""
    shots: tuple[tuple[str, int], ...] = ()
    """(benchmark, examples shown before each question), where it is not the task's own number."""
    chat_template: bool = False
    """Whether benchmarks' questions are put into the model's chat template, as lm-eval's --apply_chat_template does."""
    early_stop: bool = False
    """Whether a benchmark may stop as soon as the interval of its difference is narrow enough."""
