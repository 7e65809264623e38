"""Many token lists → one shared-prefix batch, and the log-probabilities of their trained tokens.

THE one way in which training and scoring feed a model. Knows ids and masks, nothing of text, files or pages.

Rows often begin alike: the same system prompt, the same question before each choice. `pack` inserts all rows into a
prefix tree and lays the tree out as one sequence: `depth` in the tree is the position id, and a token attends to its
ancestors and itself. What is predicted is a list of pairs (node of the preceding token, target id), so branches at
a fork and repeated targets count exactly as in separate sequences. Only the preceding nodes pass the LM head.

The tree mask is the idea of SpecInfer (Miao et al., 2023, arXiv 2305.09781), used here for training and scoring.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache

LONG = 128
"""Tokens of a common beginning that are worth computing apart, once for several packs."""

Row = tuple[Sequence[int], Sequence[bool]]
"""ids and, for each, whether it is predicted. The first id of a row has no context and is never predicted."""


@dataclass(frozen=True)
class Pack:
    """A prefix tree of rows, laid out in order of insertion. L nodes, P pairs."""

    ids: np.ndarray
    """int64 [L]: token of each node."""
    depth: np.ndarray
    """int64 [L]: position id of each node."""
    parent: np.ndarray
    """int64 [L]: index of the preceding node, -1 at a root."""
    source: np.ndarray
    """int64 [P]: node whose output predicts the pair's target."""
    target: np.ndarray
    """int64 [P]: the id that should come next."""
    row: np.ndarray
    """int64 [P]: which row the pair belongs to."""
    tokens: int
    """Tokens of all rows before sharing."""

    def mask(self, preceding: int = 0) -> np.ndarray:
        """bool [L, before + L]: may node i attend to node j? Parents come before children, so one pass fills it.

        `before` tokens precede all nodes, and each node attends to them.
        """
        size = len(self.ids)
        mask: np.ndarray = np.zeros((size, preceding + size), dtype=bool)
        mask[:, :preceding] = True
        own = mask[:, preceding:]
        for i, parent in enumerate(self.parent):
            if parent >= 0:
                own[i, : parent + 1] = own[parent, : parent + 1]
            own[i, i] = True
        return mask


def pack(rows: Sequence[Row]) -> Pack:
    """Insert rows into one prefix tree. Every trained token becomes one pair, also where rows share it.

    A row's last token is predicted but predicts nothing: it takes no node.
    """
    ids: list[int] = []
    depth: list[int] = []
    parent: list[int] = []
    children: list[dict[int, int]] = []
    roots: dict[int, int] = {}
    pairs: list[tuple[int, int, int]] = []
    for r, (row_ids, trained) in enumerate(rows):
        node = -1
        for position, (token, is_trained) in enumerate(zip(row_ids, trained, strict=True)):
            if is_trained and node >= 0:
                pairs.append((node, token, r))
            if position == len(row_ids) - 1 and node >= 0:
                break  # nothing is predicted from a row's last token, so it is not fed
            siblings = roots if node < 0 else children[node]
            if token not in siblings:
                siblings[token] = len(ids)
                ids.append(token)
                depth.append(position)
                parent.append(node)
                children.append({})
            node = siblings[token]
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
    as_array = lambda values: np.array(values, dtype=np.int64)  # noqa: E731
    tokens = sum(len(row_ids) for row_ids, _ in rows)
    return Pack(as_array(ids), as_array(depth), as_array(parent), columns[0], columns[1], columns[2], tokens)


def groups(rows: Sequence[Row], budget: int) -> Iterator[list[int]]:
    """Split rows into packs of at most `budget` nodes: yields lists of row indices that cover every row once.

    Rows are taken in order of their ids, so rows with a common prefix stand together; a row longer than the budget
    gets a pack of its own.
    """
    order = sorted(range(len(rows)), key=lambda i: tuple(rows[i][0]))
    group: list[int] = []
    size = 0
    previous: tuple[int, ...] = ()
    for i in order:
        ids = tuple(rows[i][0])
        new = len(ids) - _shared(previous, ids)
        if group and size + new > budget:
            yield group
            group, size, new = [], 0, len(ids)
        group.append(i)
        size += new
        previous = ids
    if group:
        yield group


