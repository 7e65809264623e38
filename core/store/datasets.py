"""The rows of a dataset version on disk: one Parquet file with a column for whatever people search, sort and filter by.

Written batch by batch and read batch by batch; only workers, which hold all rows anyway, ask for a list of all. What
pages ask is in core/store/queries.py. A file of an older shape stays as it is; beside it a copy in the present shape is
made when it is first read. Schema 1 held each example whole, as JSON; schema 2 had no `more`, and compared in `asks`
white space and marks as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.files import whole_folder
from core.questions import asks_hash
from core.store import search
from core.types import Example, Message, Split

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SCHEMA = 3
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
KINDS = ("answer", "preference", "marked", "text")
GROUP = 2048
"""Rows that are compressed together: what must be read to show one of them."""
LARGE = 1 << 23
"""Bytes of rows that are enough for a group, however few they are."""


def schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()),
            ("split", pa.string()),
            ("row", pa.int64()),
            ("kind", pa.string()),
            ("prompt", pa.string()),
            ("target", pa.string()),
            ("rejected", pa.string()),
            ("good", pa.bool_()),
            ("messages", pa.string()),  # JSON; null where the prompt alone is asked
            ("meta", pa.string()),  # JSON; null where there is none
            ("more", pa.string()),  # JSON of Example.more; null where there is none
            ("asks", pa.int64()),  # a hash of Example.asks
            ("group", pa.int64()),  # rows with the same stand in the same part: those that ask nearly the same, too
            ("characters", pa.int64()),  # of `texts_of`
        ],
        metadata={"tunewright": str(SCHEMA)},
    )


@dataclass
class Written:
    """What a writer wrote."""

    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Rows by split."""
    content_hash: str = ""
    """`core.types.content_hash` of [[id, split], …], made piece by piece."""


