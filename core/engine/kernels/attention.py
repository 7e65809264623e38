"""Attention along a prefix tree: every node attends to its ancestors and itself, and to nothing else.

transformers hands each layer's queries, keys and values to a named function. Ours follows the tree that `packing`
passes to the model as `tree=`; without one (generation, padded batches) it hands over to the function that the model
would have used. On a CPU only the blocks of the tree in which somebody attends to somebody are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface

BLOCK = 48
"""Queries in one block of the CPU kernel, at least. Smaller blocks compute less and start more often."""

NAMES = {"sdpa": "tree_sdpa", "eager": "tree_eager"}
"""The model's own attention → ours that falls back to it."""
OWN = {ours: own for own, ours in NAMES.items()}
REFUSED = "tunewright_keeps_its_own_attention"
"""Set on a model that computed something else with our attention: it is not tried again."""
Reach = tuple[int | None, int | None]
"""How far back a layer sees: (window, chunk) in positions of the row. A window slides; chunks stand side by side, and
nothing is seen across their border (Llama 4). None: no limit."""
Attend = Callable[..., tuple[Tensor, Tensor | None]]


class Tree:
    """Which nodes attend to which, in the forms the kernels need; each is made once, when first asked for."""

    def __init__(self, mask: np.ndarray, depth: np.ndarray) -> None:
        """`mask` bool [L, K]: node attends to key; `depth` int [K]: position of each key in its rows.

        The nodes are the last L keys. Keys before them are of a beginning that all rows share and that is known.
        """
        self.mask = mask
        self.depth = depth
        self._masks: dict[tuple[torch.device, Reach], Tensor] = {}
        self._blocks: dict[tuple[Reach, int], list[Block]] = {}

    def within(self, reach: Reach) -> np.ndarray:
        """bool [L, K]: as `mask`, but no further back than a layer reaches."""
        window, chunk = reach
        end, mask = int(self.depth.max(initial=0)), self.mask
        queries, keys = self.depth[-len(mask) :, None], self.depth[None, :]
        if window is not None and window <= end:
            mask = mask & (queries - keys < window)
        if chunk is not None and chunk <= end:
            mask = mask & (queries // chunk == keys // chunk)
        return mask

    def on(self, device: torch.device, reach: Reach) -> Tensor:
        """bool [1, 1, L, K] on `device`."""
        key = (device, reach)
        if key not in self._masks:
            self._masks[key] = torch.from_numpy(self.within(reach)).to(device)[None, None]
        return self._masks[key]

    def blocks(self, reach: Reach, groups: int) -> list[Block]:
        """Blocks that cover all queries, for `groups` query heads to each key head."""
        key = (reach, groups)
        if key not in self._blocks:
            self._blocks[key] = list(_blocks(self.within(reach), groups))
        return self._blocks[key]


class Block:
    """Queries [start, end) and the keys that any of them attends to."""

    def __init__(self, start: int, end: int, mask: np.ndarray, groups: int) -> None:
        self.start, self.end = start, end
        keys = np.flatnonzero(mask[start:end].any(axis=0))
        first, last = int(keys[0]), int(keys[-1]) + 1
        self.keys = slice(first, last) if last - first == len(keys) else torch.from_numpy(keys)
        allowed = np.tile(mask[start:end, keys], (groups, 1))
        self.bias = torch.zeros(allowed.shape).masked_fill_(torch.from_numpy(~allowed), float("-inf"))[None, None]

    def of(self, states: Tensor) -> Tensor:
        """Keys or values [1, H, K, D] of this block."""
        return states[:, :, self.keys] if isinstance(self.keys, slice) else states.index_select(2, self.keys)

    def add_to(self, whole: Tensor, part: Tensor) -> None:
        """Add a gradient [1, H, K, D] to where `of` took its states from."""
        if isinstance(self.keys, slice):
            whole[:, :, self.keys] += part
        else:
            whole.index_add_(2, self.keys, part)


def _blocks(mask: np.ndarray, groups: int) -> Iterator[Block]:
    size, preceding = len(mask), mask.shape[1] - len(mask)
    # A branch begins where a node does not attend to the one before it.
    starts = [i for i in range(1, size) if not mask[i, preceding + i - 1]]
    begin = 0
    for end in (*starts, size):
        while end - begin > 4 * BLOCK:  # a long branch: its first queries need not see the keys of its last
            yield Block(begin, begin + 2 * BLOCK, mask, groups)
            begin += 2 * BLOCK
        if end - begin >= BLOCK or end == size:
            if end > begin:
                yield Block(begin, end, mask, groups)
            begin = end


class _TreeAttention(torch.autograd.Function):
    """softmax(q k' · scale + mask) v block by block, with PyTorch's flash kernel for the CPU in both directions.

    q [1, Hq, L, D]; k, v [1, Hk, K, D]; Hq = groups · Hk. The query heads of a key head are laid one under another, so
    keys and values are never repeated. Returns [1, L, Hq, D].
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, blocks: list[Block], scale: float) -> Tensor:
        heads, size, width = q.shape[1:]
        groups = heads // k.shape[1]
        out = q.new_empty(1, size, heads, width)
        kept = []
        for block in blocks:
            stacked = _stack(q[:, :, block.start : block.end], groups)
            part, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                stacked, block.of(k), block.of(v), 0.0, False, attn_mask=block.bias, scale=scale
            )
            out[:, block.start : block.end] = _unstack(part, groups).transpose(1, 2)
            kept += [part, lse]
        ctx.save_for_backward(q, k, v, *kept)
        ctx.blocks, ctx.scale, ctx.groups = blocks, scale, groups
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, *kept = ctx.saved_tensors
        grad = grad.transpose(1, 2)
        grad_q = torch.empty_like(q)
        grad_k, grad_v = torch.zeros_like(k), torch.zeros_like(v)
        for i, block in enumerate(ctx.blocks):
            rows = slice(block.start, block.end)
            part_q, part_k, part_v = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                _stack(grad[:, :, rows], ctx.groups),
                _stack(q[:, :, rows], ctx.groups),
                block.of(k),
                block.of(v),
                kept[2 * i],
                kept[2 * i + 1],
                0.0,
                False,
                attn_mask=block.bias,
                scale=ctx.scale,
            )
            grad_q[:, :, rows] = _unstack(part_q, ctx.groups)
            block.add_to(grad_k, part_k)
            block.add_to(grad_v, part_v)
        return grad_q, grad_k, grad_v, None, None


def _stack(states: Tensor, groups: int) -> Tensor:
    """[1, Hq, n, D] → [1, Hk, groups · n, D]"""
    _, heads, n, width = states.shape
    return states.reshape(1, heads // groups, groups * n, width)


def _unstack(states: Tensor, groups: int) -> Tensor:
    """[1, Hk, groups · n, D] → [1, Hq, n, D]"""
    _, heads, n, width = states.shape
    return states.reshape(1, heads * groups, n // groups, width)


def _along_tree(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    tree: Tree,
    dropout: float,
    scaling: float | None,
    reach: Reach,
    softcap: float | None,
) -> Tensor:
    """Attention output [1, L, Hq, D] of one layer."""
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    groups = query.shape[1] // key.shape[1]
    if softcap is not None:
        return _capped(query, key, value, tree.on(query.device, reach), dropout, scale, softcap)
    if query.device.type == "cpu" and query.dtype == torch.float32 and not dropout:
        return _TreeAttention.apply(query, key, value, tree.blocks(reach, groups), scale)
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    mask = tree.on(query.device, reach)
    out = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask, dropout, scale=scale)
    return out.transpose(1, 2)


def _capped(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout: float, scale: float, softcap: float
) -> Tensor:
    """Attention whose scores are capped by tanh (Gemma 2): no fused kernel has it on every device."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = torch.tanh(query @ key.transpose(2, 3) * (scale / softcap)) * softcap
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1, dtype=torch.float32).to(query.dtype)
    return (torch.nn.functional.dropout(weights, dropout) @ value).transpose(1, 2)


