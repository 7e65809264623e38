"""The tuned model at a part of its strength: between the base (0) and what was trained (1).

Weights between those of base and tuned often keep most of what was learnt and lose less elsewhere (WiSE-FT, Wortsman et
al., 2021, arXiv 2109.01903). LoRA, DoRA, IA³ and full fine-tuning: each weight moves that part of its way. OFT: each
block's rotation generator is that part of the trained one, so the model stays a rotation of the base.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.files import write_atomically
from core.models.sides import Sides, adapter_hash, is_trained, load_sides
from core.types import Side

if TYPE_CHECKING:
    import torch

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


def check(adapter: Path) -> str:
    """How the strength of what is in the folder is set, in a sentence. Raises UserError where there is no way."""
    if not (adapter / "adapter_config.json").is_file():
        return "All weights were trained: each is that part of the way from its base value to its tuned one."
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    kind = config["peft_type"]
    if kind in ("PROMPT_TUNING", "PREFIX_TUNING"):
        name = {"PROMPT_TUNING": "Prompt tuning", "PREFIX_TUNING": "Prefix tuning"}[kind]
        raise UserError(
            f"{name} puts virtual tokens before each text. They are there or not: half of them is nothing in between. "
            "Train with LoRA to choose a strength."
        )
    how = {
        "LORA": "The adapter's matrix B is multiplied by the strength.",
        "IA3": "Each factor of the adapter is that part of the way from 1 to what was learnt.",
        "OFT": "Each block is rotated by that part: the generator of its rotation is multiplied by the strength.",
    }
    if kind not in how or config.get("modules_to_save"):
        raise UserError(f"The strength of an adapter of the kind {kind} cannot be set here. Train with LoRA.")
    if config.get("use_dora"):
        return "Each weight is that part of the way from its base value to its tuned one, written as DoRA again."
    return how[kind]


def checked(strength: float) -> float:
    """Raises UserError unless it is a number from 0 to 1."""
    if not 0 <= strength <= 1:
        raise UserError(f"The strength {strength} is not between 0 (the base) and 1 (as trained). Choose one between.")
    return float(strength)


@contextmanager
def at(sides: Sides, strength: float) -> Iterator[Any]:
    """The tuned model at `strength`; afterwards its weights are bit for bit what they were. 0 and 1 change nothing.

    Full fine-tuning: the tuned weights are kept in memory once more meanwhile.
    """
    import torch

    checked(strength)
    if strength in (0.0, 1.0):
        with sides.use("tuned" if strength else "base") as model:
            yield model
        return
    kept: list[tuple[Any, Any]] = []
    try:
        with torch.no_grad():
            for parameter, value in _changes(sides, strength):
                kept.append((parameter, parameter.detach().clone()))
                parameter.copy_(value)
        with sides.use("tuned") as model:
            yield model
    finally:
        with torch.no_grad():
            for parameter, original in kept:
                parameter.copy_(original)


@dataclass(frozen=True)
class Part(Sides):
    """Sides whose tuned side is at a strength: what scores base against tuned then scores that strength."""

    strength: float = 1.0

    @contextmanager
    def use(self, side: Side) -> Iterator[Any]:
        with at(Sides(self.model, self.proof, self.whole), self.strength if side == "tuned" else 0.0) as model:
            yield model


def part(sides: Sides, strength: float) -> Part:
    """`sides` with its tuned side at `strength`; its proof names another adapter, as it is one."""
    proof = {**sides.proof, "adapter_sha256": f"{sides.proof.get('adapter_sha256', '')} at {strength:g}"}
    return Part(sides.model, proof, sides.whole, strength)


def save_at(folder: Path, strength: float, target: Path, models: Path) -> None:
    """Write what the run in `folder` trained, at `strength`, into the new folder `target`: complete or not at all.

    An adapter stays an adapter of its kind, for plain PEFT; a model trained as a whole stays a whole model. Only DoRA
    and whole models need the base, which is then loaded. strength.json says what it was made from. Raises UserError for
    strength 0, which is the base itself, for a method without strengths, and where `target` exists.
    """
    adapter = folder / "adapter"
    if not is_trained(adapter):
        raise UserError("The run has no trained adapter yet. Wait until it has finished, or choose another run.")
    how = check(adapter)
    if not checked(strength):
        raise UserError("At strength 0 there is nothing to save: it is the base itself. Choose more than 0.")
    if target.exists():
        raise UserError(f"{target.name} exists already; nothing was overwritten. Choose another name.")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    weights = shutil.ignore_patterns("*.safetensors", "*.safetensors.index.json", "README.md")
    shutil.copytree(adapter, partial, ignore=weights if strength < 1 else shutil.ignore_patterns("README.md"))
    if strength < 1:
        _write_weights(folder, strength, partial, models)
    document = {"schema": 1, "strength": strength, "of_adapter_sha256": adapter_hash(adapter), "how": how}
    write_atomically(partial / "strength.json", json.dumps(document, indent=2))
    partial.rename(target)


def _write_weights(folder: Path, strength: float, target: Path, models: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    file, config = folder / "adapter" / "adapter_model.safetensors", folder / "adapter" / "adapter_config.json"
    if config.is_file() and not json.loads(config.read_text(encoding="utf-8")).get("use_dora"):
        with safe_open(file, framework="pt") as weights:
            weaker = {key: _weaker(key, weights.get_tensor(key), strength) for key in weights.keys()}  # noqa: SIM118
        save_file(weaker, target / file.name, {"format": "pt"})
        return
    with at(_sides(folder, models), strength) as model:
        if not config.is_file():
            model.save_pretrained(target, safe_serialization=True)
            return
        from peft import get_peft_model_state_dict

        state = {key: value.contiguous().cpu() for key, value in get_peft_model_state_dict(model).items()}
        save_file(state, target / file.name, {"format": "pt"})


def _sides(folder: Path, models: Path) -> Sides:
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    spec = run["spec"]
    quantization = spec["settings"].get("quantization", "none")
    trained_on = run["base_weights_sha256"]
    return load_sides(
        spec["model"], folder / "adapter", models, spec["revision"], trained_on, quantization, run.get("base_settings")
    )


def _changes(sides: Sides, strength: float) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(parameter, what it is at that strength) of all parameters that training changed."""
    if sides.whole is not None:
        base = dict(sides.model.named_parameters())
        for name, tuned in sides.whole.named_parameters():
            begun = base[name].detach().float()
            yield tuned, begun + strength * (tuned.detach().float() - begun)
        return
    for layer in sides.model.modules():
        magnitudes = getattr(layer, "lora_magnitude_vector", None) or {}
        for adapter in magnitudes:
            yield from _weaker_dora(layer, adapter, strength)
    for name, parameter in sides.model.named_parameters():
        owner = name.split(".lora_B.")[0]
        is_dora = ".lora_B." in name and getattr(sides.model.get_submodule(owner), "lora_magnitude_vector", None)
        if not is_dora and any(part in name for part in (".lora_B.", ".lora_embedding_B.", ".ia3_l.", ".oft_R.")):
            yield parameter, _weaker(name, parameter.detach(), strength)


