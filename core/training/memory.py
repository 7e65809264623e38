"""How much memory training takes, by method, before any weight is loaded.

The shape of a model with a method on it is arithmetic on its configuration where `core.training.shape` knows its
layout. Any other is built on PyTorch's meta device, where tensors have shapes but no storage, and the method is
attached to it as the worker would: in a process of its own, which a page asks. So parameters are counted, never
guessed. Bytes are the sum of

- weights: parameters × bytes of the precision; quantized linear weights take 8 bits (LLM.int8(), arXiv 2208.07339) or
  4.127 (NF4, quantized twice, arXiv 2305.14314), and the others then float32;
- what learns: the adapter in float32, a gradient of the same size, and the optimizer's states (AdamW two values for
  each parameter, arXiv 1711.05101; in 8 bits arXiv 2110.02861; Adafactor one row and one column of each matrix, arXiv
  1804.04235; SGD none);
- activations: what autograd keeps for the backward pass, counted with `saved_tensors_hooks` in a forward pass on the
  meta device, × tokens of the pass, and a quarter for the allocator. With recomputation only the inputs of the layers
  and one whole layer (arXiv 1604.06174). Where a model cannot run there, 17 values of hidden size for each layer and
  token, which is the 34 bytes in 16 bits of Korthikanti et al. (2022, arXiv 2205.05198);
- the logits of trained tokens in float32, thrice: logits, log-probabilities, gradient;
- the libraries.

Rows that share a prefix take less. It is an estimate: a test holds it within a factor of two of real runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.models import starter, text
from core.models.hardware import free_memory, hardware
from core.models.loading import cannot_load
from core.models.process import MODELS, Progress
from core.training import method_table, methods, targets
from core.training.settings import PREFERENCE, PROMPT_LIKE, TrainSettings
from core.training.shape import Shape, by_arithmetic

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

LIBRARIES = 650_000_000
"""Bytes that a worker takes before it loads any weights: Python, torch, transformers, peft."""

ASK_AGAIN = 60.0
"""Seconds until the Hub is asked again about a model that it did not answer for."""

MOST_PARTS = 10_000
"""Layers or experts that a model is believed to have."""

MOST_SILENT = 1000
"""Names of models that are remembered for it: people type any."""

ALLOCATOR = 1.25
"""Memory in use / memory that is kept for the backward pass: intermediate results and gaps, measured on a CPU."""

METHODS = {name: method.trains for name, method in method_table.METHODS.items()}
"""Method → what it trains, in a few words."""

_STARTER = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
"""The starter model's shape, for the time before it was fetched."""


@dataclass(frozen=True)
class Estimate:
    """Bytes that a run takes with one method. Without `problem` all numbers are meant."""

    method: str
    trainable: int = 0
    parameters: int = 0
    weights: int = 0
    learning: int = 0
    """Adapter, gradients, optimizer's states."""
    activations: int = 0
    problem: str = ""
    """Why these settings do not go with the method."""
    processes: int = 1
    """Processes on this machine's memory, each with all of it; on GPUs each has its own."""
    left_out: str = ""
    """What of the model the method does not train, or otherwise than the rest: sentences."""
    at_most: bool = False
    """Is each row taken to fill the maximum length, for want of a tokenizer that says how long it is?"""

    @property
    def total(self) -> int:
        return self.processes * (self.weights + self.learning + self.activations + LIBRARIES)

    def fits(self, available: int) -> str:
        """As the function of that name, with the whole of it."""
        return fits(self.total, available)


def estimate(
    model: str,
    models: Path,
    settings: TrainSettings,
    lengths: Sequence[tuple[int, int]] = (),
    revision: str | None = None,
) -> Estimate:
    """What `settings` need. `lengths`: (untrained, all) tokens of each training row before any cut; where there are
    none, every row is taken to fill the maximum length.

    Raises UserError when the model's configuration cannot be had.
    """
    where = model if model != starter.STARTER or not starter.is_here(models) else str(starter.folder(models))
    try:
        configuration(where, revision)
    except (OSError, ValueError) as e:
        raise UserError(cannot_load(model, e)) from e
    try:
        methods.check(settings)
    except UserError as e:
        return Estimate(settings.method, problem=str(e))
    shape = shape_of(where, revision, _what_counts(settings))
    if isinstance(shape, str):
        return Estimate(settings.method, problem=shape)
    tokens, trained = _tokens_of_a_pass(settings, lengths)
    width, kept_width = _bytes_per_value(settings)
    weights = _weights(shape, settings, width)
    whole = settings.method == "full"
    if whole and settings.objective in PREFERENCE:
        weights *= 2  # the frozen reference
    activations = shape.kept_always + shape.kept_per_token * tokens
    if settings.activation_checkpointing == "yes":
        activations = activations // shape.layers + 4 * shape.hidden * shape.layers * tokens
    return Estimate(
        settings.method,
        shape.trainable,
        shape.parameters,
        weights,
        _learning(shape, settings, width if whole else 4, whole),
        int(ALLOCATOR * activations) * kept_width // 4 + 3 * 4 * shape.vocabulary * trained,
        processes=1 if hardware().gpu else settings.processes,
        left_out=shape.left_out,
        at_most=not lengths,
    )


