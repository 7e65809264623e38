"""From the settings to a trainable model, and from the trained one to files. Each method is PEFT's, or all weights.

Adapters leave the base's weights as they are, so base and tuned share one copy in memory. PiSSA is the exception while
it trains; it is saved as the LoRA adapter of the true base that equals it.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.files import partial_of
from core.models import text
from core.models.hardware import hardware
from core.training import targets
from core.training.method_table import METHODS
from core.training.settings import PREFERENCE, PROMPT_LIKE, TrainSettings

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel


def check(settings: TrainSettings) -> None:
    """Raise UserError for settings that cannot go together, before anything is loaded."""
    if settings.processes > 1 and settings.objective in PREFERENCE:
        raise UserError("Preference training runs in one process. Set Processes to 1.")
    if settings.batch_size % settings.processes:
        size, count = settings.batch_size, settings.processes
        raise UserError(
            f"{count} processes cannot share a batch of {size} rows evenly. Set Batch size to "
            f"{math.ceil(size / count) * count}, or choose another number of processes."
        )
    if settings.method == "prefix" and settings.activation_checkpointing == "yes":
        # transformers drops a given cache when it computes a layer again, and the prefix is one.
        raise UserError("Prefix tuning cannot recompute activations. Choose No there, or another method.")
    why = METHODS[settings.method].not_quantized
    if settings.quantization != "none" and why:
        raise UserError(f"{why} Choose LoRA, or the base weights as they are.")
    if (settings.method, settings.quantization) == ("dora", "8bit") and not hardware().gpu:
        # PEFT 0.21 loses the scales of 8-bit weights on a CPU when DoRA reads them.
        raise UserError("DoRA on weights of 8 bits needs a GPU, which is not here. Choose 4 bits, or LoRA.")


def attach(model: PreTrainedModel, settings: TrainSettings, initialise: bool = True, start: Path | None = None) -> Any:
    """The model with what is to be trained: a fresh adapter on every linear layer but the head, or its own weights.

    LoRA (Hu et al., 2021, arXiv 2106.09685) on all linear layers as Dettmers et al. (2023, arXiv 2305.14314) advise;
    rsLoRA (2312.03732), DoRA (2402.09353), PiSSA (2404.02948), IA³ (2205.05638), OFT (2306.07280), prompt tuning
    (2104.08691), prefix tuning (2101.00190). `initialise=False` skips what reads the weights, for counting on a model
    without any. `start` is the folder of what PiSSA begins with: written once, and taken again when a run is resumed.
    Raises UserError for what does not go together or does not suit the model.
    """
    check(settings)
    label = METHODS[settings.method].label
    if settings.method == "full":
        return _unfreeze(model, settings.frozen_layers)
    if settings.method == "pissa":
        _check_rank(model, settings.rank)
    if settings.method == "oft":
        _check_blocks(model, settings.block_size)
    from peft import get_peft_model, prepare_model_for_kbit_training

    if settings.quantization != "none":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    kept = settings.method == "pissa" and start is not None and (start / "adapter_model.safetensors").is_file()
    try:
        attached = get_peft_model(model, _config(model, settings, initialise and not kept))
        if settings.method in PROMPT_LIKE:
            _begin_virtual(attached, settings)
    except (ValueError, TypeError, RuntimeError, AttributeError, IndexError, AssertionError) as e:
        why = " ".join(str(e).split())[:300]
        raise UserError(f"{label} does not suit this model: {why} {_instead(settings)}") from e
    if settings.dropout and METHODS[settings.method].family == "lora":
        _drop_out(attached, settings.dropout)
    if kept and start is not None:
        _take_out(attached, start)
    elif settings.method == "pissa" and start is not None:
        _keep_start(attached, start)
    return attached


def _instead(settings: TrainSettings) -> str:
    """What to choose where the method does not suit the model: never what is chosen."""
    return "Choose another model." if settings.method == "lora" else "Choose LoRA."


def _config(model: PreTrainedModel, settings: TrainSettings, initialise: bool) -> PeftConfig:
    import peft

    common = {"task_type": "CAUSAL_LM"}
    family = METHODS[settings.method].family
    chosen = targets.of(model, settings.method)
    linear = {**common, "target_modules": list(chosen.layers)}
    if family == "lora":
        return peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=0.0 if chosen.experts else settings.dropout,
            use_rslora=settings.method == "rslora",
            use_dora=settings.method == "dora",
            init_lora_weights="pissa_niter_16" if settings.method == "pissa" and initialise else True,
            target_parameters=list(chosen.experts) or None,
            **linear,
        )
    if family == "ia3":
        return peft.IA3Config(**common, **_scaled_layers(model, chosen.layers))
    if family == "oft":
        return peft.OFTConfig(oft_block_size=settings.block_size, module_dropout=settings.dropout, **linear)
    if settings.method == "prompt":
        # Embeddings of tokens drawn with the seed: far better than noise (Lester et al., 2021, section 3.2).
        start = "SAMPLE_VOCAB" if initialise else "RANDOM"
        return peft.PromptTuningConfig(num_virtual_tokens=settings.virtual_tokens, prompt_tuning_init=start, **common)
    return peft.PrefixTuningConfig(num_virtual_tokens=settings.virtual_tokens, **common)


def _drop_out(model: Any, share: float) -> None:
    """Give every linear layer with LoRA its dropout, also where PEFT was told of none because of experts beside them.

    PEFT has one dropout for all of an adapter, and refuses any for tensors of many experts.
    """
    from peft.tuners.lora import LoraLayer
    from peft.tuners.lora.layer import ParamWrapper
    from torch import nn

    for layer in model.modules():
        if isinstance(layer, LoraLayer) and not isinstance(layer, ParamWrapper):
            layer.lora_dropout["default"] = nn.Dropout(share)


def _scaled_layers(model: PreTrainedModel, layers: dict[str, Any]) -> dict[str, list[str]]:
    """The paper's layers (keys, values, end of the feed-forward part): PEFT knows them of most architectures."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as KNOWN

    if model.config.model_type in KNOWN:
        return {}
    ends = ("down_proj", "dense_4h_to_h", "fc2", "output_linear")
    scaled = ("k_proj", "v_proj", "query_key_value", "qkv_proj", "Wqkv")
    chosen = [name for name in layers if name.rsplit(".", 1)[-1] in (*scaled, *ends)]
    if not chosen:
        raise ValueError("It has no layers by the names that keys, values and feed-forward parts usually have.")
    return {"target_modules": chosen, "feedforward_modules": [n for n in chosen if n.endswith(ends)]}


