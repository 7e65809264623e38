"""From the settings to a trainable model, and from the trained one to files. Each method is PEFT's, or all weights.

Adapters leave the base's weights as they are, so base and tuned share one copy in memory. PiSSA is the exception while
it trains; it is saved as the LoRA adapter of the true base that equals it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.training.spec import LORA_LIKE, TrainSettings
from core.types import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def attach(model: PreTrainedModel, settings: TrainSettings, initialise: bool = True) -> Any:
    """The model with what is to be trained: a fresh adapter on every linear layer but the head, or its own weights.

    LoRA (Hu et al., 2021, arXiv 2106.09685) on all linear layers as Dettmers et al. (2023, arXiv 2305.14314) advise;
    rsLoRA (2312.03732), DoRA (2402.09353), PiSSA (2404.02948), IA³ (2205.05638), OFT (2306.07280), prompt tuning
    (2104.08691), prefix tuning (2101.00190). `initialise=False` skips PiSSA's decomposition, for counting on a model
    without weights. Raises UserError for what does not go together.
    """
    check(settings)
    if settings.quantization != "none":
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    if settings.method == "full":
        return _unfreeze(model, settings.frozen_layers)
    from peft import get_peft_model

    try:
        return get_peft_model(model, _config(model, settings, initialise))
    except ValueError as e:
        raise UserError(f"{settings.method} does not suit this model: {str(e)[:300]} Choose LoRA.") from e


def _config(model: PreTrainedModel, settings: TrainSettings, initialise: bool):
    import peft

    common = {"task_type": "CAUSAL_LM"}
    linear = {**common, "target_modules": "all-linear"}
    if settings.method in LORA_LIKE:
        return peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            use_rslora=settings.method == "rslora",
            use_dora=settings.method == "dora",
            # Seeded by the run: a resumed run takes the same part out of the weights.
            init_lora_weights="pissa_niter_16" if settings.method == "pissa" and initialise else True,
            **linear,
        )
    if settings.method == "ia3":
        return peft.IA3Config(
            **common
        )  # PEFT knows the paper's layers of each architecture, and says where it does not
    if settings.method == "oft":
        return peft.OFTConfig(oft_block_size=settings.block_size, module_dropout=settings.dropout, **linear)
    if settings.method == "prompt":
        return peft.PromptTuningConfig(num_virtual_tokens=settings.virtual_tokens, **common)
    return peft.PrefixTuningConfig(num_virtual_tokens=settings.virtual_tokens, **common)


def _unfreeze(model: PreTrainedModel, frozen_layers: int) -> PreTrainedModel:
    """All weights but the embeddings (and a head tied to them) and the first layers; with 0, all."""
    model.requires_grad_(True)
    if not frozen_layers:
        return model
    layers = next(m for _, m in model.named_modules() if type(m).__name__ == "ModuleList")
    if frozen_layers >= len(layers):
        raise UserError(f"{frozen_layers} layers are to stay frozen, but the model has {len(layers)}. Choose fewer.")
    model.get_input_embeddings().requires_grad_(False)
    for layer in layers[:frozen_layers]:
        layer.requires_grad_(False)
    return model


def keep_start(model: Any, folder: Path, settings: TrainSettings) -> None:
    """Keep what PiSSA began with, in `folder`, once: its end is saved as the difference to it."""
    if settings.method != "pissa" or (folder / "adapter_config.json").is_file():
        return
    config = model.peft_config["default"]
    named, config.init_lora_weights = config.init_lora_weights, True
    model.save_pretrained(folder, safe_serialization=True)
    config.init_lora_weights = named


def save(model: Any, folder: Path, settings: TrainSettings, start: Path) -> None:
    """Write the adapter, or the whole model, as safetensors into `folder`; `start` is what `keep_start` wrote."""
    if settings.method == "pissa":
        model.save_pretrained(folder, safe_serialization=True, path_initial_model_for_weight_conversion=str(start))
    else:
        model.save_pretrained(folder, safe_serialization=True)


def parameters(model: Any) -> tuple[int, int]:
    """(trained, all) parameters."""
    if hasattr(model, "get_nb_trainable_parameters"):
        return model.get_nb_trainable_parameters()
    counts = [(p.numel() if p.requires_grad else 0, p.numel()) for p in model.parameters()]
    return sum(t for t, _ in counts), sum(n for _, n in counts)


def check(settings: TrainSettings) -> None:
    """Raise UserError for settings that cannot go together, before anything is loaded."""
    if settings.quantization != "none" and settings.method in ("full", "pissa"):
        raise UserError(
            "Full fine-tuning and PiSSA change the base's own weights, which are quantized here. Choose LoRA, or leave "
            "the base weights as they are."
        )
