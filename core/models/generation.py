"""Let a side answer the prompts of examples, in batches. Prompts and stop tokens come from `core.engine.rendering`.

Greedy answers are computed by core/models/batching.py where it suits the model; else, and sampled ones, by `generate`
of transformers. What a model's own generation_config asks for (sampling, penalties) is set aside: both sides answer as
`Decoding` says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.engine.rendering import prompt_ids, stop_ids
from core.engine.scoring import Progress, ShouldStop, Stopped
from core.errors import UserError
from core.files import finished_lines
from core.models.room import Room
from core.models.sides import Sides, virtual_tokens
from core.types import SIDES, Decoding, Example, Generation, Side

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH_ROWS = 16
Finish = Literal["stop", "length"]


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    side: Side,
    decoding: Decoding,
    batch_rows: int | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[Generation]:
    """One answer per example, in the order of `examples`; `model` must already be the side that `side` names.

    Greedy at temperature 0, else sampled with the seed. `batch_rows`: answered at once, at most. Raises UserError when
    a prompt and its answer do not fit the model, `Stopped` when asked to stop.
    """
    prompts = fitting_prompts(model, tokenizer, examples, decoding)
    answered: dict[int, Generation] = {}
    if _rows_leave(model, decoding):
        asked = [(i, side) for i in _shortest_first(prompts)]
        going = _leaving(model, tokenizer, examples, prompts, asked, "", decoding, batch_rows, progress, should_stop)
        for i, generation in going:
            answered[i] = generation
    else:
        in_batches = _batches([len(p) for p in prompts], batch_rows or BATCH_ROWS, padded=not virtual_tokens(model))
        for batch in in_batches:
            part = len(batch)
            tell = (lambda share, n=part: progress(len(answered) + int(share * n), len(prompts))) if progress else None
            began = time.perf_counter()
            answers = _answer(model, tokenizer, [prompts[i] for i in batch], decoding, len(answered), tell, should_stop)
            seconds = (time.perf_counter() - began) / part
            for i, (ids, finish) in zip(batch, answers, strict=True):
                answered[i] = _generation(tokenizer, examples[i], side, ids, finish, seconds)
            if progress:
                progress(len(answered), len(prompts))
    return [answered[i] for i in range(len(prompts))]


def _generation(
    tokenizer: PreTrainedTokenizerBase, example: Example, side: Side, ids: Sequence[int], finish: Finish, seconds: float
) -> Generation:
    text = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Generation(example.id, side, str(text), len(ids), finish, round(seconds, 4))


def _shortest_first(prompts: Sequence[Sequence[int]]) -> list[int]:
    return sorted(range(len(prompts)), key=lambda i: len(prompts[i]))


def _batches(lengths: list[int], most: int, padded: bool) -> Iterator[list[int]]:
    """Indices of the prompts that are answered together, shortest first.

    Without padding only prompts of one length: behind virtual tokens PEFT counts padding as places of the context.
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == most or (not padded and lengths[i] != lengths[batch[0]])):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _rows_leave(model: PreTrainedModel, decoding: Decoding) -> bool:
    """May rows leave their batch as soon as they have answered?"""
    from core.models import batching

    return decoding.temperature == 0 and not virtual_tokens(model) and batching.suits(model)


