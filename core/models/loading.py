"""Load a base model, its tokenizer and an adapter: one copy of the weights serves both sides.

Safetensors only, and never code from a model's repository.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.engine.templates import TEMPLATES, RenderSettings, with_settings
from core.errors import UserError
from core.files import file_hash, json_object
from core.models import starter, text
from core.models.libraries import transformers

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def locate(model: str, models: Path, progress: starter.Progress = lambda share, what: None) -> str:
    """What `from_pretrained` takes for a model's name: a folder, or an id of the Hub. Fetches the starter model."""
    if model == starter.STARTER:
        return str(starter.ensure(models, progress))
    return model


def newest_revision(model: str) -> str | None:
    """Commit that a Hub id stands for: the Hub's newest, or where it does not answer the one that is on this machine.

    None for the starter model and for folders, which have none, and where nothing is known (loading says why).
    """
    if model == starter.STARTER or Path(model).is_dir():
        return None
    from huggingface_hub import CacheNotFound, HfApi, scan_cache_dir

    try:
        return HfApi().model_info(model, timeout=6).sha
    except Exception:  # whatever keeps us from the Hub, what was fetched before still serves
        try:
            repositories = scan_cache_dir().repos
        except CacheNotFound:
            return None
    kept = [r for repo in repositories if (repo.repo_type, repo.repo_id) == ("model", model) for r in repo.revisions]
    return max(kept, key=lambda r: r.last_modified).commit_hash if kept else None


@lru_cache(maxsize=8)
def _tokenizer(where: str, revision: str | None, template: str) -> PreTrainedTokenizerBase:
    loaded = transformers().AutoTokenizer.from_pretrained(where, revision=revision, trust_remote_code=False)
    if template:
        loaded.chat_template = TEMPLATES[template]
    return loaded


@lru_cache(maxsize=16)
def _writing(where: str, revision: str | None, template: str, settings: RenderSettings) -> PreTrainedTokenizerBase:
    return with_settings(_tokenizer(where, revision, template), settings)


def tokenizer(
    model: str,
    models: Path,
    revision: str | None = None,
    template: str = "",
    settings: RenderSettings = RenderSettings(),  # noqa: B008 (frozen)
) -> PreTrainedTokenizerBase:
    """The model's tokenizer, kept in memory, with its own chat template or the named one of `rendering.TEMPLATES`.

    Whoever renders with it then uses that template and those settings: preview, trainer, scorer and generator. Raises
    UserError when it cannot be had.
    """
    if template and template not in TEMPLATES:
        known = ", ".join(TEMPLATES)
        raise UserError(f"There is no template “{template}”. Known are: {known}; empty: the model's own.")
    try:
        return _writing(locate(model, models), revision, template, settings)
    except (OSError, ValueError) as e:
        raise UserError(cannot_load(model, e)) from e


@lru_cache(maxsize=8)
def _text_config(where: str, revision: str | None) -> PretrainedConfig:
    config = transformers().AutoConfig.from_pretrained(where, revision=revision, trust_remote_code=False)
    return config.get_text_config(decoder=True)


def context_length(model: str, models: Path, revision: str | None = None) -> int | None:
    """Tokens that the model can take; None where its configuration names no limit."""
    return _number(model, models, revision, "max_position_embeddings")


def vocabulary(model: str, models: Path, revision: str | None = None) -> int | None:
    """Tokens that the model has an embedding for; None where its configuration does not say."""
    return _number(model, models, revision, "vocab_size")


def _number(model: str, models: Path, revision: str | None, name: str) -> int | None:
    try:
        return getattr(_text_config(locate(model, models), revision), name, None)
    except (OSError, ValueError) as e:
        raise UserError(cannot_load(model, e)) from e