def _check_rank(model: PreTrainedModel, rank: int) -> None:
    name, most = min(
        ((n, min(m.weight.shape)) for n, m in targets.of(model, "pissa").layers.items()), key=lambda layer: layer[1]
    )
    if rank > most:
        raise UserError(f"Adapter rank {rank}: PiSSA can take at most {most} out of {name}. Choose {most} or lower.")


def _check_blocks(model: PreTrainedModel, size: int) -> None:
    """PEFT would take another size by itself, and cannot turn the empty latents that DeepSeek's attention expands."""
    widths = {name: m.in_features for name, m in targets.of(model, "oft").layers.items() if hasattr(m, "in_features")}
    if any(name.endswith("kv_b_proj") for name in widths):
        raise UserError("OFT does not suit this model: its attention expands latents that may be empty. Choose LoRA.")
    name = next((name for name, width in widths.items() if width % size), None)
    if name is None:
        return
    common = math.gcd(*widths.values())
    fitting = [n for n in range(2, size) if common % n == 0]
    advice = f"Choose {fitting[-1]}, which divides all widths." if fitting else "Choose LoRA."
    raise UserError(f"Rotation block {size} does not divide {widths[name]}, the width of {name}. {advice}")


def _begin_virtual(model: Any, settings: TrainSettings) -> None:
    """Begin a prefix with the keys and values of tokens drawn with the seed, and try the model behind virtual tokens.

    Noise would drown the prompt: Li and Liang (2021, section 5.6) begin with keys and values of real words. A model on
    the meta device is tried as far as it can be without values. Raises what the model raises where it cannot be fed so.
    """
    import torch
    from peft import initialize_kv_prefix_from_past_key_values
    from transformers import DynamicCache

    base = model.get_base_model()
    config, count = base.config.get_text_config(decoder=True), settings.virtual_tokens
    if settings.method == "prompt" and getattr(config, "hidden_size_per_layer_input", None):
        raise ValueError("It looks up each token again in every layer, and virtual tokens are none.")
    if settings.method == "prefix" and not all(hasattr(layer, "keys") for layer in DynamicCache(config=config).layers):
        raise ValueError("Not all of its layers keep keys and values, which a prefix is made of.")
    if settings.method == "prefix" and getattr(config, "kv_lora_rank", None):
        raise ValueError("Its keys and values have different widths, and a prefix has one.")
    if settings.method == "prefix" and len(_key_widths(base, config)) > 1:
        raise ValueError("Its layers keep keys of different widths, and a prefix has one.")
    ids = torch.randint(config.vocab_size, (1, count)).to(base.device)
    try:
        with torch.no_grad():
            if settings.method == "prefix":
                cache = base(input_ids=ids, use_cache=True).past_key_values
                kept = [(layer.keys, layer.values) for layer in cache.layers]
                initialize_kv_prefix_from_past_key_values(model, past_key_values=kept)
            model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    except (RuntimeError, TypeError):
        if base.device.type != "meta":  # there values are missing, and kernels for some of the operations
            raise