class Writer:
    """Writes the rows of one version, in their order, with the index for searches. A context manager."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        # lz4 is read and written twice as fast as zstd. A dictionary of texts that are all different would be waste.
        small = ["split", "kind", "messages", "meta", "more", "rejected"]
        self._file = pq.ParquetWriter(path, schema(), compression="lz4", use_dictionary=small, write_statistics=["row"])
        self._search = search.Writer(path)
        self._indexing = ThreadPoolExecutor(1)  # beside the compression of the rows: both let go of Python's lock
        self._indexed: Future[None] | None = None
        self._hash = hashlib.sha256(b"[")
        self._waiting: list[pa.Table] = []
        self.written = Written()

    def write(self, table: pa.Table, texts: pa.Array) -> None:
        """Rows with the columns of `schema`, and of each its `search.row_text`."""
        import pyarrow.compute as pc

        self._wait()
        self._indexed = self._indexing.submit(self._search.add, texts)
        pairs = pc.binary_join_element_wise('["', table["id"], '","', table["split"], '"]', "").to_pylist()
        self._hash.update((b"," if self.written.rows and pairs else b"") + ",".join(pairs).encode())
        self.written.rows += len(table)
        self.written.counts.update({c["values"]: c["counts"] for c in pc.value_counts(table["split"]).to_pylist()})
        self._waiting.append(table.select(schema().names))
        self._flush()

    def _wait(self) -> None:
        if self._indexed is not None:
            self._indexed.result()

    def _flush(self, all_of_it: bool = False) -> None:
        """Write whole groups of rows; what is left waits for the next batch, unless it is large already."""
        import pyarrow as pa

        rows = sum(map(len, self._waiting))
        large = sum(table.nbytes for table in self._waiting) > LARGE
        ready = rows if all_of_it or large else rows // GROUP * GROUP
        if ready:
            table = pa.concat_tables(self._waiting).cast(schema())
            self._file.write_table(table.slice(0, ready), row_group_size=GROUP)
            self._waiting = [table.slice(ready)]

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush(all_of_it=True)
            self._wait()
        self._indexing.shutdown()
        self._file.close()
        self._search.close()
        self._hash.update(b"]")
        self.written.content_hash = self._hash.hexdigest()


def write_rows(path: Path, examples: Iterable[Example]) -> Written:
    """Write examples as the rows of a version."""
    examples = iter(examples)
    with Writer(path) as writer:
        while batch := list(islice(examples, GROUP)):
            writer.write(*to_table(batch))
    return writer.written


def copy_rows(source: Path, path: Path, changed: Mapping[int, Example], added: Iterable[Example]) -> Written:
    """Write the rows of another version, with some of them changed (by their place) and others behind the last."""

    def here(at: int, table: pa.Table) -> tuple[Mapping[int, Example], None]:
        return {place: e for place, e in changed.items() if at <= place < at + len(table)}, None

    return rewrite_rows(source, path, here, added)


Rewrite = Callable[[int, "pa.Table"], tuple[Mapping[int, Example], np.ndarray | None]]
"""(place of the first, rows of one group) → (the rows that change, by their place; which are kept: None for all)."""


def rewrite_rows(source: Path, path: Path, rewrite: Rewrite, added: Iterable[Example] = ()) -> Written:
    """Write the rows of another version as `rewrite` wants each group of them, and others behind the last."""
    import pyarrow as pa

    at = 0
    with Writer(path) as writer, opened(source) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            texts = search.texts(current(source), at, at + len(table))
            changed, kept = rewrite(at, table)
            here = {place - at: e for place, e in changed.items()}
            at += len(table)
            if here:
                # What is changed stands behind the group, and is taken in the place of the old.
                new, new_texts = to_table(list(here.values()))
                # Still what it asked before, and near what that was near.
                new = new.set_column(new.schema.get_field_index("group"), "group", table["group"].take(list(here)))
                order = list(range(len(table)))
                for i, place in enumerate(here, start=len(table)):
                    order[place] = i
                table = pa.concat_tables([table, new]).take(order)
                texts = pa.concat_arrays([texts, new_texts]).take(pa.array(order))
            if kept is not None and not kept.all():
                table, texts = table.filter(pa.array(kept)), texts.filter(pa.array(kept))
            writer.write(table, texts)
        if rows := list(added):
            writer.write(*to_table(rows))
    return writer.written


def to_table(examples: list[Example]) -> tuple[pa.Table, pa.Array]:
    """Examples as columns, and as the texts that are searched."""
    import pyarrow as pa

    kinds = {
        "id": [e.id for e in examples],
        "split": [e.split for e in examples],
        "row": [e.row for e in examples],
        "kind": [e.kind for e in examples],
        "prompt": [e.prompt for e in examples],
        "target": [e.target for e in examples],
        "rejected": [e.rejected for e in examples],
        "good": [e.good for e in examples],
        "messages": [messages_text(e) for e in examples],
        "meta": [json.dumps(e.meta, ensure_ascii=False) if e.meta else None for e in examples],
        "more": [more_text(e) for e in examples],
        "asks": (asks := [asks_hash(e.asks) for e in examples]),
        "group": asks,
        "characters": [sum(map(len, texts_of(e))) for e in examples],
    }
    texts = [search.row_text(texts_of(e)) for e in examples]
    return pa.table(kinds, schema()), pa.array(texts, pa.string())


def texts_of(example: Example) -> list[str]:
    """All texts of a row, as they are searched: further keys of its messages stand behind their content, as JSON."""
    messages = [text for m in example.messages for text in (m["content"], *_further(m))]
    more = [*_further(example.answer), *(json.dumps(tool, ensure_ascii=False) for tool in example.tools)]
    return [*messages, example.target, example.rejected, *more, *example.references]


def _further(message: Message) -> Iterator[str]:
    for name, value in message.items():
        if name not in ("role", "content", "train"):
            yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def more_text(example: Example) -> str | None:
    """`Example.more` as JSON, without what is empty; None where all is."""
    more = {name: value for name, value in example.more.items() if value}
    return json.dumps(more, ensure_ascii=False) if more else None


def messages_text(example: Example) -> str | None:
    """The messages as JSON; None where they are the prompt and nothing else."""
    if example.messages == ({"role": "user", "content": example.prompt},):
        return None
    return json.dumps(example.messages, ensure_ascii=False)


def to_examples(table: pa.Table) -> list[Example]:
    """Rows with all columns of `schema` as examples."""
    return _examples(table, table["more"].to_pylist())


def _examples(table: pa.Table, more: Sequence[str | None]) -> list[Example]:
    names = ("messages", "prompt", "target", "row", "split", "meta", "rejected", "good")
    columns = [table[name].to_pylist() for name in names]
    examples = [
        Example(
            ({"role": "user", "content": prompt},) if messages is None else tuple(json.loads(messages)),
            *(target, row, split),
            json.loads(meta) if meta else {},
            *(rejected, good),
        )
        for messages, prompt, target, row, split, meta, rejected, good in zip(*columns, strict=True)
    ]
    return [_with_more(e, text) if text else e for e, text in zip(examples, more, strict=True)]


def _with_more(example: Example, text: str) -> Example:
    return Example.from_dict({**example.to_dict(), **json.loads(text)})


def iterate(path: Path, split: Split | None = None) -> Iterator[Example]:
    """The rows of a version (of one split) in the order of the file, a few thousand in memory at a time."""
    import pyarrow.compute as pc

    with opened(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            if split is not None:
                table = table.filter(pc.equal(table["split"], split))
            yield from to_examples(table)


def read_rows(path: Path, split: Split | None = None) -> list[Example]:
    """All rows at once: for workers, never for a page."""
    return list(iterate(path, split))


def codes(column: pa.ChunkedArray, names: tuple[str, ...]) -> np.ndarray:
    """A column of texts as the index of each in `names`, int8."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.index_in(column, pa.array(names)).to_numpy().astype(np.int8)


def ids_as_numbers(ids: pa.ChunkedArray) -> np.ndarray:
    """Ids, 16 hexadecimal digits each, as 64-bit numbers."""
    return np.frombuffer(bytes.fromhex("".join(ids.to_pylist())), ">u8").astype(np.uint64)


def opened(path: Path) -> pq.ParquetFile:
    """The rows in the present shape. A context manager."""
    import pyarrow.parquet as pq

    path = current(path)
    return pq.ParquetFile(path, metadata=_metadata(path))


@lru_cache(maxsize=8)  # a version's rows never change
def _metadata(path: Path) -> pq.FileMetaData:
    import pyarrow.parquet as pq

    return pq.read_metadata(path)


@lru_cache(maxsize=64)
def current(path: Path) -> Path:
    """The file with these rows in the present shape: itself, or the copy of an older one, made where it is missing."""
    import pyarrow.parquet as pq

    schema_of_file = int((pq.read_schema(path).metadata or {}).get(b"tunewright", b"1"))
    if schema_of_file >= SCHEMA:
        return path
    copy = path.with_name(f"rows-{SCHEMA}")
    if not copy.is_dir():
        older = _rows_of_schema_1 if schema_of_file == 1 else _rows_of_schema_2
        with whole_folder(copy) as partial:
            write_rows(partial / path.name, older(path))
    return copy / path.name


def _rows_of_schema_1(path: Path) -> Iterator[Example]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(GROUP, columns=["example"]):
            for text in batch.column(0).to_pylist():
                yield Example.from_dict(json.loads(text))


def _rows_of_schema_2(path: Path) -> Iterator[Example]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            yield from _examples(table, [None] * len(table))
