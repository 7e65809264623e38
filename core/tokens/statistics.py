"""What of a dataset will actually be trained: lengths, cuts, drops, what padding costs and prefix sharing saves, and
whether the tokenizer fits the language.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.engine.packing import pack
from core.engine.rendering import render, special_ids, template_of
from core.engine.templates import day_of, settings_of, writes_date
from core.store.datasets import KINDS
from core.store.queries import Rows
from core.store.workspace import new_id
from core.tokens.lengths import Lengths, batched, lengths
from core.tokens.remarks import Remark
from core.tokens.rows import to_rows, windows
from core.types import Example, content_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SAMPLED_STEPS = 20
SAMPLED_ROWS = 2000
# More than this many pieces a word, on average, is a sign that the tokenizer was made for another language or subject:
# English averages about 1.3 with current vocabularies, languages a tokenizer was not trained on 3 to 10 (Petrov et al.,
# 2023, arXiv 2305.15425).
MANY_PIECES = 2.5


class Passes(Protocol):
    """What of a run's settings decides how much is fed; core.training.settings has them all."""

    @property
    def max_length(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def seed(self) -> int: ...
    def steps(self, rows: int) -> int: ...


@dataclass(frozen=True)
class Loss:
    """What a maximum length costs."""

    truncated: int
    """Rows that are cut, the dropped ones included."""
    dropped: int
    """Rows without a trainable token left: what stands before their first answer fills the maximum length."""
    answer_tokens: int
    """Trained tokens that are cut off, over all rows."""
    answer_share: float
    """The same as a share of all trained tokens."""


@dataclass(frozen=True)
class TokenReport:
    """Of the training rows of a dataset version, under one model's tokenizer and one set of settings."""

    rows: int
    kept: int
    truncated: int
    dropped: int
    tokens: int
    """Per pass over the rows, after cutting."""
    trained_tokens: int
    longest: int
    """Tokens of the longest row before cutting."""
    without_end: int
    """Kept rows whose end-of-turn token is not trained: from them the model may not learn to stop."""
    padded_tokens: int
    """Tokens that padded batches of `batch_size` rows in random order would feed per pass."""
    packed_tokens: int
    """Tokens that shared-prefix packing feeds per pass, estimated from `sampled_steps` steps in random order."""
    sampled_steps: int
    steps: int
    suggested_length: int
    suggested_because: str
    text: dict[str, Any]
    """See `text_health`."""
    refused: int = 0
    """Rows that the template cannot write; they are not among the dropped."""
    remarks: tuple[str, ...] = ()
    """What the template drops of which rows, and which it refuses, in sentences. Over all rows of the version."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def cached_lengths(rows_file: Path, examples: Iterable[Example], tokenizer: PreTrainedTokenizerBase) -> Lengths:
    """`lengths` of a dataset version, kept beside its rows under the hash of all that decides them."""
    path = rows_file.with_name(f"lengths-{fingerprint(tokenizer)}.npz")
    if path.exists():
        with np.load(path, allow_pickle=False) as kept:
            remarks = [Remark(k, what, n, tuple(f), fix) for k, what, n, f, fix in json.loads(str(kept["remarks"]))]
            return Lengths(kept["total"], kept["prompt"], kept["spans"], tuple(remarks))
    measured = lengths(examples, tokenizer)
    arrays = {name: getattr(measured, name) for name in ("total", "prompt", "spans")}
    remarks_text = json.dumps([(r.kind, r.what, r.rows, r.first, r.fix) for r in measured.remarks], ensure_ascii=False)
    partial = path.with_name(f".{path.stem}.{new_id()}.partial.npz")  # two may measure the same rows at once
    np.savez_compressed(partial, remarks=np.array(remarks_text), **arrays)
    partial.replace(path)
    return measured


def fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """16 hexadecimal digits that change with the vocabulary, the merges, the control tokens, the template and the
    settings of rendering.
    """
    settings = settings_of(tokenizer).to_dict() | {"refused": ""}
    settings["date"] = str(day_of(settings_of(tokenizer))) if writes_date(tokenizer) else ""
    how = [template_of(tokenizer)[0], settings, 2]  # 2: the lengths know several answers of a row
    known = getattr(tokenizer, "_tunewright_fingerprint", None)
    if known is None or known[0] != how:
        text = tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else sorted(tokenizer.get_vocab().items())
        known = (how, content_hash([text, how])[:16])
        tokenizer._tunewright_fingerprint = known
    return known[1]


def token_report(
    rows: Rows,
    measured: Lengths,
    tokenizer: PreTrainedTokenizerBase,
    settings: Passes,
    context: int | None = None,
) -> TokenReport:
    """The report over the training rows. `measured`: lengths of all `rows`; `context`: what the model can take."""
    train = rows.of_split("train")
    whole = measured.total[train]
    parts = as_trained(rows, measured, tokenizer, settings.max_length)
    lost = loss_at(parts, settings.max_length)
    kept = parts.trained(settings.max_length) > 0
    fed = np.minimum(parts.total, settings.max_length)[kept]
    tokens, trained = int(fed.sum()), int(parts.trained(settings.max_length).sum())
    share, sampled = _packed_share(rows, train, tokenizer, settings)
    length, why = suggest_length(whole, context)
    if len(train) and (rows.kinds[train] == KINDS.index("text")).all():
        length, why = settings.max_length, "plain text is trained in parts of it, so nothing is cut"
    ends = _writes_an_end(rows.take(train[:1]), tokenizer)
    return TokenReport(
        rows=len(parts.total),
        kept=int(kept.sum()),
        truncated=lost.truncated,
        dropped=lost.dropped,
        tokens=tokens,
        trained_tokens=trained,
        longest=int(whole.max(initial=0)),
        without_end=int((kept & (parts.total > settings.max_length)).sum()) if ends else int(kept.sum()),
        padded_tokens=_padded(fed, settings),
        packed_tokens=round(tokens * share),
        sampled_steps=sampled,
        steps=settings.steps(int(kept.sum())) if kept.any() else 0,
        suggested_length=length,
        suggested_because=why,
        text=text_health(rows.take(_sample(train, SAMPLED_ROWS, 0)), tokenizer),
        refused=int((parts.total == 0).sum()),
        remarks=tuple(map(str, measured.remarks)),
    )


def as_trained(rows: Rows, measured: Lengths, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Lengths:
    """Lengths of each training row before any cut. Plain text counts as its windows."""
    train = rows.of_split("train")
    lengths_ = measured.of(train)
    texts = np.flatnonzero(rows.kinds[train] == KINDS.index("text"))
    if not len(texts):
        return lengths_
    # Each text is replaced by its windows, in its place; each window is one row with one trained end.
    by_row: list[list[tuple[int, list[list[int]]]]] = [[(n, [])] for n in lengths_.total.tolist()]
    for row, start, end in lengths_.spans.tolist():
        by_row[row][0][1].append([start, end])
    for chunk in batched(texts.tolist(), SAMPLED_ROWS):
        for i, example in zip(chunk, rows.take(train[chunk]), strict=True):
            parts = windows(render(example, tokenizer), max_length, tokenizer.bos_token_id)
            by_row[i] = [(len(ids), [[len(ids) - sum(trained), len(ids)]]) for ids, trained in parts]
    flat = list(chain.from_iterable(by_row))
    spans = np.array([[i, *span] for i, (_, spans) in enumerate(flat) for span in spans], dtype=np.int64).reshape(-1, 3)
    total = np.array([n for n, _ in flat], dtype=np.int64)
    return Lengths(total, np.zeros(len(flat), dtype=np.int64), spans, measured.remarks)


def loss_at(lengths_: Lengths, max_length: int) -> Loss:
    """What cutting at `max_length` tokens loses."""
    total, answer, left = lengths_.total, lengths_.trained(), lengths_.trained(max_length)
    lost = int((answer - left).sum())
    return Loss(
        int((total > max_length).sum()),
        int(((left == 0) & (total > 0)).sum()),
        lost,
        lost / max(1, int(answer.sum())),
    )


def suggest_length(total: np.ndarray, context: int | None) -> tuple[int, str]:
    """A maximum length and why: every row whole, unless a few rows alone would more than double it."""
    if not len(total):
        return 512, "There are no rows yet."
    longest = int(total.max())
    most = int(np.quantile(total, 0.99, method="higher"))
    length = _round_up(longest if longest <= 2 * _round_up(most) else most)
    if context is not None and length > context:
        share = float((total <= context).mean())
        return context, f"the model takes no more; {share:.1%} of the rows are whole"
    if length >= longest:
        return length, f"the longest row has {longest:,} tokens, so nothing is cut"
    cut = int((total > length).sum())
    return length, (
        f"it keeps {1 - cut / len(total):.1%} of the rows whole; the other {cut:,}, of up to {longest:,} tokens, would "
        f"need {longest / length:.0f} times the memory"
    )


def _round_up(tokens: int) -> int:
    return max(32, -(-tokens // 32) * 32)


def _padded(fed: np.ndarray, settings: Passes) -> int:
    shuffled = np.random.default_rng(settings.seed).permutation(fed)
    batches = [shuffled[i : i + settings.batch_size] for i in range(0, len(shuffled), settings.batch_size)]
    return sum(len(b) * int(b.max()) for b in batches)


def _sample(places: np.ndarray, most: int, seed: int) -> np.ndarray:
    return places[random.Random(seed).sample(range(len(places)), min(len(places), most))]


def _packed_share(
    rows: Rows, train: np.ndarray, tokenizer: PreTrainedTokenizerBase, settings: Passes
) -> tuple[float, int]:
    """Nodes fed per token, over some steps of random rows, and how many steps that were."""
    order = rows.take(_sample(train, SAMPLED_STEPS * settings.batch_size, settings.seed))
    trained = to_rows(order, tokenizer, settings.max_length, leave_out=True).rows
    steps = [trained[i : i + settings.batch_size] for i in range(0, len(trained), settings.batch_size)]
    packs = [pack(step) for step in steps]
    tokens = sum(p.tokens for p in packs)
    return (sum(len(p.ids) for p in packs) / tokens if tokens else 1.0), len(steps)


def _writes_an_end(first: list[Example], tokenizer: PreTrainedTokenizerBase) -> bool:
    if not first:
        return True
    trained = to_rows(first, tokenizer, 1 << 30, leave_out=True).rows
    return not trained or trained[0][0][-1] in special_ids(tokenizer)


_WORD = re.compile(r"[^\W\d_]+")


def text_health(examples: list[Example], tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """How well the tokenizer fits the text of the rows, on at most SAMPLED_ROWS of them, drawn with a fixed seed.

    `unknown`: characters the vocabulary cannot write, as a share of tokens; `bytes`: tokens that are single bytes of a
    character, as a share; `pieces_per_word`, and `broken_words`: [word, pieces, times] of the words in most pieces.
    """
    sample = random.Random(0).sample(examples, min(len(examples), SAMPLED_ROWS))
    texts = [text for e in sample for text in (e.prompt, e.target)]
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    counts = Counter(i for ids in encoded for i in ids)
    pieces = dict(zip(counts, tokenizer.convert_ids_to_tokens(list(counts)), strict=True))
    decoded = dict(zip(counts, tokenizer.batch_decode([[i] for i in counts]), strict=True))
    tokens = max(1, counts.total())
    fallback = sum(n for i, n in counts.items() if pieces[i].startswith("<0x") or "\ufffd" in decoded[i])
    words = Counter(word for text in texts for word in _WORD.findall(text))
    frequent = words.most_common(5000)
    spaced = tokenizer([f" {word}" for word, _ in frequent], add_special_tokens=False)["input_ids"] if frequent else []
    sizes = [(word, len(ids), n) for (word, n), ids in zip(frequent, spaced, strict=True)]
    times = sum(n for _, _, n in sizes)
    broken = sorted((s for s in sizes if s[1] >= 4), key=lambda s: (-s[1] * s[2], s[0]))[:10]
    return {
        "sampled_rows": len(sample),
        "unknown": counts.get(tokenizer.unk_token_id, 0) / tokens if tokenizer.unk_token_id is not None else 0.0,
        "bytes": fallback / tokens,
        "pieces_per_word": sum(size * n for _, size, n in sizes) / times if times else 0.0,
        "broken_words": [list(b) for b in broken],
    }


def worst_first(rows: Rows, measured: Lengths, max_length: int) -> np.ndarray:
    """Places of the rows, those that lose most of their answers first, then the longest."""
    lost = measured.trained() - measured.trained(max_length)
    lost[rows.kinds == KINDS.index("text")] = 0  # trained in windows, so nothing of it is lost
    return np.lexsort((np.arange(len(lost)), -measured.total, -lost))