def _leaving(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    prompts: Sequence[tuple[int, ...]],
    asked: Sequence[tuple[int, Side]],
    adapter: str,
    decoding: Decoding,
    batch_rows: int | None,
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> Iterator[tuple[int, Generation]]:
    """(index of an example, answer) as soon as each is there. `asked`: indices and sides, in the order to begin with.

    `adapter`: what is left out for the rows of the base; nothing where the model is one side already.
    """
    from core.models import batching

    stops, limit = stops_of(model, tokenizer), _room(model, decoding)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (stops or [0])[0]
    rows = {}
    for i, side in asked:
        room = Room(tokenizer, prompts[i], decoding)
        most = room.most if limit is None else min(room.most, decoding.max_new_tokens + limit - len(prompts[i]))
        of_side = {"base": "__base__", "tuned": adapter}[side] if adapter else ""
        row = batching.Row(prompts[i], room, most, of_side)
        rows[id(row)] = (row, i, side)
    done = 0
    answering = [row for row, _, _ in rows.values()]
    steps = batching.answer(model, answering, frozenset(stops), pad, batch_rows or batching.ROWS)
    for left in steps:
        if should_stop and should_stop():
            raise Stopped
        for row in left:
            _, i, side = rows.pop(id(row))
            done += 1
            ids, finish = _until_stop(row.room.kept(row.new[: row.most]), stops)
            yield i, _generation(tokenizer, examples[i], side, ids, finish, row.seconds)
        if progress:
            under_way = sum(len(row.new) / row.most for row, _, _ in rows.values())
            progress(done + int(under_way), len(asked))


def generate_both(
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    decoding: Decoding,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    keep: Callable[[list[tuple[Generation, Generation]]], None] | None = None,
) -> list[tuple[Generation, Generation]]:
    """(base, tuned) for each example, in the given order. Asked to stop, it returns the pairs that are complete.

    Where the adapter can be left out by row, both sides are computed at once; else they take turns, some rows at a
    time, so that a stop leaves pairs and not one side alone. `keep` is given pairs as soon as they are complete.
    """
    prompts = fitting_prompts(sides.model, tokenizer, examples, decoding)
    pairs: dict[int, tuple[Generation, Generation]] = {}
    going = _both(sides, tokenizer, examples, prompts, decoding, progress, should_stop)
    with suppress(Stopped):
        for complete in going:
            pairs.update(complete)
            if keep:
                keep(list(complete.values()))
    return [pairs[i] for i in sorted(pairs)]


def _both(
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    prompts: Sequence[tuple[int, ...]],
    decoding: Decoding,
    progress: Progress | None,
    should_stop: ShouldStop | None,
) -> Iterator[dict[int, tuple[Generation, Generation]]]:
    """Indices with both answers, as soon as they are there. Raises `Stopped`."""
    from core.models import batching

    order = _shortest_first(prompts)
    adapter = "" if sides.whole is not None else batching.mixes(sides.model)
    if adapter and _rows_leave(sides.model, decoding):
        asked = [(i, side) for i in order for side in SIDES]
        half: dict[int, Generation] = {}
        with sides.use("tuned") as model:
            going = _leaving(model, tokenizer, examples, prompts, asked, adapter, decoding, None, progress, should_stop)
            for i, generation in going:
                other = half.pop(i, None)
                if other is None:
                    half[i] = generation
                else:
                    yield {i: (other, generation) if generation.side == "tuned" else (generation, other)}
        return
    at_once = batching.ROWS if _rows_leave(sides.model, decoding) else BATCH_ROWS
    done = 0
    for start in range(0, len(order), at_once):
        batch = order[start : start + at_once]
        by_side: list[list[Generation]] = []
        for side in SIDES:
            tell = (lambda n, _, done=done: progress(done + n, 2 * len(order))) if progress else None
            with sides.use(side) as model:
                chosen = [examples[i] for i in batch]
                answers = generate(model, tokenizer, chosen, side, decoding, progress=tell, should_stop=should_stop)
                by_side.append(answers)
            done += len(batch)
        yield dict(zip(batch, zip(by_side[0], by_side[1], strict=True), strict=True))


def read_pairs(paths: Iterable[Path]) -> dict[str, tuple[Generation, Generation]]:
    """Example id → (base, tuned), of the files that are there. A line that was not finished is none."""
    answers: dict[str, dict[str, Generation]] = {}
    for path in paths:
        for answer in map(Generation.from_dict, finished_lines(path)[0]):
            answers.setdefault(answer.example_id, {})[answer.side] = answer
    return {id_: (sides["base"], sides["tuned"]) for id_, sides in answers.items() if len(sides) == 2}


def fitting_prompts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], decoding: Decoding
) -> list[tuple[int, ...]]:
    """Ids of each example's prompt. Raises UserError when one leaves no room for the answer in the model's context."""
    limit = _room(model, decoding)
    prompts = [prompt_ids(example, tokenizer) for example in examples]
    for example, ids in zip(examples, prompts, strict=True):
        if limit is not None and len(ids) > limit:
            raise UserError(
                f"The prompt of row {example.row} has {len(ids):,} tokens; with {decoding.max_new_tokens:,} new tokens "
                f"it exceeds the {limit + decoding.max_new_tokens:,} that the model takes. Lower the new tokens, or "
                "shorten or leave out the row."
            )
    return prompts


