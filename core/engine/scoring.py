"""Log-probabilities of the trained tokens of many rows: for the loss on held-out rows, benchmarks and validation.

Knows ids and masks. Which rows share a pass, and whether they share prefixes, changes the time but not the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.engine import packing
from core.engine.packing import Row
from core.errors import UserError

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""
ShouldStop = Callable[[], bool]


BUDGET = 4096
"""Tokens of one pass, after sharing and without a long beginning that several passes share."""
PREDICTED = 1024
"""Predictions of one pass, or padded tokens where nothing is shared: each holds a number for every known token."""
TOGETHER = 64
"""Predictions whose probabilities are computed at once."""


class Stopped(Exception):
    """A person asked to stop. Whoever keeps partial results catches it."""


@dataclass(frozen=True)
class RowScore:
    logprob_sum: float
    """Natural logarithm, over the trained tokens of the row."""
    tokens: int
    """Trained tokens that have a context: the first token of a row has none."""
    all_greedy: bool
    """Is every trained token the model's most probable one? True where there is none."""


def score(
    model: torch.nn.Module,
    rows: Sequence[Row],
    budget_tokens: int = BUDGET,
    packed: bool | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    name: Callable[[int], str] = lambda i: f"row {i + 1}",
    keep: Callable[[dict[int, RowScore]], None] | None = None,
) -> list[RowScore]:
    """One score per row, in the order of `rows`.

    `budget_tokens` limits what one pass feeds; `packed` says whether prefixes are shared (None: try it on this model);
    `name(i)` is what row i is called in messages; `keep` is given each pass's scores by row as soon as they are
    known, rows that predict nothing with the first. Raises UserError where the model computes no numbers, `Stopped`
    when asked to stop.
    """
    import torch

    done = [RowScore(0.0, 0, True)] * len(rows)
    todo = [i for i, (_, trained) in enumerate(rows) if any(trained[1:])]
    finished = len(rows) - len(todo)
    if keep and finished:
        keep({i: done[i] for i in set(range(len(rows))) - set(todo)})
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            packed = packing.takes_packs(model) if packed is None and todo else packed
            known: packing.Beginning | None = None
            for part, shared in _passes(model, [rows[i] for i in todo], budget_tokens, bool(packed)):
                if should_stop and should_stop():
                    raise Stopped
                indices = [todo[i] for i in part]
                ids = tuple(rows[indices[0]][0][:shared])
                if shared and (known is None or known.ids != ids):
                    known = packing.beginning_of(model, ids)
                scores = _score_pass(model, rows, indices, bool(packed), known if shared else None, name)
                for i, score_of_row in zip(indices, scores, strict=True):
                    done[i] = score_of_row
                if keep:
                    keep({i: done[i] for i in indices})
                finished += len(indices)
                if progress:
                    progress(finished, len(rows))
    finally:
        model.train(was_training)
    return done


def _passes(model: torch.nn.Module, rows: Sequence[Row], budget: int, packed: bool) -> Iterator[tuple[list[int], int]]:
    """(row indices, tokens that they begin with and that are computed once for several passes) of one pass each."""
    if packed:
        passes = list(packing.parts(rows, budget))
        if any(shared for _, shared in passes) and not packing.takes_beginnings(model):
            passes = [(group, 0) for group in packing.groups(rows, budget)]
        predicted = [sum(trained) for _, trained in rows]
        for group, shared in passes:
            yield from ((part, shared) for part in _within(group, predicted, min(budget, PREDICTED)))
        return
    # Padded: what counts is rows × longest row. Longest first, so that a lack of memory shows at once.
    part: list[int] = []
    for i in sorted(range(len(rows)), key=lambda i: -len(rows[i][0])):
        if part and (len(part) + 1) * len(rows[part[0]][0]) > min(budget, PREDICTED):
            yield part, 0
            part = []
        part.append(i)
    if part:
        yield part, 0


def _within(group: list[int], trained: list[int], budget: int) -> Iterator[list[int]]:
    """Parts of a pack whose predictions stay within the budget too: equal rows share all nodes, but no logits."""
    part: list[int] = []
    size = 0
    for i in group:
        if part and size + trained[i] > budget:
            yield part
            part, size = [], 0
        part.append(i)
        size += trained[i]
    yield part


def _score_pass(
    model: torch.nn.Module,
    rows: Sequence[Row],
    indices: list[int],
    packed: bool,
    known: packing.Beginning | None,
    name: Callable[[int], str],
) -> list[RowScore]:
    import torch

    logits, at, target, row = packing.outputs(model, [rows[i] for i in indices], packed, known)
    at = torch.arange(len(target), device=target.device) if at is None else at
    logprobs, greedy = _of_targets(logits, at, target)
    if not torch.isfinite(logprobs).all():
        _refuse(model, rows, indices, packed, name)
    count = len(indices)
    sums = torch.zeros(count, dtype=torch.float64).index_add_(0, row.cpu(), logprobs.double().cpu())
    tokens = torch.bincount(row, minlength=count).tolist()
    hits = torch.bincount(row[greedy], minlength=count).tolist()
    return [RowScore(s, n, h == n) for s, n, h in zip(sums.tolist(), tokens, hits, strict=True)]


def _of_targets(logits: torch.Tensor, at: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(log-probability, is it the most probable token?) of each pair: logits [S, V], index and target int64 [P].

    Little by little, so that what lies between stays in the processor's cache; each node once, however many read it.
    """
    import torch

    logprobs = torch.empty(len(target), device=target.device)
    greedy = torch.empty(len(target), dtype=torch.bool, device=target.device)
    for begin in range(0, len(logits), TOGETHER):
        part = logits[begin : begin + TOGETHER].float()
        pairs = ((at >= begin) & (at < begin + TOGETHER)).nonzero()[:, 0]
        here, wanted = at[pairs] - begin, target[pairs]
        logprobs[pairs] = part.log_softmax(dim=1)[here, wanted]
        # PyTorch's maximum takes a fifth of its argmax, which is asked only of nodes where a target is as high as any.
        nodes = here[part[here, wanted] == part.amax(dim=1)[here]].unique()
        best = torch.full((len(part),), -1, device=target.device).index_copy_(0, nodes, part[nodes].argmax(dim=1))
        greedy[pairs] = best[here] == wanted
    return logprobs, greedy


def _refuse(
    model: torch.nn.Module, rows: Sequence[Row], indices: list[int], packed: bool, name: Callable[[int], str]
) -> None:
    """Raise UserError. One bad row spoils its whole pass, so each is tried alone to name the right one."""
    import torch

    alone = ((i, packing.forward(model, [rows[i]], packed)[0]) for i in indices)
    bad = next((i for i, logits in alone if not torch.isfinite(logits).all()), indices[0])
    raise UserError(
        f"For {name(bad)} the model computes no number (NaN or infinity). Its weights or its adapter are damaged, as "
        "after training with too high a learning rate: lower the learning rate and train again."
    )