def gpu_has_bf16() -> bool:
    """Is there a GPU that computes in bf16 itself? Older ones (a T4, a V100) only emulate it, slowly."""
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def load(
    model: str, models: Path, revision: str | None = None, quantization: str = "none", precision: str = "auto"
) -> PreTrainedModel:
    """The model in evaluation mode: bf16 on a GPU that has it, float32 on a CPU. Raises UserError when it cannot.

    `quantization` is `none`, `8bit` (LLM.int8()) or `4bit` (NF4, double quantization), by bitsandbytes. `precision`
    fp32 and fp16 keep the weights in float32, as mixed precision needs them.
    """
    import torch
    from transformers import AutoConfig

    from core.engine import kernels, trial

    where = locate(model, models)
    on_gpu = torch.cuda.is_available()
    half = gpu_has_bf16() and precision in ("auto", "bf16")
    dtype = torch.bfloat16 if half else torch.float32
    options = {} if quantization == "none" else {"quantization_config": _quantized(quantization, dtype)}
    kept = {"revision": revision, "trust_remote_code": False}
    try:
        auto = text.auto_class(AutoConfig.from_pretrained(where, **kept), model)
        loaded, info = auto.from_pretrained(
            where, dtype=dtype, use_safetensors=True, output_loading_info=True, **kept, **options
        )
    except (OSError, ValueError, ImportError) as e:
        raise UserError(cannot_load(model, e)) from e
    text.check_whole(model, info)
    loaded = (loaded if options else loaded.to("cuda" if on_gpu else "cpu")).eval()
    for module in loaded.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # bitsandbytes would repack 4-bit weights for bf16 at the first evaluation, and round their scales.
            module.support_avx512bf16_for_cpu = False
    kernels.install(loaded)
    if trial.sees_the_future(loaded):
        raise UserError(
            f"The model “{model}” looks at later tokens when it predicts earlier ones, as BERT and PaliGemma do. "
            f"{text.OTHER_MODEL}"
        )
    return loaded


def _quantized(quantization: str, dtype: torch.dtype) -> BitsAndBytesConfig:
    import importlib.util
    import logging

    from transformers import BitsAndBytesConfig

    if not importlib.util.find_spec("bitsandbytes"):
        raise UserError(
            f"Base weights in {quantization.removesuffix('bit')} bits need the package bitsandbytes, which is missing. "
            "Install it, or leave the base weights as they are."
        )
    if quantization == "8bit":
        # It warns at every layer of every pass that inputs are rounded to float16: megabytes in a run's log.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def cannot_load(model: str, error: Exception) -> str:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, ImportError):
        return f"The model “{model}” needs a package that is not here: {first_line[:300]} Then try again."
    return (
        f"The model “{model}” could not be loaded: {first_line[:300]} Check its name on the Hub, or give the path of a "
        "folder that holds config.json, tokenizer.json and model.safetensors."
    )


def weights_hash(model: str, models: Path, revision: str | None = None) -> str:
    """SHA-256 of the model's safetensors file, as the Hub shows it; of several files, over their hashes by name.

    Of files and not of loaded weights, so it is the same on every device, in every precision and quantization.
    """
    from transformers.utils import cached_file

    where = locate(model, models)
    here = {"revision": revision, "_raise_exceptions_for_missing_entries": False}
    whole = cached_file(where, "model.safetensors", **here)
    if whole:
        return file_hash(Path(whole))
    index = Path(cached_file(where, "model.safetensors.index.json", **here))
    names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    listed = "".join(f"{name} {file_hash(index.parent / name)}\n" for name in names)
    return hashlib.sha256(listed.encode()).hexdigest()


SETTINGS = (
    *("config.json", "generation_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja", "chat_template.json"),
)
"""Files beside the weights that decide what a model computes, reads and writes."""


def settings_hashes(model: str, models: Path, revision: str | None = None) -> dict[str, str]:
    """File → SHA-256 of those of SETTINGS that the model has; of JSON by its content, however it is written."""
    from transformers.utils import cached_file

    where, hashes = locate(model, models), {}
    here = {"revision": revision, "_raise_exceptions_for_missing_entries": False}
    for name in SETTINGS:
        if path := cached_file(where, name, **here):
            data = Path(path).read_bytes()
            content = json_object(data) if name.endswith(".json") else None
            if content is not None:
                content.pop("transformers_version", None)  # who saved it decides nothing
                data = json.dumps(content, sort_keys=True).encode()
            hashes[name] = hashlib.sha256(data).hexdigest()
    return hashes
