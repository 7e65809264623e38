"""The shape of a model with a method on it, by arithmetic on its configuration: no library, no waiting.

For the Llama layout (Llama, SmolLM, Qwen 2), whose every layer is seven linear maps, two norms and a gated feed-forward
part. What autograd keeps is written down as PyTorch 2.13, transformers 5.23 and PEFT 0.21 keep it; a test holds each
number against the model built on the meta device. For all that this module does not know it says None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.training.settings import TrainSettings


@dataclass(frozen=True)
class Shape:
    """What of a model with a method on it decides the memory. Counts are parameters, kept values are bytes."""

    parameters: int
    """Of the base."""
    linear: int
    """Of the base's linear layers but the head: what quantization shrinks."""
    trainable: int
    factored: int
    """Rows and columns of the trained matrices, values of other trained parameters: Adafactor's states."""
    kept_always: int
    """Bytes that autograd keeps in float32 whatever the rows."""
    kept_per_token: int
    """Bytes that autograd keeps in float32 for each token."""
    layers: int
    hidden: int
    vocabulary: int
    left_out: str = ""
    """What of the base the method does not train, in sentences."""


@dataclass(frozen=True)
class _Llama:
    """Sizes of the layout; `inputs` and `outputs` are the widths of a layer's seven linear maps."""

    hidden: int
    inner: int
    queries: int
    keys: int
    heads: int
    head: int
    layers: int
    vocabulary: int
    tied: bool
    biased: bool

    @property
    def inputs(self) -> list[int]:
        return [self.hidden] * 3 + [self.queries] + [self.hidden] * 2 + [self.inner]

    @property
    def outputs(self) -> list[int]:
        return [self.queries, self.keys, self.keys, self.hidden, self.inner, self.inner, self.hidden]

    @property
    def bias(self) -> int:
        return self.queries + 2 * self.keys if self.biased else 0

    @property
    def scaled(self) -> int:
        """Factors of IA³ in a layer. PEFT scales queries and values of Qwen 2, keys and values of Llama."""
        return (self.queries if self.biased else self.keys) + self.keys + self.inner


def by_arithmetic(config: dict[str, Any], settings: TrainSettings) -> Shape | None:
    """The shape of the model of a config.json under a method's settings; None where only building it can tell."""
    m = _read(config)
    if m is None or settings.quantization != "none" or settings.frozen_layers:
        return None
    if settings.method == "pissa" and settings.rank > min(*m.inputs, *m.outputs):
        return None
    if settings.method == "oft" and any(width % settings.block_size for width in m.inputs):
        return None
    linear = m.layers * sum(a * b for a, b in zip(m.inputs, m.outputs, strict=True))
    embeddings = (1 if m.tied else 2) * m.vocabulary * m.hidden
    parameters = linear + m.layers * (m.bias + 2 * m.hidden) + m.hidden + embeddings
    trainable, factored = _trained(m, settings, parameters)
    always, per_token = _kept(m, settings)
    return Shape(parameters, linear, trainable, factored, 4 * always, 4 * per_token, m.layers, m.hidden, m.vocabulary)


def _read(config: dict[str, Any]) -> _Llama | None:
    usual = {"attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0, "hidden_act": "silu"}
    usual |= {"quantization_config": None, "use_sliding_window": False}
    names = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "num_hidden_layers")
    if config.get("model_type") not in ("llama", "qwen2") or any(config.get(k, v) != v for k, v in usual.items()):
        return None
    sizes = [n for name in (*names, "vocab_size") if isinstance(n := config.get(name), int) and n > 0]
    if len(sizes) != len(names) + 1:
        return None
    hidden, inner, heads, groups, layers, vocabulary = sizes
    if groups < 2:  # one head of keys for all queries is a view of itself, and less is kept
        return None
    head = config.get("head_dim") or hidden // heads
    biased = config["model_type"] == "qwen2"
    tied = bool(config.get("tie_word_embeddings", False))
    return _Llama(hidden, inner, heads * head, groups * head, heads, head, layers, vocabulary, tied, biased)


def _trained(m: _Llama, settings: TrainSettings, parameters: int) -> tuple[int, int]:
    """(trained parameters, Adafactor's states)."""
    ins, outs, maps = sum(m.inputs), sum(m.outputs), len(m.inputs)
    rank, block, tokens = settings.rank, settings.block_size, settings.virtual_tokens
    if settings.method in ("lora", "rslora", "pissa"):
        return m.layers * rank * (ins + outs), m.layers * (ins + outs + 2 * rank * maps)
    if settings.method == "dora":
        return m.layers * (rank * (ins + outs) + outs), m.layers * (ins + 2 * outs + 2 * rank * maps)
    if settings.method == "ia3":
        return m.layers * m.scaled, m.layers * (m.scaled + 3)
    if settings.method == "oft":
        angles = block * (block - 1) // 2
        return m.layers * ins // block * angles, m.layers * (ins // block + maps * angles)
    if settings.method == "prompt":
        return tokens * m.hidden, tokens + m.hidden
    if settings.method == "prefix":
        return tokens * m.layers * 2 * m.keys, tokens + m.layers * 2 * m.keys
    tables = (1 if m.tied else 2) * (m.vocabulary + m.hidden)
    return parameters, m.layers * (ins + outs + m.bias + 2 * m.hidden) + m.hidden + tables


def _kept(m: _Llama, settings: TrainSettings) -> tuple[int, int]:
    """Values that autograd keeps (whatever the rows, for each token).

    Attention keeps the square of the tokens for each head. As a line through what 32 and 64 tokens keep, which is how
    it is counted on the meta device, that is 96 values a token and 2,048 fewer at its start.
    """
    ins, outs = sum(m.inputs), sum(m.outputs)
    layer = 2 * m.hidden + 3 * m.inner + 3 * m.queries + 96 * m.heads + 2  # with nothing trained in it
    ends = m.hidden + 1 + 2 * m.head  # the last norm; cosines and sines
    shared = 2 * m.hidden + m.queries + m.inner  # one input for queries, keys and values, one for the two gated maps
    always = -2048 * m.heads
    if settings.method in ("lora", "rslora", "pissa", "dora"):
        layer += (2 * ins if settings.dropout else shared) + len(m.inputs) * settings.rank
    if settings.method == "dora":
        layer += 2 * outs
        always += sum(n * n for n in m.inputs) + settings.rank * ins + 3 * outs
    elif settings.method == "ia3":
        layer += m.scaled
    elif settings.method == "oft":
        layer += shared
        always += 4 * settings.block_size * ins
    elif settings.method == "full":
        layer += shared + 2 * m.hidden
        ends += 2 * m.hidden
    return max(0, m.layers * always), m.layers * layer + ends
