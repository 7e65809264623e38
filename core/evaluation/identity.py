"""What decides a logit, as far as it can be known: what the proof records, and what kept scores are known by.

Threads are not among it: two or three instead of one change no bit of a score on the CPU, and which rows share a pass
changes it by some 1e-5, which is less than any two of these.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.evaluation.result import Proof
from core.evaluation.spec import EvaluationSpec
from core.models.loading import settings_hashes
from core.models.sides import Sides
from core.records import read
from core.types import Side, content_hash
from core.version import VERSION

LIBRARIES = ("torch", "transformers", "peft")
QUANTIZED = ("bitsandbytes",)
"""Also where weights are quantized."""


def proof_of(sides: Sides, spec: EvaluationSpec) -> Proof:
    """What both sides are, with all that decides what they compute here."""
    device, dtype = where(sides)
    proof = {**sides.proof, "template": spec.template, "quantization": spec.quantization, "dtype": dtype}
    computed_by = {"device": _named(device), **versions(spec.quantization), "kernels": kernels_hash()[:12]}
    return read(Proof, {**proof, "computed_by": computed_by}, "The proof that the base is the base")


def where(sides: Sides) -> tuple[str, str]:
    """Device and precision of the weights, as torch names them."""
    return str(sides.model.device), str(sides.model.dtype).removeprefix("torch.")


def versions(quantization: str) -> dict[str, str]:
    """Library → its version, of those that take part; and ours."""
    versions = {"tunewright": VERSION}
    for name in (*LIBRARIES, *(QUANTIZED if quantization != "none" else ())):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "unknown"
    return versions


@lru_cache(maxsize=1)
def kernels_hash() -> str:
    """SHA-256 over the code that feeds a model and computes in it: between two releases it changes, too."""
    engine = Path(__file__).resolve().parents[1] / "engine"
    digest = hashlib.sha256()
    for path in sorted([*(engine / "kernels").glob("*.py"), engine / "packing.py", engine / "scoring.py"]):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _named(device: str) -> str:
    """The device with its kind: another processor, or another GPU, rounds in another way."""
    import torch

    if device.startswith("cuda"):
        return f"{device.split(':')[0]} {torch.cuda.get_device_name(device)}"
    return f"{device} {torch.backends.cpu.get_cpu_capability()}"


def known_by(side: Side, proof: Proof, tuned_folder: Path) -> str:
    """What a side's scores are kept under: of the base all that decides its logits, of tuned what was trained, too.

    `tuned_folder` is of what was trained: where that is a whole model, it has files of its own.
    """
    base = [proof.base_weights_sha256, proof.base_settings, proof.template, proof.quantization, proof.dtype]
    by = dict(proof.computed_by)
    if side == "base":
        by.pop("peft", None)  # it computes nothing where no adapter is on
        return f"{proof.base_weights_sha256[:20]}-{content_hash([base, by])[:20]}"
    own = settings_hashes(str(tuned_folder), tuned_folder) if proof.copies == 2 else {}
    return content_hash([base, by, proof.adapter_sha256, own])[:20]


def differences(one: Proof, other: Proof) -> list[str]:
    """What of two proofs decides a logit and is not the same, in words. What an older report does not say is no
    difference."""
    named: dict[str, tuple[Any, Any]] = {
        "the base's weights": (one.base_weights_sha256, other.base_weights_sha256),
        "what was trained": (one.adapter_sha256, other.adapter_sha256),
        "the chat template": (one.template, other.template),
        "the quantization": (one.quantization, other.quantization),
        "the precision": (one.dtype, other.dtype),
    }
    for part in ("base_settings", "computed_by"):
        mine, theirs = getattr(one, part), getattr(other, part)
        for name in sorted({*mine, *theirs} if mine and theirs else ()):
            named[name] = mine.get(name, ""), theirs.get(name, "")
    return [name for name, (a, b) in named.items() if a is not None and b is not None and a != b]