def _weaker(name: str, tensor: torch.Tensor, strength: float) -> torch.Tensor:
    """A tensor of an adapter at that strength, by its name: as in the file, or as in the model."""
    if ".lora_A" in name or ".lora_embedding_A" in name:
        return tensor
    if ".ia3_l" in name:
        return 1 + strength * (tensor - 1)
    if ".lora_B" in name or ".lora_embedding_B" in name or ".oft_R" in name:
        return strength * tensor
    raise UserError(f"The adapter holds {name}, whose strength cannot be set here. Train with LoRA.")


def _weaker_dora(layer: torch.nn.Module, adapter: str, strength: float) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """B and magnitudes m with which DoRA's weight is that part of the way from the base's W to its own.

    DoRA's weight is diag(c) (W + σBA) with c = m / ‖W + σBA‖, row by row. The wanted W + s (diag(c) (W + σBA) − W) is
    diag(e) (W + σB'A) with e = 1 + s (c − 1) and B' = diag(s c / e) B, hence m' = e ‖W + σB'A‖.
    """
    import torch
    from peft.utils.integrations import dequantize_module_weight

    weight = dequantize_module_weight(layer.get_base_layer()).detach().float()
    weight = weight.T if layer.fan_in_fan_out else weight
    a, b = layer.lora_A[adapter].weight.detach().float(), layer.lora_B[adapter].weight.detach().float()
    m, scaling = layer.lora_magnitude_vector[adapter].weight, layer.scaling[adapter]
    norms = lambda matrix: torch.linalg.norm(weight + scaling * matrix @ a, dim=1)  # noqa: E731
    c = m.detach().float() / norms(b)
    e = 1 + strength * (c - 1)
    weaker = (strength * c / e)[:, None] * b
    yield layer.lora_B[adapter].weight, weaker
    yield m, e * norms(weaker)
