"""What libraries say about themselves in a job's process, kept out of worker.log: no use to its reader."""

from __future__ import annotations

import logging
import os
import warnings

MESSAGES = {
    # A faster kernel for weights of 4 bits on CPUs with bf16, from the Hub: without it the usual one computes the same.
    "bitsandbytes.backends.cpu.ops": "Failed to load CPU gemm_4bit_forward",
    # How the oldest checkpoint is found: by its number, which is what we want.
    "transformers.trainer_utils": "mtime may not be reliable on this filesystem",
}
"""Logger → how its message begins. Any other message of that logger is let through."""

DEPRECATED = ".*`is_gradient_checkpointing` is deprecated"
"""PEFT 0.21 and TRL 1.16 ask transformers 5 for a property by its old name. To go when they no longer do."""


def keep_out() -> None:
    """To be called before a model library is imported."""
    # A bar is drawn over itself on a terminal; in a file it is a line for each step.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", DEPRECATED, FutureWarning)
    for name, beginning in MESSAGES.items():
        logging.getLogger(name).addFilter(lambda record, begins=beginning: not record.getMessage().startswith(begins))  # type: ignore[misc]