def parts(rows: Sequence[Row], budget: int) -> Iterator[tuple[list[int], int]]:
    """As `groups`, but a long beginning that rows of several packs share is left to be computed once for all of them.

    Yields (row indices, tokens of their common beginning, 0 for none); nothing of a beginning is predicted, and the
    token after it is the same for all these rows. Packs of one beginning come one after another; the budget is for the
    nodes after it.
    """
    order = sorted(range(len(rows)), key=lambda i: tuple(rows[i][0]))
    rest: list[int] = []
    for stretch, common in _alike([rows[i][0] for i in order]):
        indices = [order[i] for i in stretch]
        # The last common token stays with the rows: what follows is predicted from it.
        first = min(list(rows[i][1]).index(True, 1) if any(rows[i][1][1:]) else len(rows[i][0]) for i in indices)
        preceding = min(common, first) - 1
        if preceding < LONG:
            rest += indices
            continue
        if len(list(groups([rows[i] for i in indices], budget))) == 1:
            rest += indices
            continue
        for group in groups([(rows[i][0][preceding:], rows[i][1][preceding:]) for i in indices], budget):
            yield [indices[i] for i in group], preceding
    for group in groups([rows[i] for i in rest], budget):
        yield [rest[i] for i in group], 0


def _alike(rows: list[Sequence[int]]) -> Iterator[tuple[range, int]]:
    """(run of sorted rows that begin with the same tokens, LONG or more; how many all of them share)"""
    begin, common = 0, 0
    for i in range(1, len(rows) + 1):
        shared = _shared(rows[i - 1], rows[i]) if i < len(rows) else 0
        if shared < LONG:
            yield range(begin, i), common
            begin, common = i, 0
        else:
            common = min(common, shared) if common else shared


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@dataclass(frozen=True)
class Beginning:
    """What several packs begin with, and each layer's keys and values of it."""

    ids: tuple[int, ...]
    layers: list[tuple[torch.Tensor, torch.Tensor]]

    def cache(self) -> DynamicCache:
        """For one pass, which adds to it."""
        from transformers import DynamicCache

        return DynamicCache(self.layers)


def beginning_of(model: torch.nn.Module, ids: Sequence[int]) -> Beginning:
    """Compute what rows begin with, without gradients."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache()
    given = torch.tensor([list(ids)], device=_inner(model).device)
    with torch.no_grad():
        model(input_ids=given, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return Beginning(tuple(ids), [(layer.keys, layer.values) for layer in cache.layers])


def forward(
    model: torch.nn.Module, rows: Sequence[Row], packed: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of every trained token of `rows`: (logits float32 [P, V], targets int64 [P], row of each pair int64 [P]).

    `packed` shares prefixes; otherwise rows are padded to a rectangle (for models that take no custom mask).
    Pairs come row by row, in order, either way.
    """
    logits, at, target, row = outputs(model, rows, packed)
    return (logits if at is None else logits[at]).float(), target, row


def outputs(
    model: torch.nn.Module, rows: Sequence[Row], packed: bool, beginning: Beginning | None = None
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor]:
    """As `forward`, but the logits of a node from which several rows predict (a fork) stand there once.

    `beginning` is what packed rows begin with; only the rest of each is computed.

    Returns (logits [S, V] in the model's precision, int64 [P] which of them are each pair's, targets, rows). None
    instead of the indices: the logits are in the pairs' order.
    """
    import torch

    if not packed:
        return _outputs_padded(model, rows)
    preceding = len(beginning.ids) if beginning else 0
    batch = pack([(ids[preceding:], trained[preceding:]) for ids, trained in rows] if preceding else rows)
    device = _inner(model).device
    on_device = lambda array: torch.from_numpy(array).to(device)  # noqa: E731
    source, inverse = np.unique(batch.source, return_inverse=True)
    logits = model(
        input_ids=on_device(batch.ids)[None],
        position_ids=on_device(batch.depth + preceding)[None],
        logits_to_keep=on_device(source),
        use_cache=False,
        **({"past_key_values": beginning.cache()} if beginning else {}),
        **attention_of(model, batch, preceding),
    ).logits.squeeze(0)  # indexing would fill a second copy in the backward pass
    in_order = np.array_equal(inverse, np.arange(len(source)))
    return logits, None if in_order else on_device(inverse), on_device(batch.target), on_device(batch.row)


