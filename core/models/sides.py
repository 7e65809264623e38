"""Base and tuned on one copy of the weights, and the proof that the base is the base."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.types import Side

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel
from core.files import file_hash
from core.models.loading import load, settings_hashes, weights_hash


@dataclass(frozen=True)
class Sides:
    """What answers as base or as tuned: one copy of the weights, or two models where all weights were trained."""

    model: Any
    """A PeftModel, or the plain model where there is no adapter."""
    proof: dict[str, Any]
    """Evidence that the side called base is the base; see `load_sides`."""
    whole: Any = None
    """The tuned model where all weights were trained: `model` is then the base."""

    @contextmanager
    def use(self, side: Side) -> Iterator[Any]:
        """The model as that side. Not to be used from two threads at once: the switch is a state of the model."""
        if self.whole is not None:
            yield self.whole if side == "tuned" else self.model
        elif side == "tuned" or not hasattr(self.model, "disable_adapter"):
            yield self.model
        else:
            with self.model.disable_adapter():
                yield self.model


PROBE_IDS = (5, 17, 42, 99, 7, 230, 11, 3)


def is_trained(adapter: Path) -> bool:
    """Does the folder hold what a run trained: an adapter, or a whole model?"""
    return (
        (adapter / "adapter_config.json").is_file()
        or (adapter / "model.safetensors.index.json").is_file()
        or (adapter / "model.safetensors").is_file()
    )


def load_sides(
    model: str,
    adapter: Path,
    models: Path,
    revision: str | None = None,
    trained_on: str | None = None,
    quantization: str = "none",
    trained_with: Mapping[str, str] | None = None,
) -> Sides:
    """Load base and adapter, and prove that switching the adapter off gives the plain model.

    The proof compares logits on a fixed probe: the plain model before the adapter exists, and the base side after. It
    records the weights' hash, the adapter's hash, and whether the tuned side differs. `adapter` may hold a whole
    model: then the base is a model of its own. Raises UserError when base and plain model differ, when the adapter
    belongs to another base, or when the weights are not those of hash `trained_on`, or the files beside them not those
    of the hashes `trained_with`, which the run recorded.
    """
    import torch

    base = load(model, models, revision, quantization)
    ids = torch.tensor([[i % base.config.get_text_config().vocab_size for i in PROBE_IDS]], device=base.device)
    weights = weights_hash(model, models, revision)
    if trained_on and trained_on not in (weights, _hash_of_tensors(base) if trained_on != weights else ""):
        raise UserError(
            f"The base model has changed since the run: its weights' SHA-256 begins {weights[:12]}; the run was made "
            f"on {trained_on[:12]}. Put the old weights back, or train again."
        )
    settings = settings_hashes(model, models, revision)
    _require_the_same(settings, trained_with or {})
    with torch.no_grad():
        plain = base(input_ids=ids, use_cache=False).logits
    if is_trained(adapter) and not (adapter / "adapter_config.json").is_file():
        return _two_models(base, adapter, ids, plain, {"base_weights_sha256": weights, "base_settings": settings})
    both = _with_adapter(base, adapter, ids)
    sides = Sides(both, {})
    with torch.no_grad():
        with sides.use("base"):
            off = both(input_ids=ids, use_cache=False).logits
        on = both(input_ids=ids, use_cache=False).logits[:, -ids.shape[1] :]  # prompt tuning puts tokens before
    difference = (off - plain).abs().max().item()
    if difference != 0.0:
        raise UserError(
            f"With the adapter switched off the model differs from the plain base by {difference:.2g}: its training "
            "rewrote base weights. This run cannot be compared on one copy of the weights."
        )
    proof = {
        "base_weights_sha256": weights,
        "base_settings": settings,
        "adapter_sha256": adapter_hash(adapter),
        "copies": 1,
        "adapter_off_equals_plain_model": True,
        "largest_logit_difference_base_to_plain": difference,
        "largest_logit_difference_tuned_to_base": (on - off).abs().max().item(),
        "active_adapters": {"base": [], "tuned": list(both.active_adapters)},
    }
    return Sides(both, proof)


def _require_the_same(settings: dict[str, str], trained_with: Mapping[str, str]) -> None:
    """Raises UserError where a file that decides what the base computes is not what it was when the run was made."""
    names = sorted({*settings, *trained_with} - {"generation_config.json"}) if trained_with else []
    for name in names:
        if settings.get(name) != trained_with.get(name):
            how = "changed" if name in settings and name in trained_with else "came" if name in settings else "went"
            raise UserError(
                f"The base model is not what the run was made on: its {name} has {how} since. The weights alone do not "
                "say what a model computes. Put the old file back, or train again."
            )


def virtual_tokens(model: Any) -> int:
    """Places of the context that prompt or prefix tuning takes, on whichever side the model is; else 0."""
    configs = getattr(model, "peft_config", {}).values()
    return sum(getattr(config, "num_virtual_tokens", None) or 0 for config in configs)


def _two_models(
    base: PreTrainedModel, folder: Path, ids: torch.Tensor, plain: torch.Tensor, of_base: dict[str, Any]
) -> Sides:
    """Base and tuned as two models: where all weights were trained there is no adapter to switch off."""
    import torch

    tuned = load(str(folder), folder)
    shapes = [{name: tuple(p.shape) for name, p in m.named_parameters()} for m in (base, tuned)]
    name = next((n for n in (*shapes[0], *shapes[1]) if shapes[0].get(n) != shapes[1].get(n)), None)
    if name:
        here, there = (shape.get(name, "missing") for shape in shapes)
        raise UserError(
            f"The model was trained from another base: {name} is {here} here, {there} there. "
            "Choose the base model it was trained from."
        )
    with torch.no_grad():
        on = tuned(input_ids=ids, use_cache=False).logits
    proof = {
        **of_base,
        "adapter_sha256": adapter_hash(folder),
        "copies": 2,
        "largest_logit_difference_base_to_plain": 0.0,
        "largest_logit_difference_tuned_to_base": (on - plain).abs().max().item(),
        "active_adapters": {"base": [], "tuned": ["whole model"]},
    }
    return Sides(base, proof, tuned)


def _with_adapter(base: PreTrainedModel, adapter: Path, ids: torch.Tensor) -> PeftModel:
    """The base with its adapter. Raises UserError where the adapter is of another base, whatever its kind."""
    import torch
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    from core.engine import kernels

    check_adapter_fits(base, adapter)
    advice = "Choose the base model it was trained on."
    try:
        both = PeftModel.from_pretrained(base, str(adapter)).eval()
        kernels.install(both)
        with torch.no_grad():
            both(input_ids=ids, use_cache=False)
    except (RuntimeError, ValueError) as e:
        why = " ".join(str(e).split())[:300]
        raise UserError(f"The adapter was trained on another base: it does not fit here ({why}). {advice}") from e
    # PEFT only warns of weights that are missing or left over: those of other layers.
    with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        odd = sorted(set(file.keys()) ^ set(get_peft_model_state_dict(both)))
    if odd:
        raise UserError(f"The adapter was trained on another base: {odd[0]} is in only one of the two. {advice}")
    return both


def check_adapter_fits(base: PreTrainedModel, adapter: Path) -> None:
    """Refuse an adapter whose shapes do not fit the base's, before PEFT fails half-way with shapes in a traceback."""
    from safetensors import safe_open

    if not (adapter / "adapter_config.json").is_file():
        raise UserError(f"There is no adapter in {adapter.name}: adapter_config.json is missing. Finish a run first.")
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    layers = base.config.get_text_config().num_hidden_layers
    if config.get("num_layers", layers) not in (layers, None):  # a prompt or prefix says how many it was made for
        raise UserError(
            f"The adapter was trained on another base, of {config['num_layers']} layers; here are {layers}. "
            "Choose the base model it was trained on."
        )
    shapes = {name: tuple(p.shape) for name, p in base.named_parameters()}
    # Quantized weights are stored in a row; their layers know the shape.
    widths = {f"{name}.weight": (m.out_features, m.in_features) for name, m in base.named_modules() if _is_linear(m)}
    # GPT-2's layers keep theirs transposed.
    turned = {f"{name}.weight": (m.nf, m.nx) for name, m in base.named_modules() if {"nf", "nx"} <= set(vars(m))}
    shapes |= widths | turned
    with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        for key in file.keys():  # noqa: SIM118 (no dict)
            name = key.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
            if ".lora_A." not in key or name not in shapes:
                continue
            width = file.get_slice(key).get_shape()[1]
            if width != shapes[name][1]:
                raise UserError(
                    f"The adapter was trained on another base: {name} is {shapes[name][1]} wide here, {width} there. "
                    "Choose the base model it was trained on."
                )


def _is_linear(module: torch.nn.Module) -> bool:
    return hasattr(module, "in_features") and hasattr(module, "out_features")


def _hash_of_tensors(model: PreTrainedModel) -> str:
    """What the first runs recorded instead: SHA-256 over names, shapes and bytes of the loaded weights."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(memoryview(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()))
    return digest.hexdigest()


def adapter_hash(adapter: Path) -> str:
    """SHA-256 over the configuration and the weights that a run trained."""
    digest = hashlib.sha256()
    whole = not (adapter / "adapter_config.json").is_file()
    config = json.loads((adapter / ("config.json" if whole else "adapter_config.json")).read_text(encoding="utf-8"))
    digest.update(json.dumps(config, sort_keys=True).encode())
    for file in sorted(adapter.glob("model*.safetensors" if whole else "adapter_model.safetensors")):
        digest.update(file_hash(file).encode())
    return digest.hexdigest()
