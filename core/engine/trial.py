"""Trying what a model computes, instead of believing its name: a few rows, longer than its layers see back.

Sliding windows and chunks have thousands of positions in real models. While it is tried each has a few, so that a trial
of a dozen tokens crosses them all: what is wrong beyond a window is seen in every model, and costs one short pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

REACH = 4
"""Positions that windows and chunks have while a model is tried."""
LENGTH, CHANGED = 14, 9
"""Tokens of the tried rows, and the first one in which they differ."""
FAILS = (RuntimeError, ValueError, TypeError, IndexError, AttributeError)
"""What a model raises that cannot be fed so: no `position_ids`, a mask of four dimensions, a cache of its own kind."""


def token_ids(model: torch.nn.Module, length: int) -> list[int]:
    """Tokens that every vocabulary has, none twice in a row."""
    vocab = min(model.config.get_text_config().vocab_size, 50)
    return [3 + (7 * i) % (vocab - 4) for i in range(length)]


@contextmanager
def short_reach(model: torch.nn.Module) -> Iterator[None]:
    """Within it every sliding window and every chunk of the model has `REACH` positions."""
    places = [c for c in {id(c): c for c in (model.config, model.config.get_text_config())}.values()]
    places += [m for m in model.modules() if "sliding_window" in vars(m)]
    kept = []
    for place in places:
        for name in ("sliding_window", "attention_chunk_size"):
            value = vars(place).get(name)
            if isinstance(value, int) and value > REACH:
                kept.append((place, name, value))
                setattr(place, name, REACH)
    try:
        yield
    finally:
        for place, name, value in kept:
            setattr(place, name, value)


def logits(model: torch.nn.Module) -> torch.Tensor | None:
    """float32 [2, LENGTH, V] of two rows that differ from token `CHANGED` on; None where the model cannot be fed so."""
    import torch

    ids = torch.tensor([token_ids(model, LENGTH)] * 2, device=model.device)
    ids[1, CHANGED:] = ids[0, CHANGED - 1]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), short_reach(model):
            return model(input_ids=ids, use_cache=False).logits.float()
    except FAILS:
        return None
    finally:
        model.train(was_training)


def same(one: torch.Tensor | None, other: torch.Tensor, half: bool = False) -> bool:
    """Are these the same numbers, up to what float32 (or bf16 where `half`) rounds? Not where any is no number."""
    import torch

    if one is None or not torch.isfinite(other).all():
        return False
    tolerance = 5e-2 if half else 1e-3
    return bool(torch.allclose(one, other, rtol=tolerance, atol=tolerance * other.abs().max().item()))


def sees_the_future(model: torch.nn.Module) -> bool:
    """Do later tokens move the logits of earlier ones? Then it is no causal language model, whatever it is called."""
    both = logits(model)
    if both is None:
        return False  # what it cannot do is said where it is asked for
    first, second = both[:, :CHANGED]
    return bool(first.isfinite().all()) and not same(second, first, half=model.dtype.itemsize < 4)
