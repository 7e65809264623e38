"""Rows of a file, a batch at a time → columns as the store keeps them.

What most files hold, texts in columns of their own, is converted column by column: a row costs some 6 µs, where one
after the other they cost 20. Whatever else a cell may be (messages, JSON, numbers, marks) goes through
core/data/columns/rows.py, and a test holds both against each other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.columns.choice import Columns, as_text
from core.data.columns.rows import to_examples, turns_of
from core.data.reading.table import Table
from core.errors import Problem
from core.questions import canonical_all
from core.store.datasets import schema, to_table
from core.store.search import FIELD, ROW
from core.types import Example

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT = frozenset((str, type(None)))


@dataclass(frozen=True)
class Keys:
    """Hashes of rows, 64 bits each: what rows have in common, wherever in the file they stand."""

    prompt: np.ndarray
    """Of all texts before the answer, as they are; this one and `target` hold within one process only."""
    target: np.ndarray
    asks: np.ndarray
    """Of `Example.asks`."""


@dataclass(frozen=True)
class Batch:
    """Usable rows of a batch, and a Problem for each that is left out."""

    table: pa.Table
    """The columns of the store; the split is that of an Example that has none yet."""
    texts: list[str]
    """Of each row its `search.row_text`."""
    keys: Keys
    asked: list[str]
    """Of each row its `Example.asks`, as one text."""
    problems: list[Problem] = field(default_factory=list)


def convert(table: Table, columns: Columns, labels: Sequence[str] = ()) -> Batch:
    """The rows of `table` as columns. Raises UserError for a value that cannot be text."""
    batch = _plain(table, columns, labels) if _is_plain(columns) else None
    if batch is None:
        examples, problems = to_examples(table, columns, labels)
        batch = of_examples(examples, problems)
    return batch


def of_examples(examples: list[Example], problems: list[Problem]) -> Batch:
    """The same, from rows that were converted one by one."""
    table, texts = to_table(examples)
    keys = Keys(
        _numbers([hash("\0".join(m["content"] for m in e.messages)) for e in examples]),
        _numbers([hash(e.target) for e in examples]),
        table["asks"].to_numpy(),
    )
    return Batch(table, texts.to_pylist(), keys, [" ".join(e.asks) for e in examples], problems)


def _numbers(hashes: list[int]) -> np.ndarray:
    return np.array(hashes, dtype=np.int64)


def _is_plain(columns: Columns) -> bool:
    return bool(columns.prompt and columns.answer) and not (
        columns.text or columns.messages or columns.rejected or columns.mark
    )


def _plain(table: Table, columns: Columns, labels: Sequence[str]) -> Batch | None:
    """Prompt, answer, further text and system message, each in its column; None where a cell is not text alone."""
    named = (columns.prompt, columns.answer, columns.context, columns.system)
    prompts, targets, contexts, systems = (_cells(table, name) for name in named)
    if prompts is None or targets is None or contexts is None or systems is None:
        return None
    if _may_be_messages(prompts) or _may_be_messages(targets):
        return None
    asked = _prompts(prompts, contexts, labels)
    problems = []
    rows, numbers = table.rows, table.numbers
    if not (all(asked) and all(targets)):
        problems = _left_out(table, asked, targets, columns)
        keep = [i for i, (prompt, target) in enumerate(zip(asked, targets, strict=True)) if prompt and target]
        asked, targets = [asked[i] for i in keep], [targets[i] for i in keep]
        rows, numbers = [rows[i] for i in keep], [numbers[i] for i in keep]
        systems = systems and [systems[i] for i in keep]
    meta = _meta(rows, columns, targets if labels else None)
    return _as_columns(asked, targets, systems, numbers, meta, problems)


def _cells(table: Table, column: str | None) -> list[str] | None:
    """The trimmed texts of a column; None where one is something else than text, or no Unicode."""
    if column is None:
        return []
    values = [row.get(column) for row in table.rows]
    if not _TEXT.issuperset(map(type, values)):
        return None
    texts = [value.strip() if value else "" for value in values]
    # HH-RLHF's conversations in one text begin with empty lines.
    if texts != values and any(value and value.startswith("\n\nHuman:") for value in values):
        return None
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return None
    return texts


def _may_be_messages(texts: list[str]) -> bool:
    if "[" not in {text[:1] for text in texts}:
        return False
    return any(text[:1] == "[" and turns_of(text) is not None for text in texts)


def _prompts(prompts: list[str], contexts: list[str], labels: Sequence[str]) -> list[str]:
    if contexts:
        pairs = zip(prompts, contexts, strict=True)
        prompts = [f"{prompt}\n\n{context}" if prompt and context else prompt or context for prompt, context in pairs]
    if labels:
        end = f"\n\nLabel, one of {', '.join(labels)}:"
        prompts = [prompt and prompt + end for prompt in prompts]
    return prompts


def _left_out(table: Table, prompts: list[str], targets: list[str], columns: Columns) -> list[Problem]:
    found = []
    for number, prompt, target in zip(table.numbers, prompts, targets, strict=True):
        if not (prompt and target):
            what, column = ("answer", columns.answer) if prompt else ("prompt", columns.prompt)
            found.append(Problem("warning", f"The {what} is empty.", "The row was left out.", number, column))
    return found


def _meta(rows: list[dict[str, Any]], columns: Columns, labels: list[str] | None) -> list[str | None] | None:
    """Further columns of each row, as JSON; None where there is none."""
    used = set(columns.named())
    if labels is None and used.issuperset(chain.from_iterable(rows)):
        return None
    made: list[str | None] = []
    for i, row in enumerate(rows):
        meta = {c: as_text(v) for c, v in row.items() if c not in used and as_text(v).strip()}
        if labels is not None:
            meta["label"] = labels[i]
        made.append(json.dumps(meta, ensure_ascii=False) if meta else None)
    return made


def _as_columns(
    prompts: list[str],
    targets: list[str],
    systems: list[str] | None,
    numbers: list[int],
    meta: list[str | None] | None,
    problems: list[Problem],
) -> Batch:
    """The columns of rows with one prompt each, perhaps under a system message."""
    import pyarrow as pa

    folded = [prompt.casefold() for prompt in prompts]
    ends = [target.casefold() for target in targets]
    texts = [f"{prompt}{FIELD}{target}{FIELD}{ROW}" for prompt, target in zip(folded, ends, strict=True)]
    sizes = list(map(add, map(len, prompts), map(len, targets)))
    asked = canonical_all(prompts)
    asks = _hashes(asked)
    before, messages = prompts, None
    if systems and any(systems):
        whole = list(zip(systems, prompts, strict=True))
        messages = [_messages_text(system, prompt) if system else None for system, prompt in whole]
        before = [f"{system}\0{prompt}" if system else prompt for system, prompt in whole]
        texts = [f"{s.casefold()}{FIELD}{text}" if s else text for s, text in zip(systems, texts, strict=True)]
        sizes = list(map(add, sizes, map(len, systems)))
    n = len(prompts)
    columns = {
        "id": _ids(prompts, targets, systems),
        "split": pa.repeat("train", n),
        "row": numbers,
        "kind": pa.repeat("answer", n),
        "prompt": prompts,
        "target": targets,
        "rejected": pa.repeat("", n),
        "good": pa.nulls(n, pa.bool_()),
        "messages": pa.nulls(n, pa.string()) if messages is None else messages,
        "meta": pa.nulls(n, pa.string()) if meta is None else meta,
        "more": pa.nulls(n, pa.string()),
        "asks": asks,
        "group": asks,
        "characters": sizes,
    }
    keys = Keys(_numbers(list(map(hash, before))), _numbers(list(map(hash, targets))), asks)
    return Batch(pa.table(columns, schema()), texts, keys, asked, problems)


def _messages_text(system: str, prompt: str) -> str:
    return json.dumps([{"role": "system", "content": system}, {"role": "user", "content": prompt}], ensure_ascii=False)


def _ids(prompts: list[str], targets: list[str], systems: list[str] | None) -> list[str]:
    """What Example.id is of each row. The keys stand in the order in which it sorts them."""
    from hashlib import sha256

    from orjson import dumps

    if not systems:
        return [
            sha256(dumps({"messages": [{"content": prompt, "role": "user"}], "target": target})).hexdigest()[:16]
            for prompt, target in zip(prompts, targets, strict=True)
        ]
    ids = []
    for prompt, target, system in zip(prompts, targets, systems, strict=True):
        asked = [{"content": prompt, "role": "user"}]
        if system:
            asked.insert(0, {"content": system, "role": "system"})
        ids.append(sha256(dumps({"messages": asked, "target": target})).hexdigest()[:16])
    return ids


def _hashes(texts: list[str]) -> np.ndarray:
    """What `asks_hash` is of each text alone."""
    from xxhash import xxh3_64_intdigest

    return np.array([xxh3_64_intdigest(text.encode()) for text in texts], dtype=np.uint64).view(np.int64)