def _key_widths(model: PreTrainedModel, config: Any) -> set[int]:
    """Widths of keys in the layers of what writes text, as far as names and configuration show: Gemma 4 has two. The
    model itself says it only where it has values.
    """
    each = getattr(config, "per_layer_config", None) or ()
    each = each.values() if isinstance(each, dict) else each
    heads = {int(layer.head_dim) for layer in each if getattr(layer, "head_dim", None)}
    if len(heads) > 1:
        return heads
    layers = targets.linear_layers(model)
    return {m.out_features for name, m in layers.items() if name.endswith(".k_proj") and hasattr(m, "out_features")}


def _unfreeze(model: PreTrainedModel, frozen_layers: int) -> PreTrainedModel:
    """All weights of what writes text, but for the embeddings (and a head tied to them) and the first layers."""
    from torch import nn

    part = text.language_part(model)
    model.requires_grad_(part is model)
    for trained in {id(m): m for m in (part, model.get_output_embeddings()) if m is not None}.values():
        trained.requires_grad_(True)
    if not frozen_layers:
        return model
    count = model.config.get_text_config().num_hidden_layers
    if frozen_layers >= count:
        raise UserError(f"{frozen_layers} layers are to stay frozen, but the model has {count}. Choose fewer.")
    layers = next(m for m in part.modules() if isinstance(m, nn.ModuleList) and len(m) == count)
    embeddings = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    for module in (*embeddings, *layers[:frozen_layers]):
        module.requires_grad_(False)
    return model


def _keep_start(model: Any, folder: Path) -> None:
    """Keep what PiSSA begins with as a plain LoRA: the end is saved as the difference to it."""
    config = model.peft_config["default"]
    named, config.init_lora_weights = config.init_lora_weights, True
    with _written_whole(folder) as partial:
        model.save_pretrained(partial, safe_serialization=True)
        config.init_lora_weights = named


def _take_out(model: Any, start: Path) -> None:
    """Begin as the run did: its PiSSA adapter, and the base without it.

    The decomposition is approximate and random; a second one, on another machine, would leave another base.
    """
    import torch
    from peft import set_peft_model_state_dict
    from peft.tuners.lora import LoraLayer
    from safetensors.torch import load_file

    set_peft_model_state_dict(model, load_file(start / "adapter_model.safetensors"))
    with torch.no_grad():
        for layer in model.modules():
            if not isinstance(layer, LoraLayer):
                continue
            # As PEFT's `pissa_init` computes it, to the last bit.
            a, b = layer.lora_A["default"].weight.data, layer.lora_B["default"].weight.data
            part = layer.scaling["default"] * b @ a
            weight = layer.get_base_layer().weight
            weight.data = (weight.float() - (part.T if layer.fan_in_fan_out else part)).to(weight.dtype)
    model.peft_config["default"].init_lora_weights = "pissa"


def save(
    model: Any,
    tokenizer: Any,
    folder: Path,
    settings: TrainSettings,
    start: Path,
    weights: dict[str, Any] | None = None,
) -> None:
    """Write the adapter, or the whole model, as safetensors into `folder`, complete or not at all.

    `start` is what `attach` was given: with it PiSSA becomes an ordinary LoRA of twice the rank on the true base.
    `weights` are the model's, where several processes hold parts of them.
    """
    options = {"path_initial_model_for_weight_conversion": str(start)} if settings.method == "pissa" else {}
    with _written_whole(folder) as partial:
        model.save_pretrained(partial, safe_serialization=True, state_dict=weights, **options)
        tokenizer.save_pretrained(partial)


@contextmanager
def _written_whole(folder: Path) -> Iterator[Path]:
    """A folder that takes the place of another when the block ends well; else the other stays, and nothing is left."""
    partial = partial_of(folder)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def parameters(model: Any) -> tuple[int, int]:
    """(trained, all) parameters."""
    if hasattr(model, "get_nb_trainable_parameters"):
        return model.get_nb_trainable_parameters()
    counts = [(p.numel() if p.requires_grad else 0, p.numel()) for p in model.parameters()]
    return sum(t for t, _ in counts), sum(n for _, n in counts)
