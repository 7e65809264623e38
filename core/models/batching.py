"""Greedy answers of many prompts in one batch: a row that is finished leaves it, and the next one joins.

`transformers.generate` computes a batch until its longest answer is finished, and copies all keys and values at every
token. Here no step goes to a row that has answered (as in Orca, Yu et al. 2022, and vLLM), another takes its place
without a copy of the rest, and base and tuned rows share the passes over the weights where PEFT computes mixed
batches. Each row's tokens are those of `generate` alone, up to the rounding of floats in batches of another size.

It suits models whose layers attend to all that came before. Whatever else a cache holds (windows, states) is answered
as before: see core/models/generation.py.
"""

from __future__ import annotations

import inspect
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

from core.models.room import Room

ROWS = 64
"""Rows that are computed at once, at most: beyond, a row costs as much as alone."""
CACHE_BYTES = 1 << 30
"""What their keys and values may take."""
PREFILL_TOKENS = 4096
"""Tokens of prompts, padding included, that are read at once."""
SPARE = 64
"""Places behind the last token before what is kept moves to the front of its memory."""


@dataclass
class Row:
    """One prompt, and what is answered to it."""

    prompt: tuple[int, ...]
    room: Room
    most: int
    """New tokens that there is room for in the model's context."""
    adapter: str
    """Whose answer it is: PEFT's name of an adapter, `__base__`, or nothing where the model is one side already."""
    new: list[int] = field(default_factory=list)
    seconds: float = 0.0
    """Its share of the passes that it took part in."""

    @property
    def length(self) -> int:
        """Tokens whose keys and values are kept: all but the newest."""
        return len(self.prompt) + len(self.new) - 1

    def finished(self, stops: frozenset[int]) -> bool:
        return self.new[-1] in stops or len(self.new) >= self.most or self.room.full(self.new)


def suits(model: Any) -> bool:
    """Does each layer of the model keep keys and values of all tokens, and nothing else?"""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    taken = inspect.signature(inner.forward).parameters
    if not {"attention_mask", "position_ids", "past_key_values", "logits_to_keep"} <= taken.keys():
        return False
    if inner._is_stateful or not inner._supports_default_dynamic_cache() or inner.config.is_encoder_decoder:
        return False
    config = inner.config.get_text_config(decoder=True)
    if getattr(config, "alibi", False) or getattr(config, "num_kv_shared_layers", None):
        return False
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)


def mixes(model: Any) -> str:
    """The adapter that PEFT can leave out for some rows of a batch; nothing where it cannot."""
    configs = getattr(model, "peft_config", {})
    if len(configs) != 1 or not hasattr(model, "disable_adapter"):
        return ""
    [(name, config)] = configs.items()
    plain = getattr(config.peft_type, "value", "") == "LORA" and not config.use_dora and not config.modules_to_save
    beside = any(getattr(config, kind, None) for kind in ("alora_invocation_tokens", "trainable_token_indices"))
    beside = beside or getattr(config, "bias", "none") != "none" or bool(getattr(config, "target_parameters", None))
    merged = any(getattr(module, "merged", False) for module in model.modules())
    return name if plain and not beside and not merged else ""