def attention_of(model: torch.nn.Module, batch: Pack, preceding: int = 0) -> dict[str, Any]:
    """What tells a model's layers who attends to whom: our own attention is given the tree, others its mask.

    `before` tokens in the layers' cache precede all nodes.
    """
    import torch

    mask, device = batch.mask(preceding), _inner(model).device
    if not str(_inner(model).config._attn_implementation).startswith("tree_"):
        return {"attention_mask": torch.from_numpy(mask).to(device)[None, None]}
    from core.engine.kernels.attention import Tree

    # A mask with four dimensions is handed on as it is, so that transformers makes none of its own.
    unused = torch.ones((1, 1, 1, 1), dtype=torch.bool, device=device)
    return {
        "attention_mask": unused,
        "tree": Tree(mask, np.concatenate([np.arange(preceding), batch.depth + preceding])),
    }


def _inner(model: torch.nn.Module) -> torch.nn.Module:
    """The model itself: where several processes train, a wrapper around it averages their gradients."""
    return getattr(model, "module", model)


def _outputs_padded(
    model: torch.nn.Module, rows: Sequence[Row]
) -> tuple[torch.Tensor, None, torch.Tensor, torch.Tensor]:
    import torch

    length = max(1, *(len(ids) - 1 for ids, _ in rows))  # a row's last token predicts nothing
    ids: np.ndarray = np.zeros((len(rows), length), dtype=np.int64)
    attention: np.ndarray = np.zeros((len(rows), length), dtype=np.int64)
    row, source, target = [], [], []
    for r, (row_ids, trained) in enumerate(rows):
        fed = row_ids[:length]
        ids[r, : len(fed)] = fed
        attention[r, : len(fed)] = 1
        positions = [i for i, t in enumerate(trained) if t and i > 0]
        row += [r] * len(positions)
        source += [i - 1 for i in positions]
        target += [row_ids[i] for i in positions]
    device = _inner(model).device
    out = model(
        input_ids=torch.from_numpy(ids).to(device),
        attention_mask=torch.from_numpy(attention).to(device),
        use_cache=False,
    ).logits
    out = out[:, out.shape[1] - length :]  # prompt tuning puts virtual tokens before each row
    logits = out[torch.tensor(row, device=device), torch.tensor(source, device=device)]
    return logits, None, torch.tensor(target, device=device), torch.tensor(row, device=device)


def takes_packs(model: torch.nn.Module) -> bool:
    """Does this very model give packed rows the logits that transformers' own attention gives padded ones?

    Decided by trying, not by its name, on rows longer than its windows and chunks are meanwhile: see core.engine.trial.
    State-space and convolution models ignore the mask; models with sliding windows see further than they should.
    Among the rows are a fork, shared tails and a row that is another's prefix.
    """
    if _has_window(model) and not str(model.config._attn_implementation).startswith("tree_"):
        # A window counts nodes of the layout, not depth in the tree: beyond it a pack would see too little.
        return False
    return _computes_the_same(model, 0)


def takes_beginnings(model: torch.nn.Module) -> bool:
    """Does a model that takes packs also go on from a `Beginning`? With windows it forgets a part of it: not tried."""
    return not _has_window(model) and _computes_the_same(model, 5)


def _has_window(model: torch.nn.Module) -> bool:
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    return bool(window or getattr(config, "attention_chunk_size", None))


def _computes_the_same(model: torch.nn.Module, preceding: int) -> bool:
    """Are the logits of packed rows, after `before` tokens that are computed apart, those of padded rows?

    Padded rows, through transformers' own attention, are what a model that takes no packs is fed, and all of them are
    one pass over its weights.
    """
    import torch

    from core.engine import trial
    from core.engine.kernels.attention import own_attention

    stem = trial.token_ids(model, 9)
    tails = [[5, 9, 4], [5, 9], [8, 6, 5, 9, 7], []]
    rows = [(stem + tail, [False] * 6 + [True] * (3 + len(tail))) for tail in tails]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), trial.short_reach(model):
            known = beginning_of(model, stem[:preceding]) if preceding else None
            logits, at, *_ = outputs(model, rows, True, known)
            together = (logits if at is None else logits[at]).float()
            with own_attention(model):
                apart = forward(model, rows, packed=False)[0]
    except trial.FAILS:
        return False
    finally:
        model.train(was_training)
    # False for a damaged model, too: whoever scores with it is told.
    return trial.same(together, apart, half=model.dtype.itemsize < 4)
