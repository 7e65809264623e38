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

    def mask(self) -> np.ndarray:
        """bool [L, L]: may node i attend to node j? Parents come before children, so one pass fills it."""
        size = len(self.ids)
        mask = np.zeros((size, size), dtype=bool)
        for i, parent in enumerate(self.parent):
            if parent >= 0:
                mask[i, : parent + 1] = mask[parent, : parent + 1]
            mask[i, i] = True
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
    size, previous = 0, ()
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


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def forward(model, rows: Sequence[Row], packed: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits of every trained token of `rows`: (logits float32 [P, V], targets int64 [P], row of each pair int64 [P]).

    `packed` shares prefixes; otherwise rows are padded to a rectangle (for models that take no custom mask).
    Pairs come row by row, in order, either way.
    """
    logits, at, target, row = outputs(model, rows, packed)
    return (logits if at is None else logits[at]).float(), target, row


def outputs(
    model, rows: Sequence[Row], packed: bool
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor]:
    """As `forward`, but the logits of a node from which several rows predict (a fork) stand there once.

    Returns (logits [S, V] in the model's precision, int64 [P] which of them are each pair's, targets, rows). None
    instead of the indices: the logits are in the pairs' order.
    """
    import torch

    if not packed:
        return _outputs_padded(model, rows)
    batch = pack(rows)
    device = _inner(model).device
    on_device = lambda array: torch.from_numpy(array).to(device)  # noqa: E731
    source, inverse = np.unique(batch.source, return_inverse=True)
    logits = model(
        input_ids=on_device(batch.ids)[None],
        position_ids=on_device(batch.depth)[None],
        logits_to_keep=on_device(source),
        use_cache=False,
        **attention_of(model, batch),
    ).logits.squeeze(0)  # indexing would fill a second copy in the backward pass
    in_order = np.array_equal(inverse, np.arange(len(source)))
    return logits, None if in_order else on_device(inverse), on_device(batch.target), on_device(batch.row)


def attention_of(model, batch: Pack) -> dict[str, Any]:
    """What tells a model's layers who attends to whom: our own attention is given the tree, others its mask."""
    import torch

    mask, device = batch.mask(), _inner(model).device
    if not str(_inner(model).config._attn_implementation).startswith("tree_"):
        return {"attention_mask": torch.from_numpy(mask).to(device)[None, None]}
    from core.kernels.attention import Tree

    # A mask with four dimensions is handed on as it is, so that transformers makes none of its own.
    unused = torch.ones((1, 1, 1, 1), dtype=torch.bool, device=device)
    return {"attention_mask": unused, "tree": Tree(mask, batch.depth)}


def _inner(model):
    """The model itself: where several processes train, a wrapper around it averages their gradients."""
    return getattr(model, "module", model)


def _outputs_padded(model, rows: Sequence[Row]):
    import torch

    length = max(1, *(len(ids) - 1 for ids, _ in rows))  # a row's last token predicts nothing
    ids = np.zeros((len(rows), length), dtype=np.int64)
    attention = np.zeros((len(rows), length), dtype=np.int64)
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


def takes_packs(model) -> bool:
    """Does this very model give packed rows the same logits as separate ones? Decided by trying, not by its name.

    State-space and convolution models ignore the mask; models with sliding windows see further than they should.
    Among the rows are a fork, shared tails and a row that is another's prefix.
    """
    import torch

    windowed = getattr(model.config, "sliding_window", None) and getattr(model.config, "use_sliding_window", True)
    if windowed and not str(model.config._attn_implementation).startswith("tree_"):
        # A window counts nodes of the layout, not depth in the tree: beyond it a pack would see too little.
        return False
    vocab = min(model.config.vocab_size, 50)
    stem = [3 + (7 * i) % (vocab - 4) for i in range(9)]
    tails = [[5, 9, 4], [5, 9], [8, 6, 5, 9, 7], []]
    rows = [(stem + tail, [False] * 5 + [True] * (4 + len(tail))) for tail in tails]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            together = forward(model, rows, packed=True)[0]
            apart = torch.cat([forward(model, [row], packed=False)[0] for row in rows])
    except (RuntimeError, ValueError, TypeError, IndexError):
        return False  # e.g. the model takes no `position_ids`, or refuses a 4-D mask
    finally:
        model.train(was_training)
    if not torch.isfinite(apart).all():
        return False  # a damaged model; whoever scores with it is told
    tolerance = 1e-3 if apart.dtype == torch.float32 and model.dtype == torch.float32 else 5e-2
    return bool(torch.allclose(together, apart, rtol=tolerance, atol=tolerance * apart.abs().max().item()))