def too_long(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], decoding: Decoding
) -> list[Example]:
    """The examples whose prompt leaves no room for the answer in the model's context."""
    limit = _room(model, decoding)
    return [e for e in examples if limit is not None and len(prompt_ids(e, tokenizer)) > limit]


def stops_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids that end an answer: where the template ends a turn, and where the model's own generation_config stops.

    Chat models may end a turn with a token that neither tokenizer nor template shows, as Phi-3 with `<|end|>`.
    """
    own = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    own = own if isinstance(own, list) else [own] if isinstance(own, int) else []
    return sorted({*stop_ids(tokenizer), *own})


def _room(model: PreTrainedModel, decoding: Decoding) -> int | None:
    """Tokens that a prompt may have; None where the model names no limit."""
    limit = getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)
    return limit - virtual_tokens(model) - decoding.max_new_tokens if limit else None


def _answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[tuple[int, ...]],
    decoding: Decoding,
    number: int,
    tell: Callable[[float], None] | None,
    should_stop: ShouldStop | None,
) -> list[tuple[list[int], Finish]]:
    """For each prompt the new ids, without the one that ended the answer, and how it ended."""
    import torch

    stops = stops_of(model, tokenizer)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (stops or [0])[0]
    width = max(len(ids) for ids in prompts)
    # Left padding: every answer starts in the same column.
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)

    limit = _room(model, decoding)
    most = decoding.max_new_tokens + decoding.reasoning_tokens
    if limit is not None:
        most = min(most, decoding.max_new_tokens + limit - width)
    rooms = [Room(tokenizer, prompt, decoding) for prompt in prompts]

    def watch(ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        n = ids.shape[1] - width
        if tell:
            tell(min(1.0, n / decoding.max_new_tokens))
        if should_stop and should_stop():
            return torch.ones(len(ids), device=ids.device, dtype=torch.bool)
        if n < decoding.max_new_tokens:
            return torch.zeros(len(ids), device=ids.device, dtype=torch.bool)
        full = [room.full(new) for room, new in zip(rooms, ids[:, width:].tolist(), strict=True)]
        return torch.tensor(full, device=ids.device)

    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices), _own_settings(model, decoding, most, stops, pad) as settings:
        torch.manual_seed(decoding.seed + number)
        out = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings, stopping_criteria=[watch])
    if should_stop and should_stop():
        raise Stopped
    return [_until_stop(room.kept(new), stops) for room, new in zip(rooms, out[:, width:].tolist(), strict=True)]


def _until_stop(ids: Sequence[int], stops: list[int]) -> tuple[list[int], Finish]:
    end = next((i for i, token in enumerate(ids) if token in stops), None)
    return (list(ids), "length") if end is None else (list(ids[:end]), "stop")


@contextmanager
def _own_settings(model: PreTrainedModel, decoding: Decoding, most: int, stops: list[int], pad: int) -> Iterator[Any]:
    """Our settings, while the model's own are set aside: `generate` would take from them whatever ours leave open."""
    from transformers import GenerationConfig

    sampled = {"temperature": decoding.temperature, "top_k": 0, "top_p": 1.0} if decoding.temperature > 0 else {}
    settings = GenerationConfig(
        max_new_tokens=most,
        do_sample=decoding.temperature > 0,
        eos_token_id=stops or None,
        pad_token_id=pad,
        **sampled,
    )
    with set_aside(model):
        yield settings


@contextmanager
def set_aside(model: PreTrainedModel) -> Iterator[None]:
    """Without the model's own generation settings, which `generate` takes where ours leave something open."""
    from transformers import GenerationConfig

    # PEFT keeps a reference of its own and puts it back into the base model on every call.
    holders = [model, model.get_base_model()] if hasattr(model, "get_base_model") else [model]
    own_settings = [m.generation_config for m in holders]
    for m in holders:
        m.generation_config = GenerationConfig()
    try:
        yield
    finally:
        for m, own in zip(holders, own_settings, strict=True):
            m.generation_config = own
