"""The kinds of jobs: which process does each, and what it is given."""

from __future__ import annotations

WORKERS = {
    "train": "core.training.worker",
    "evaluate": "core.evaluation.worker",
    "chat": "core.chat.worker",
    "judge": "core.judge.worker",
    "augment": "core.augmentation.worker",
}
BESIDE = ("judge", "augment")
"""Kinds that ask an endpoint: they wait in no queue, and that they wait for an answer is their work."""


ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
"""For glibc: a process that trains or measures keeps the memory that a step frees, and the next step need not ask for
it page by page.

Measured on two cores with the starter model, in tokens/s: TRL's packed batches, whose logits are large, 154 without
and 192 with it; ours, which have few large tensors, 700 either way.
"""