def _attention(kind: str) -> Attend:
    """The function that transformers calls for each layer, falling back to the model's own kind."""

    def attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        tree: Tree | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        if tree is None:
            own = _own(kind, module)
            return own(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
        for unknown in ("s_aux", "position_bias"):  # attention of another kind: the probe will choose padded batches
            if kwargs.get(unknown) is not None:
                raise TypeError(f"attention along a prefix tree does not know {unknown}")
        reach = (kwargs.get("sliding_window"), _chunk(module))
        return _along_tree(query, key, value, tree, dropout, scaling, reach, kwargs.get("softcap")), None

    return attend


def _chunk(module: nn.Module) -> int | None:
    """Positions of a chunk where the layer attends within chunks alone."""
    kinds = getattr(module.config, "layer_types", None) or ()
    layer = getattr(module, "layer_idx", None)
    if layer is None or layer >= len(kinds) or kinds[layer] != "chunked_attention":
        return None
    return module.config.attention_chunk_size


def _own(kind: str, module: nn.Module) -> Attend:
    import sys

    if kind == "sdpa":
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward
    # Each model file of transformers writes its own eager attention.
    return sys.modules[type(module).__module__].eager_attention_forward


def install(model: nn.Module) -> None:
    """Have the model's layers call ours. Models with another kind of attention are left as they are, and so are those
    that compute something else by it (see `core.engine.trial`): some model files compare the name of their attention
    with a word of their own, and with another name lose their causal mask, as Falcon's does.
    """
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    from core.engine.trial import logits, same

    if getattr(model.config, "_attn_implementation", None) not in NAMES or getattr(model, REFUSED, False):
        return
    for kind, name in NAMES.items():
        AttentionInterface.register(name, _attention(kind))
        AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[kind])
    original = logits(model)
    _rename(model, NAMES)
    if original is not None and not same(logits(model), original, half=model.dtype.itemsize < 4):
        _rename(model, OWN)
        setattr(model, REFUSED, True)


@contextmanager
def own_attention(model: nn.Module) -> Iterator[None]:
    """Within it the model computes with transformers' own attention: what ours is compared with."""
    ours = getattr(model.config, "_attn_implementation", None) in OWN
    if ours:
        _rename(model, OWN)
    try:
        yield
    finally:
        if ours:
            _rename(model, NAMES)


def _rename(model: nn.Module, names: dict[str, str]) -> None:
    for part in {id(c): c for c in (model.config, model.config.get_text_config())}.values():
        part._attn_implementation = names.get(part._attn_implementation, part._attn_implementation)
