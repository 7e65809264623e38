"""A data set of the Hugging Face Hub → a file of its rows: some of them, streamed, of one commit.

Asked by commands, and by a process of its own for a page: its libraries are large. A token is the machine's own
(HF_TOKEN, or `hf auth login`) and never stored; on a Space none is used, since visitors would share its owner's rights.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from core.data.reading import arrow_tables
from core.data.reading.table import Reading
from core.errors import Problem, UserError
from core.files import new_file
from core.wording import count

SHUFFLED = 10_000
"""Rows of which a random one is drawn, again and again, while a data set is streamed."""
BATCH = 500
"""Rows that are fetched and written at a time."""
MOST_BYTES = 20_000_000_000
MOST_ROWS = 100_000_000
_ID = re.compile(r"[\w.-]{1,96}(?:/[\w.-]{1,96})?")
_ADDRESS = re.compile(r"https?://[^/]+/datasets/([\w.-]+(?:/[\w.-]+)?)/?.*")

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Found:
    """What the Hub says of a data set."""

    name: str
    revision: str
    """Hash of the newest commit, which is then fetched."""
    splits: dict[str, list[str]]
    """Configuration → its splits."""


@dataclass(frozen=True)
class Origin:
    """Which rows were fetched, so that the same can be fetched again."""

    name: str
    revision: str
    config: str
    split: str
    rows: int
    whole: bool
    """All rows of the split?"""
    seed: int | None
    """Where they were drawn at random; None: they are the first."""
    problems: list[Problem] = field(default_factory=list)
    """What was done to values while they were fetched."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        if self.whole:
            which = f"all {count(self.rows, 'row')}"
        else:
            drawn = f"drawn with seed {self.seed}" if self.seed is not None else "the first"
            which = f"{count(self.rows, 'row')}, {drawn}"
        return f"{self.name} on the Hub ({self.config}, {self.split}; {which}; commit {self.revision[:10]})"


def look(name: str, revision: str = "", anonymous: bool = False) -> Found:
    """What the data set has. Raises UserError where there is none, or it cannot be reached."""
    name = _id(name)
    with _sentence(name):
        return _look(name, revision, anonymous)


def _look(name: str, revision: str, anonymous: bool) -> Found:
    from huggingface_hub import HfApi

    token = False if anonymous else None
    about = HfApi(token=token).dataset_info(name, revision=revision or None, timeout=20)
    if "/" not in about.id or Path(about.id).exists():
        # The library would take a local folder, or a builder of its own, for the data set.
        raise UserError(
            f"“{about.id}” is also a folder here. Import the folder itself, or start Tunewright in another place."
        )
    import datasets  # seconds, which nobody waits for a name that is not there

    of = {"revision": about.sha, "token": token}
    configs = datasets.get_dataset_config_names(about.id, **of)
    splits = {config: datasets.get_dataset_split_names(about.id, config, **of) for config in configs[:1]}
    # Each further one is asked when it is chosen: some data sets have hundreds.
    return Found(about.id, about.sha, {config: splits.get(config, []) for config in configs})


def splits_of(found: Found, config: str, anonymous: bool = False) -> list[str]:
    import datasets

    token = False if anonymous else None
    with _sentence(found.name):
        return list(datasets.get_dataset_split_names(found.name, config, revision=found.revision, token=token))


def fetch(
    name: str,
    target: Path,
    config: str = "",
    split: str = "",
    rows: int = 0,
    seed: int | None = None,
    revision: str = "",
    anonymous: bool = False,
    most_bytes: int = MOST_BYTES,
    progress: Progress = lambda share, what: None,
) -> Origin:
    """Write rows of a data set to the new file `target`, as JSON lines. Whatever ends it before, no file is left.

    `rows`: the first so many, 0: all. With a `seed` they are drawn at random: files in a random order, and of each
    SHUFFLED rows one after the other; not every sample is equally likely, where a data set is larger. Raises UserError.
    """
    name = _id(name)
    if not 0 <= rows <= MOST_ROWS:
        raise UserError(f"{rows:,} rows cannot be fetched. Give a number up to {MOST_ROWS:,}, or 0 for all.")
    progress(0, "Asking the Hub …")
    found = look(name, revision, anonymous)
    config, split = _chosen(found, config, split, anonymous)
    token = False if anonymous else None
    reading = Reading()
    import datasets

    with _sentence(found.name):
        stream = datasets.load_dataset(
            found.name, config, split=split, revision=found.revision, streaming=True, token=token
        )
        if stream.features is not None:
            stream = stream.decode(False)  # of images and sounds nothing is read
        known = (stream.info.splits or {}).get(split)
        total = known.num_examples if known and known.num_examples else 0
        if seed is not None and rows:
            stream = stream.shuffle(seed=seed, buffer_size=SHUFFLED)
        stream = stream.with_format("arrow")
        done = size = 0
        whole = True
        with new_file(target) as path, open(path, "wb") as file:
            for batch in stream.iter(batch_size=min(BATCH, rows or BATCH)):
                for row in _rows(batch, done, reading):
                    if rows and done == rows:
                        whole = False
                        break
                    line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
                    file.write(line)
                    done, size = done + 1, size + len(line)
                _require_size(found.name, size, most_bytes, done)
                expected = min((n for n in (rows, total) if n), default=0)
                progress(min(1.0, done / expected) if expected else 0, f"Fetching rows: {done:,} …")
                if not whole or (rows and done >= rows):
                    whole = bool(total) and done >= total
                    break
            if not done:
                raise UserError(f"The split “{split}” of “{found.name}” has no rows. Choose another one.")
    drawn = seed if rows and not whole else None
    return Origin(found.name, found.revision, config, split, done, whole, drawn, reading.notices)