def answer(model: Any, rows: Sequence[Row], stops: frozenset[int], pad: int, most: int = ROWS) -> Iterator[list[Row]]:
    """Answer the rows, in about their order, at most so many at once; after each step those that are finished.

    Rows hold the token that ended them.
    """
    if not rows:
        return
    waiting = deque(rows)
    batch = _Batch(model, rows, most)
    while waiting or batch.rows:
        began = time.perf_counter()
        free = batch.most - len(batch.rows)
        with torch.inference_mode():
            # A few join at once: reading one prompt alone takes as long as reading several.
            joins = bool(waiting) and free >= min(len(waiting), max(1, batch.most // 8))
            took_part = batch.join(waiting, free, pad) if joins else batch.step()
            left = batch.leave(stops)
        share = (time.perf_counter() - began) / len(took_part)
        for row in took_part:
            row.seconds += share
        yield left


class _Batch:
    """The rows that are computed at present, and their keys and values.

    All rows end in the same column, so that each reaches as far back from there as it is long.
    """

    def __init__(self, model: Any, rows: Sequence[Row], most: int) -> None:
        self._model = model
        self.rows: list[Row] = []
        longest = max(len(row.prompt) for row in rows)
        self._places = max(len(row.prompt) + row.most for row in rows) + SPARE
        config = (model.get_base_model() if hasattr(model, "get_base_model") else model).config
        self.most = min(
            most, len(rows), _rows_that_fit(config.get_text_config(decoder=True), self._places, model.dtype)
        )
        self._first_end = longest
        self._end = longest
        self._kept: list[_Kept] = []

    @property
    def _width(self) -> int:
        return max((row.length for row in self.rows), default=0)

    def join(self, waiting: deque[Row], free: int, pad: int) -> list[Row]:
        """Read the next prompts, as many as there is room for, and choose their first tokens."""
        joining: list[Row] = []
        width = 0
        while waiting and len(joining) < free:
            width = max(width, len(waiting[0].prompt))
            if joining and width * (len(joining) + 1) > PREFILL_TOKENS:
                break
            joining.append(waiting.popleft())
        width = max(len(row.prompt) for row in joining)
        ids = [[pad] * (width - len(row.prompt)) + list(row.prompt) for row in joining]
        lengths = self._tensor([len(row.prompt) for row in joining])
        cache = DynamicCache(config=self._model.config.get_text_config(decoder=True))
        mask = torch.arange(width, device=self._model.device) >= width - lengths[:, None]
        places = (mask.long().cumsum(-1) - 1).clamp(min=0)
        self._choose(joining, self._tensor(ids), mask, places, cache)
        for kept, layer in zip(self._layers(cache), cache.layers, strict=True):
            kept.take(layer, len(self.rows), self._end, [len(row.prompt) for row in joining])
        self.rows += joining
        return joining

    def step(self) -> list[Row]:
        """One further token of every row."""
        if self._end == self._places:
            self._move(max(self._width, self._first_end))
        width = self._width
        for kept in self._kept:
            kept.show(len(self.rows), self._end - width, self._end)
        lengths = self._tensor([row.length for row in self.rows])[:, None]
        mask = torch.arange(width + 1, device=self._model.device) >= width - lengths
        newest = self._tensor([[row.new[-1]] for row in self.rows])
        self._choose(self.rows, newest, mask, lengths, Cache(layers=list(self._kept)))
        self._end += 1
        return list(self.rows)

    def leave(self, stops: frozenset[int]) -> list[Row]:
        """Take out the rows that are finished; the last row takes the place of one that left."""
        left = []
        for place in reversed(range(len(self.rows))):
            if self.rows[place].finished(stops):
                last = self.rows.pop()
                if place < len(self.rows):
                    left.append(self.rows[place])
                    for kept in self._kept:
                        kept.move(len(self.rows), place, self._end - last.length, self._end)
                    self.rows[place] = last
                else:
                    left.append(last)
        return left

    def _choose(self, rows: list[Row], ids: Tensor, mask: Tensor, places: Tensor, cache: Cache) -> None:
        """The most probable next token of each row."""
        names = [row.adapter for row in rows]
        mixed = {"adapter_names": names} if any(names) else {}
        out = self._model(
            input_ids=ids,
            attention_mask=mask.long(),
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **mixed,
        )
        for row, token in zip(rows, out.logits[:, -1].float().argmax(-1).tolist(), strict=True):
            row.new.append(token)

    def _layers(self, cache: DynamicCache) -> list[_Kept]:
        if not self._kept:
            self._kept = [_Kept(layer, self.most, self._places) for layer in cache.layers]
        return self._kept

    def _move(self, end: int) -> None:
        """Bring what is kept to the front, so that it ends in column `end`."""
        width = self._width
        for kept in self._kept:
            kept.shift(len(self.rows), self._end - width, self._end, end)
        self._end = end

    def _tensor(self, numbers: Any) -> Tensor:
        return torch.tensor(numbers, device=self._model.device)


class _Kept(DynamicLayer):
    """Keys and values of one layer, in memory that is taken once: [rows, heads, places, size]."""

    def __init__(self, like: Any, rows: int, places: int) -> None:
        super().__init__()
        self._memory = [s.new_zeros(rows, s.shape[1], places, s.shape[3]) for s in (like.keys, like.values)]
        self.is_initialized = True
        self.dtype, self.device = like.keys.dtype, like.keys.device

    def show(self, rows: int, start: int, end: int) -> None:
        """What the next step attends to."""
        self._rows, self._start, self._end = rows, start, end
        self.keys, self.values = (m[:rows, :, start:end] for m in self._memory)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Put one token's behind the others of each row, in place."""
        end = self._end + key_states.shape[-2]
        for memory, states in zip(self._memory, (key_states, value_states), strict=True):
            memory[: self._rows, :, self._end : end] = states
        self.keys, self.values = (m[: self._rows, :, self._start : end] for m in self._memory)
        return self.keys, self.values

    def take(self, layer: Any, first: int, end: int, lengths: Sequence[int]) -> None:
        """The prompts that were read, behind the rows that are there."""
        for memory, states in zip(self._memory, (layer.keys, layer.values), strict=True):
            for i, n in enumerate(lengths):
                memory[first + i, :, end - n : end] = states[i, :, states.shape[-2] - n :]

    def move(self, row: int, to: int, start: int, end: int) -> None:
        for memory in self._memory:
            memory[to, :, start:end] = memory[row, :, start:end]

    def shift(self, rows: int, start: int, end: int, to: int) -> None:
        for memory in self._memory:
            memory[:rows, :, to - (end - start) : to] = memory[:rows, :, start:end].clone()


def _rows_that_fit(config: Any, places: int, dtype: torch.dtype) -> int:
    """Rows whose keys and values take no more than CACHE_BYTES, as far as the configuration tells their size."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    each = 2 * config.num_hidden_layers * heads * size * places * dtype.itemsize
    return max(1, CACHE_BYTES // max(each, 1))
