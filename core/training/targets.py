"""Which layers of a model an adapter stands beside, and what is left out of a model's kind, in sentences.

All linear layers but the head, as Dettmers et al. (2023, arXiv 2305.14314) advise, except where that would do harm:
towers that read images or sound, the routers that choose experts (a nudge there moves tokens to other experts; those of
Phi and Llama 4 give more than one tensor, which PEFT does not take), and layers whose weight their parent reads itself,
as the state-space layers of Mamba do: what stands beside such a layer is never asked.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core.models import text
from core.training.method_table import METHODS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WITH_EXPERTS = ("lora", "rslora")
"""Methods that PEFT can put beside tensors of many experts."""
_READ = re.compile(r"self\.(\w+)\.weight\b(?!\.(?:dtype|device))")


@dataclass(frozen=True)
class Targets:
    layers: dict[str, Any]
    """Name → linear layer that gets an adapter."""
    experts: tuple[str, ...]
    """Names of tensors of many experts [experts, in, out] that get one."""
    left_out: tuple[str, ...]
    """What of the model is not trained, or otherwise than the rest, and why: sentences."""


def of(model: PreTrainedModel, method: str) -> Targets:
    """What `method` trains of `model`, which has no adapter yet."""
    family = METHODS[method].family
    notes = []
    part = text.language_part(model)
    if part is not model:
        notes.append("Only its language model is trained; what reads images or sound stays as it is.")
    if family in ("full", "prompt"):
        return Targets({}, (), tuple(notes))
    layers = linear_layers(model)
    routers = {name for name in layers if _chooses_experts(name)}
    unseen = {name for name in layers if _is_read(model, name)} - routers
    renamed = _renamed(model)
    tensors = [name for name, p in part.named_parameters() if p.dim() == 3 and ".experts." in name]
    experts = tuple(sorted({name.rsplit(".experts.")[-1] for name in tensors})) if renamed else ()
    experts = tuple(f"experts.{name}" for name in experts) if method in WITH_EXPERTS else ()
    dense = {name for name in layers if name.rsplit(".", 1)[-1] in renamed and family == "lora"} - routers
    if experts:
        notes.append("Its experts are trained too, without dropout: tensors of many experts cannot have any.")
    elif tensors:
        notes.append("Its experts stay as they are; trained is what every token passes.")
    if routers or tensors:
        notes.append("What chooses the experts stays as it is.")
    if unseen:
        notes.append(
            f"Left out: {_listed(unseen)}. The state-space layers around them read these weights themselves, and "
            "would never ask an adapter beside them."
        )
    if dense:
        notes.append(f"Left out: {_listed(dense)} outside the experts. PEFT takes these names for the experts'.")
    kept = {name: layer for name, layer in layers.items() if name not in routers | unseen | dense}
    return Targets(kept, experts, tuple(notes))


def linear_layers(model: PreTrainedModel) -> dict[str, Any]:
    """Name → linear layer of what writes text, but for the head."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    head, part = model.get_output_embeddings(), text.language_part(model)
    inside = {id(m) for m in part.modules()}
    return {
        name: m
        for name, m in model.named_modules()
        if isinstance(m, nn.Linear | Conv1D) and m is not head and id(m) in inside
    }


def _chooses_experts(name: str) -> bool:
    parts = name.split(".")
    return any(part.endswith("router") or part in ("gate", "shared_expert_gate") for part in parts)


def _is_read(model: PreTrainedModel, name: str) -> bool:
    """Does the state-space layer around this one read its weight itself, in some way of computing that it has?"""
    parent, _, leaf = name.rpartition(".")
    layer: Any = model.get_submodule(parent)
    return hasattr(layer, "A_log") and leaf in _weights_read(type(layer))  # type: ignore[arg-type]


@lru_cache(maxsize=256)
def _weights_read(kind: Any) -> frozenset[str]:
    """Names of the layers whose weight the code of this kind of module uses, other than to ask its type."""
    lines = []
    for each in kind.__mro__:
        if each.__module__.startswith("transformers.models."):
            try:
                lines += inspect.getsource(each).splitlines()
            except (OSError, TypeError):  # installed without its source
                continue
    return frozenset(name for line in lines if "init." not in line for name in _READ.findall(line))


def _renamed(model: PreTrainedModel) -> frozenset[str]:
    """Names that PEFT takes for the experts' of an older release of transformers, wherever they stand.

    Of these kinds `all-linear` means the experts to PEFT, and the router with them.
    """
    from peft.utils.transformers_weight_conversion import _MODEL_TO_CONVERSION_PATTERN, _MOE_TARGET_MODULE_MAPPING

    pattern = _MODEL_TO_CONVERSION_PATTERN.get(model.config.model_type, "")
    return frozenset(_MOE_TARGET_MODULE_MAPPING.get(pattern, ()))


def _listed(names: set[str]) -> str:
    return ", ".join(sorted({name.rsplit(".", 1)[-1] for name in names}))
