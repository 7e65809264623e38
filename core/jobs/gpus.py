"""Which GPU a worker of one process sees: nvidia-smi is asked, so that no CUDA is opened in the process that asks.

Trainer splits every batch over all GPUs it sees where there is one process (DataParallel), and ours are no rectangles
that can be split. So such a worker sees one GPU: the one with the most free memory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Gpu:
    uuid: str
    free: int
    """Bytes."""
    divided: bool
    """Is it divided into instances (MIG), each with a name of its own? CUDA then shows a process one of them."""


def gpus() -> list[Gpu]:
    """NVIDIA's GPUs of this machine, as nvidia-smi lists them; none where it is not here or does not answer."""
    if not shutil.which("nvidia-smi"):
        return []
    what = "uuid,memory.free,mig.mode.current"
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [gpu for line in answer.splitlines() if (gpu := _read(line))]


def _read(line: str) -> Gpu | None:
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 3 or not parts[0].startswith("GPU-"):
        return None
    # A GPU whose memory is the machine's own says [N/A].
    return Gpu(parts[0], int(parts[1]) * 1024**2 if parts[1].isdigit() else 0, parts[2] == "Enabled")


def one_visible(here: list[Gpu], asked: str | None) -> str | None:
    """What CUDA_VISIBLE_DEVICES should be for a worker of one process; None: as it is.

    `said` is what a person set it to. One device, or none, stays; of several it is one of those: by their memory where
    they are named by UUID, else the first, because CUDA may count in another order than nvidia-smi. GPUs that are
    divided (MIG) are not chosen: with nothing said CUDA shows a process one instance of them by itself.
    """
    named = [name.strip() for name in asked.split(",")] if asked is not None else []
    if asked is not None and len(named) < 2:
        return None
    if any(not name.startswith("GPU-") for name in named):
        return named[0]
    candidates = [g for g in here if not g.divided and (not named or any(g.uuid.startswith(n) for n in named))]
    if named and not candidates:
        return named[0]
    if not named and len(here) < 2:
        return None
    return max(candidates, key=lambda g: g.free).uuid if candidates else None


def chosen() -> dict[str, str]:
    """What to add to a worker's environment so that it sees one GPU; empty where it does already."""
    asked = os.environ.get(VISIBLE)
    one = one_visible(gpus() if asked is None or "," in asked else [], asked)
    return {} if one is None else {VISIBLE: one}
