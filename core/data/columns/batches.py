"""Rows of a file, a batch at a time → columns as the store keeps them.

What most files hold, texts in columns of their own, is converted column by column: a row costs some 6 µs, where one
after the other they cost 20. Whatever else a cell may be (messages, JSON, numbers, marks) goes through
core/data/columns/rows.py, and a test holds both against each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.columns import templates
from core.data.columns.choice import Columns, cell, is_missing
from core.data.columns.named_parts import part_of
from core.data.columns.names import MEDIA, normal
from core.data.columns.rows import LABEL_SPACE, ends_shown, further, to_examples
from core.data.columns.turns import raw_turns
from core.data.columns.unused import Tally
from core.data.reading.table import Table
from core.errors import Problem
from core.questions import asks_hash, canonical_all
from core.store.datasets import schema, to_table
from core.store.search import FIELD, ROW
from core.types import Example, Split

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
    before: list[tuple[int, int]] = field(default_factory=list)
    """(place of a row, hash of what one of its earlier turns asks, which is answered in it)."""
    problems: list[Problem] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    """What is not trained of the usable rows."""
    unanswered: list[str] = field(default_factory=list)
    """Prompts of rows that are left out because their answer is empty."""


def convert(table: Table, columns: Columns, labels: Mapping[str, str] | None = None) -> Batch:
    """The rows of `table` as columns. Raises UserError for a value that cannot be text.

    `labels`: of a label task, each as it is written → the label that it counts as.
    """
    batch = _plain(table, columns, labels or {}) if _is_plain(columns) else None
    if batch is None:
        tally, unanswered = Tally(), list[str]()
        examples, problems = to_examples(table, columns, labels, tally, unanswered)
        batch = replace(of_examples(examples, problems, tally), unanswered=unanswered)
    return batch


def of_examples(examples: list[Example], problems: list[Problem], tally: Tally | None = None) -> Batch:
    """The same, from rows that were converted one by one."""
    table, texts = to_table(examples)
    keys = Keys(
        _numbers([hash("\0".join(m["content"] for m in e.messages)) for e in examples]),
        _numbers([hash(e.target) for e in examples]),
        table["asks"].to_numpy(),
    )
    asked = [" ".join(e.asks) for e in examples]
    before = [(i, asks_hash(asks)) for i, e in enumerate(examples) if len(e.messages) > 1 for asks in e.asked_before]
    return Batch(table, texts.to_pylist(), keys, asked, before, problems, tally or Tally())


def _numbers(hashes: list[int]) -> np.ndarray:
    return np.array(hashes, dtype=np.int64)


def _is_plain(columns: Columns) -> bool:
    """Do texts alone make the rows: a prompt and an answer, perhaps with further text and a system message?"""
    asked = {"prompt"} if not columns.template else set()
    return {"answer", *asked} <= columns.taken().keys() <= {"answer", "context", "system", "part", *asked}


def _plain(table: Table, columns: Columns, labels: Mapping[str, str]) -> Batch | None:
    """Prompt, answer, further text and system message, each in its column; None where a cell is not text alone."""
    named = (columns.answer, columns.context, columns.system)
    prompts = _filled(table, columns.template) if columns.template else _cells(table, columns.prompt)
    targets, contexts, systems = (_cells(table, name) for name in named)
    if prompts is None or targets is None or contexts is None or systems is None:
        return None
    if (not columns.template and _may_be_messages(prompts)) or _may_be_messages(targets):
        return None
    beside = set(chain.from_iterable(table.rows)).difference(columns.named())
    if any(normal(column) in MEDIA for column in beside):
        return None
    parts = _parts(table, columns.part)
    if parts is None:
        return None
    asked, labelled = _prompts(prompts, contexts, labels), targets
    if labels:
        labelled = [labels.get(label, label) for label in map(str.strip, targets)]
    problems, unanswered = [], list[str]()
    rows, numbers = table.rows, table.numbers
    if not (all(map(str.strip, asked)) and all(map(str.strip, labelled))):
        problems = _left_out(table, asked, labelled, columns)
        pairs = enumerate(zip(asked, labelled, strict=True))
        keep = [i for i, (prompt, target) in pairs if prompt.strip() and target.strip()]
        unanswered = [] if labels else [p for p, t in zip(asked, labelled, strict=True) if p.strip() and not t.strip()]
        asked, labelled, targets = ([texts[i] for i in keep] for texts in (asked, labelled, targets))
        rows, numbers = [rows[i] for i in keep], [numbers[i] for i in keep]
        systems = systems and [systems[i] for i in keep]
        parts = parts and [parts[i] for i in keep]
    tally = Tally()
    if columns.system_prompt.strip():
        systems = systems or [""] * len(asked)
        tally.given_system = sum(not system.strip() for system in systems)
        systems = [system if system.strip() else columns.system_prompt for system in systems]
    meta = None
    if beside or labels:
        meta = _meta(rows, numbers, columns, labelled if labels else None, tally)
    if labels:
        spaced = [i for i, target in enumerate(targets) if target != target.strip()]
        value = ends_shown(targets[spaced[0]]) if spaced else ""
        tally.add_rows("space", LABEL_SPACE, [numbers[i] for i in spaced], value)
    batch = _as_columns(asked, labelled, systems, numbers, parts, meta, problems, tally)
    return replace(batch, unanswered=unanswered)


def _cells(table: Table, column: str | None) -> list[str] | None:
    """The texts of a column as they are; None where one is something else than text, or no Unicode."""
    if column is None:
        return []
    values = [cell(row, column) for row in table.rows] if "." in column else [row.get(column) for row in table.rows]
    if not _TEXT.issuperset(map(type, values)):
        values = [None if is_missing(value) else value for value in values]
        if not _TEXT.issuperset(map(type, values)):
            return None
    texts = [value or "" for value in values]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return None
    return texts


def _filled(table: Table, template: str) -> list[str] | None:
    """The prompts that a template gives; None where a column in it holds something else than text."""
    cells: dict[str, list[str]] = {}
    for column in templates.columns_in(template):
        texts = _cells(table, column)
        if texts is None:
            return None
        cells[column] = texts
    rows = [dict(zip(cells, texts, strict=True)) for texts in zip(*cells.values(), strict=True)]
    return [templates.filled(template, row.__getitem__) for row in rows]


def _parts(table: Table, column: str | None) -> list[Split] | None:
    """The part of each row, nothing where no column names it; None where a row needs a closer look."""
    names = _cells(table, column or None)
    if not names:
        return [] if names is not None else None
    known = {name: part_of(name) for name in set(names)}
    parts = [part for name in names if (part := known[name]) is not None]
    return parts if len(parts) == len(names) else None


def _may_be_messages(texts: list[str]) -> bool:
    """Is one of the texts a conversation: JSON (or Python's) text of a list, or HH-RLHF's, which begins with a line?"""
    if not any(letter == "[" or letter.isspace() for letter in {text[:1] for text in texts}):
        return False
    begins = ("[", "\n\nHuman:")
    return any((text.startswith(begins) or text.lstrip()[:1] == "[") and raw_turns(text) is not None for text in texts)


def _prompts(prompts: list[str], contexts: list[str], labels: Mapping[str, str]) -> list[str]:
    if contexts:
        pairs = zip(prompts, contexts, strict=True)
        prompts = [
            (f"{prompt}\n\n{context}" if prompt.strip() else context) if context.strip() else prompt
            for prompt, context in pairs
        ]
    if labels:
        end = f"\n\nLabel, one of {', '.join(sorted(set(labels.values())))}:"
        prompts = [prompt + end if prompt.strip() else "" for prompt in prompts]
    return prompts


def _left_out(table: Table, prompts: list[str], targets: list[str], columns: Columns) -> list[Problem]:
    problems = []
    for number, prompt, target in zip(table.numbers, prompts, targets, strict=True):
        if not (prompt.strip() and target.strip()):
            what, column = (
                ("answer", columns.answer) if prompt.strip() else ("prompt", columns.prompt or columns.answer)
            )
            problems.append(Problem("warning", f"The {what} is empty.", "The row was left out.", number, column))
    return problems


def _meta(
    rows: list[dict[str, Any]], numbers: list[int], columns: Columns, labels: list[str] | None, tally: Tally
) -> list[str | None]:
    """Further columns of each row, as JSON, counted."""
    used: set[str | None] = set(columns.named())
    metas = [dict(further(row, used)) for row in rows]
    first: dict[str, str] = {}
    for meta in metas:
        if not first.keys() >= meta.keys():
            first |= {column: text for column, text in meta.items() if column not in first}
    for column, text in first.items():
        tally.add_rows("column", column, [n for n, meta in zip(numbers, metas, strict=True) if column in meta], text)
    if labels is not None:
        metas = [{**meta, "label": label} for meta, label in zip(metas, labels, strict=True)]
    return [json.dumps(meta, ensure_ascii=False) if meta else None for meta in metas]


def _as_columns(
    prompts: list[str],
    targets: list[str],
    systems: list[str] | None,
    numbers: list[int],
    parts: list[Split],
    meta: list[str | None] | None,
    problems: list[Problem],
    tally: Tally,
) -> Batch:
    """The columns of rows with one prompt each, perhaps under a system message."""
    import pyarrow as pa

    folded = [prompt.casefold() for prompt in prompts]
    ends = [target.casefold() for target in targets]
    texts = [f"{prompt}{FIELD}{target}{FIELD}{ROW}" for prompt, target in zip(folded, ends, strict=True)]
    sizes = list(map(add, map(len, prompts), map(len, targets)))
    asked = canonical_all(prompts)
    asks = _hashes(asked)
    asked_whole, messages = prompts, None
    systems = [system if system.strip() else "" for system in systems or []]
    if any(systems):
        whole = list(zip(systems, prompts, strict=True))
        messages = [_messages_text(system, prompt) if system else None for system, prompt in whole]
        asked_whole = [f"{system}\0{prompt}" if system else prompt for system, prompt in whole]
        texts = [f"{s.casefold()}{FIELD}{text}" if s else text for s, text in zip(systems, texts, strict=True)]
        sizes = list(map(add, sizes, map(len, systems)))
    n = len(prompts)
    columns = {
        "id": _ids(prompts, targets, systems),
        "split": parts or pa.repeat("train", n),
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
    keys = Keys(_numbers(list(map(hash, asked_whole))), _numbers(list(map(hash, targets))), asks)
    return Batch(pa.table(columns, schema()), texts, keys, asked, [], problems, tally)


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
