"""Which GPU is here and what of its memory is free, without opening it: a page must not take memory of its own there.

torch is asked, in a process that ends; only where nothing looks like a GPU is nobody asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.jobs import gpus
from core.models.process import MODELS

SIGNS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Devices of the drivers of NVIDIA, of AMD, and of Windows' subsystem for Linux."""


@dataclass(frozen=True)
class Hardware:
    gpu: bool = False
    """Is there a GPU that torch can use?"""
    bf16: bool = False
    """Does it compute in bf16 itself? Older ones (a T4, a V100) only emulate it, slowly."""


def hardware() -> Hardware:
    if sys.modules.get("torch"):  # in a worker
        return Hardware(**ask_torch())
    return _asked()


@lru_cache(maxsize=1)
def _asked() -> Hardware:
    if os.name != "nt" and not any(Path(sign).exists() for sign in SIGNS):
        return Hardware()
    return Hardware(**MODELS.call(ask_torch))


def ask_torch(progress: Any = None) -> dict[str, bool]:
    import torch

    gpu = torch.cuda.is_available()
    return {"gpu": gpu, "bf16": gpu and torch.cuda.is_bf16_supported(including_emulation=False)}


def total_memory() -> int:
    """Bytes that a job could take if nothing else ran: of the largest GPU where there is one, else of this machine or
    its container.
    """
    import psutil

    if hardware().gpu and shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.split()
        if sizes := [int(line) for line in answer if line.isdigit()]:
            return max(sizes) * 1024 * 1024
    there = psutil.virtual_memory().total
    try:  # a container may be allowed less than its machine has
        return min(there, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return there


def free_memory() -> int:
    """Bytes that are free on the GPU that a worker would use."""
    visible = gpus.chosen().get(gpus.VISIBLE) or os.environ.get(gpus.VISIBLE, "0")
    first = visible.split(",")[0].strip()
    if shutil.which("nvidia-smi") and not first.startswith("MIG"):
        command = ["nvidia-smi", "-i", first, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
        if answer.isdigit():
            return int(answer) * 1024 * 1024
    code = "import torch; print(torch.cuda.mem_get_info()[0])"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