def at_least(parameters: float) -> int:
    """Bytes that LoRA on a base of so many million parameters takes beside its rows: weights and libraries."""
    return int(parameters * 1e6) * (2 if hardware().bf16 else 4) + LIBRARIES


def fits(size: int, available: int) -> str:
    """`fits`, `tight` (more than four fifths of `available` bytes), or `does not fit`."""
    return "does not fit" if size > available else "tight" if size > 0.8 * available else "fits"


def refusal(model: str, models: Path, settings: TrainSettings, revision: str | None = None) -> str:
    """Why the method does not take the model or the settings; empty where it does. As `estimate`, without the rows."""
    where = model if model != starter.STARTER or not starter.is_here(models) else str(starter.folder(models))
    shape = shape_of(where, revision, _what_counts(settings))
    return shape if isinstance(shape, str) else ""


def available() -> int:
    """Bytes that a run could take now: of the GPU where there is one, else of this machine or its container."""
    import psutil

    if hardware().gpu:
        return free_memory()
    free = psutil.virtual_memory().available
    try:  # a container may be allowed less than its machine has
        return min(free, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return free


def _weights(shape: Shape, settings: TrainSettings, width: int) -> int:
    if settings.quantization == "none":
        return shape.parameters * width
    per_linear = {"8bit": 1.0, "4bit": (4 + 0.127) / 8}[settings.quantization]
    return int((shape.parameters - shape.linear) * 4 + shape.linear * per_linear)  # PEFT keeps the others in float32


def _learning(shape: Shape, settings: TrainSettings, width: int, whole: bool) -> int:
    """Gradients and states; of adapters also their own weights, which are not among the base's."""
    states = {
        "adamw": 2 * width * shape.trainable,
        "adamw_8bit": 2 * shape.trainable,
        "adafactor": 4 * shape.factored,
        "sgd": 0,
    }
    return shape.trainable * width * (1 if whole else 2) + states[settings.optimizer]


def _tokens_of_a_pass(settings: TrainSettings, lengths: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """(all, trained) tokens of the largest forward pass: the longest rows together, without sharing."""
    most = settings.max_length
    rows = [(prompt, min(total, most)) for prompt, total in lengths if prompt < most] or [(0, most)]
    size = settings.micro_batch(max(total for _, total in rows), settings.processes)
    # Every row may be as long as the longest where nothing is known of them.
    longest = sorted(rows, key=lambda row: -row[1])[:size] if lengths else rows * size
    tokens = sum(total for _, total in longest)
    trained = sum(total - prompt for prompt, total in longest)
    if settings.packing == "padded" or settings.method in PROMPT_LIKE or settings.objective in PREFERENCE:
        tokens = len(longest) * longest[0][1]
    if settings.method in PROMPT_LIKE:
        tokens += len(longest) * settings.virtual_tokens
    if settings.objective in PREFERENCE:  # two answers to each prompt, and logits of every token
        tokens *= 2
        trained = tokens
    return tokens, trained


def _bytes_per_value(settings: TrainSettings) -> tuple[int, int]:
    """Of (weights, activations): mixed precision and full fine-tuning keep their weights in float32."""
    half = hardware().bf16 and settings.precision in ("auto", "bf16")
    weights = 2 if half and settings.method != "full" else 4
    return weights, 2 if half or settings.precision in ("bf16", "fp16") else 4


def _what_counts(settings: TrainSettings) -> TrainSettings:
    """Settings that differ from the defaults only in what the method reads: what shapes are kept by."""
    read = ["quantization", *(f.name for f in fields(settings) if settings.method in f.metadata["only"])]
    return TrainSettings(method=settings.method, **{name: getattr(settings, name) for name in read})


_silent_since: dict[str, float] = {}
"""Models that the Hub did not answer for, and when: it is not asked again at every key."""


@lru_cache(maxsize=32)
def configuration(where: str, revision: str | None) -> dict[str, Any]:
    """The model's config.json. Raises UserError within seconds where it is not here and the Hub does not have it."""
    if where == starter.STARTER:
        return _STARTER
    if Path(where).is_dir():
        return json.loads((Path(where) / "config.json").read_text(encoding="utf-8"))
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        path = hf_hub_download(where, "config.json", revision=revision, local_files_only=True)
    except LocalEntryNotFoundError:
        _ask_the_hub(where, revision)
        path = hf_hub_download(where, "config.json", revision=revision)
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _ask_the_hub(model: str, revision: str | None) -> None:
    """Raises UserError within seconds where the Hub does not know the model or does not answer."""
    from huggingface_hub import HfApi

    if time.monotonic() - _silent_since.get(model, -ASK_AGAIN) >= ASK_AGAIN:
        try:
            HfApi().model_info(model, revision=revision, timeout=6)
            return
        except Exception:  # whatever keeps us from the Hub, nothing can be said about the model
            while len(_silent_since) >= MOST_SILENT:
                _silent_since.pop(next(iter(_silent_since)))
            _silent_since[model] = time.monotonic()
    raise UserError(
        f"“{model}” is not on this machine, and the Hub does not answer for it. Check the name, or be online at Start."
    )


@lru_cache(maxsize=256)
def shape_of(where: str, revision: str | None, settings: TrainSettings) -> Shape | str:
    """What of the model decides the memory, or a sentence where the method does not take it or the settings.

    Raises UserError where no model can be built from the configuration.
    """
    if shape := by_arithmetic(configuration(where, revision), settings):
        return shape
    _check_counts(where, configuration(where, revision))
    counted = MODELS.call(count_shape, where, revision, asdict(settings))
    return counted if isinstance(counted, str) else Shape(**counted)


def _check_counts(where: str, config: dict[str, Any]) -> None:
    """Raise UserError for what could never be built: a process would take all memory with trying."""
    for part in (config, *(value for value in config.values() if isinstance(value, dict))):
        for name, n in part.items():
            if name.endswith(("layers", "experts", "_layer")) and isinstance(n, int) and n > MOST_PARTS:
                raise UserError(f"“{where}” says that its {name} are {n:,}. No model has as many; choose another.")


def count_shape(
    where: str, revision: str | None, settings: dict[str, Any], progress: Progress | None = None
) -> dict[str, int] | str:
    """The answer to `shape_of`: loads torch and PEFT."""
    try:
        base = _base(where, revision)
    except (OSError, ValueError, ImportError) as e:
        raise UserError(cannot_load(where, e)) from e
    try:
        return asdict(count(base, TrainSettings.from_dict(settings)))
    except UserError as e:
        return str(e)


@lru_cache(maxsize=4)
def _base(where: str, revision: str | None) -> PreTrainedModel:
    """The model without storage, from its configuration alone, which is on this machine."""
    import torch
    from transformers import AutoConfig

    if where == starter.STARTER:
        config = AutoConfig.for_model(**_STARTER)
    else:
        config = AutoConfig.from_pretrained(where, local_files_only=True, revision=revision, trust_remote_code=False)
    with torch.device("meta"):
        return text.auto_class(config, where).from_config(config, dtype=torch.float32, trust_remote_code=False)


def count(base: PreTrainedModel, settings: TrainSettings) -> Shape:
    import copy

    import torch

    config = base.config.get_text_config()
    head = base.get_output_embeddings()
    linear = [m for m in base.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    model = methods.attach(copy.deepcopy(base), settings, initialise=False)
    trained = [p for p in model.parameters() if p.requires_grad]
    # What is fed to frozen layers like embeddings is counted as just that.
    fed = copy.deepcopy(base).requires_grad_(False) if settings.method in PROMPT_LIKE else model
    try:
        small, large = (_kept(fed, tokens) for tokens in (32, 64))
        per_token = (large - small) // 32
        always = max(0, small - 32 * per_token)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, AssertionError):  # not so
        always, per_token = 0, 4 * 17 * config.hidden_size * config.num_hidden_layers
    return Shape(
        parameters=sum(p.numel() for p in base.parameters()),
        linear=sum(m.weight.numel() for m in linear),
        trainable=sum(p.numel() for p in trained),
        factored=sum(p.shape[0] + p[0].numel() if p.dim() > 1 else p.numel() for p in trained),
        kept_always=always,
        kept_per_token=per_token,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        vocabulary=config.vocab_size,
        left_out=" ".join(targets.of(base, settings.method).left_out),
    )


def _kept(model: Any, tokens: int) -> int:
    """Bytes that autograd keeps for the backward pass of one row; the parameters themselves are not counted."""
    import torch

    embed = model.get_input_embeddings()
    meta = {"device": "meta"}
    own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, Any] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # The mask and the positions are given: what would make them asks for values, which there are none of.
        model.train()(
            inputs_embeds=torch.zeros((1, tokens, embed.embedding_dim), requires_grad=True, **meta),
            attention_mask=torch.ones((1, 1, tokens, tokens), dtype=torch.bool, **meta),
            position_ids=torch.arange(tokens, **meta)[None],
            logits_to_keep=1,
            use_cache=False,
        )
    return sum(storage.nbytes() for storage in kept.values())