def _rows(batch: Any, done: int, reading: Reading) -> Iterator[dict[str, Any]]:
    for part in batch.to_batches():
        numbers = list(range(done + 1, done + len(part) + 1))
        yield from arrow_tables.rows_of(arrow_tables.spelled_out(part), numbers, reading)
        done += len(part)


def _require_size(name: str, size: int, most: int, rows: int) -> None:
    if size > most:
        raise UserError(
            f"The first {rows:,} rows of “{name}” have {size / 1e6:,.0f} MB; the limit is {most / 1e6:,.0f} MB. "
            "Choose fewer rows."
        )


def _chosen(found: Found, config: str, split: str, anonymous: bool) -> tuple[str, str]:
    """Raises UserError where it is not known which configuration and split are meant."""
    configs = list(found.splits)
    if not config and len(configs) > 1 and "default" not in configs:
        raise UserError(
            f"“{found.name}” has {len(configs)} configurations: {_few(configs)}. Choose one (--config NAME)."
        )
    config = config or ("default" if "default" in configs else configs[0])
    if config not in configs:
        raise UserError(f"“{found.name}” has no configuration “{config}”. It has: {_few(configs)}. Choose one.")
    splits = found.splits[config] or splits_of(found, config, anonymous)
    if not split and len(splits) > 1 and "train" not in splits:
        raise UserError(f"“{found.name}” has {len(splits)} splits: {_few(splits)}. Choose one (--split NAME).")
    split = split or ("train" if "train" in splits else splits[0])
    if split not in splits:
        raise UserError(f"“{found.name}” has no split “{split}”. It has: {_few(splits)}. Choose one.")
    return config, split


def _few(names: list[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")


def _id(name: str) -> str:
    """A data set's id, also of the address of its page. Raises UserError for what can be none."""
    name = name.strip()
    if found := _ADDRESS.fullmatch(name):
        name = found[1]
    if not _ID.fullmatch(name) or ".." in name:
        raise UserError(
            f"“{name[:100]}” is no id of a data set. It looks like owner/name, as on huggingface.co/datasets."
        )
    return name


@contextmanager
def _sentence(name: str) -> Iterator[None]:
    """What the libraries raise, as a sentence: gated, gone, not reachable, not to be read."""
    try:
        yield
    except UserError:
        raise
    except Exception as e:
        if why := _why(name, e):
            raise UserError(why) from e
        raise


def _why(name: str, error: Exception) -> str:
    """By the names of the classes: to import them would load `datasets`, seconds for a name that is not there."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and len(chain) < 10:
        chain.append(at)
        at = at.__cause__ or at.__context__
    kinds = {kind.__name__ for e in chain for kind in type(e).__mro__}
    said = " ".join(str(error).split())[:200]
    if any(isinstance(e, OSError) and e.errno == errno.ENOSPC for e in chain):
        return ""  # told as every full disk is
    if "GatedRepoError" in kinds or "gated dataset" in said:
        return (
            f"“{name}” is gated: its owner gives it to people who agree to something. Agree on its page on the Hub, "
            "then set HF_TOKEN (or run `hf auth login`) on this machine and fetch it again."
        )
    if "OfflineModeIsEnabled" in kinds:
        return f"“{name}” cannot be fetched: this machine is set to stay offline. Unset HF_HUB_OFFLINE, and start anew."
    if "RevisionNotFoundError" in kinds:
        return f"“{name}” has no such commit any more. Leave the commit empty to take the newest."
    if kinds & {"RepositoryNotFoundError", "DatasetNotFoundError"}:
        return (
            f"The Hub has no data set “{name}” that everybody may read. Check the id; it may have been deleted, "
            "renamed or made private."
        )
    if "FileNotFoundError" in kinds or "EntryNotFoundError" in kinds:
        return f"A file of “{name}” is not on the Hub any more ({said}). Look at its page, and fetch it again."
    if kinds & {"HTTPError", "ClientError", "ConnectionError", "TimeoutError"}:
        return f"The Hub does not answer for “{name}” ({said}). Check the connection, and try again."
    if isinstance(error, OSError | ValueError | NotImplementedError | RuntimeError | KeyError | TypeError):
        # What the libraries make of files that they cannot read.
        return (
            f"The rows of “{name}” cannot be read ({type(error).__name__}: {said}). Download its files from its page, "
            "and import these."
        )
    return ""
