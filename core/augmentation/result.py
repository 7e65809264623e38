"""What an augmentation leaves behind: the replies with the drafts that they hold, line by line, and their sums.

drafts.jsonl is only added to, a line for each reply as soon as it came. It alone is the truth: what was asked, what
came, what it cost and what is still to be asked follow from it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from core.augmentation.spec import AugmentSpec
from core.endpoint.client import money
from core.files import append_lines, finished_lines, read_json, write_atomically
from core.records import absent, plain, read
from core.types import Example

SCHEMA = 1
FILE = "drafts.jsonl"
SUMMARY = "summary.json"
Filter = Literal["", "format", "length", "refusal", "repeats", "language", "measured", "copy", "similar"]
FILTERS: dict[Filter, str] = {
    "format": "Not in the form that was asked for",
    "length": "Far longer or shorter than your rows, or cut",
    "refusal": "Refusals, and “as an AI …”",
    "repeats": "Answers that repeat",
    "language": "In another language than your rows",
    "measured": "Ask what a test or validation row asks",
    "copy": "Ask what a training row or an earlier draft asks",
    "similar": "Nearly the words of a row or an earlier draft",
}
"""Why a draft is not shown → as a heading over those."""
SHOWN = 3
"""Examples of each filter that a summary holds."""
LONGEST = 2_000
"""Characters that are kept of what a draft was made of, and of a reply in another form."""


@dataclass(frozen=True)
class Source:
    """What a draft was made of, as it is shown beside it."""

    row: int | None
    """Its number; None for a text that a person brought."""
    prompt: str
    answer: str = ""


@dataclass(frozen=True)
class Draft:
    """A row that a model wrote, before anybody accepted it."""

    id: str
    """Number of the request, and of the row in its reply: “12.0”."""
    example: dict[str, Any] | None
    """The row, as `Example.to_dict` gives it; None where the reply held none."""
    source: Source
    filter: Filter = ""
    """Why it is not shown; empty where it is."""
    why: str = ""
    """The same with the value, in a sentence."""
    text: str = ""
    """The reply's beginning, where it held no row."""

    @property
    def row(self) -> Example:
        """Raises ValueError for a reply without a row."""
        if self.example is None:
            raise ValueError(f"Draft {self.id} holds no row.")
        return Example.from_dict(self.example)


@dataclass(frozen=True)
class Replied:
    """A line of drafts.jsonl: one reply, and what it holds."""

    request: int
    """0, 1, 2 … as they are planned."""
    asked: int
    """Rows that were asked for."""
    drafts: tuple[Draft, ...]
    prompt_tokens: int | None
    """As the endpoint reports them; None where it does not."""
    completion_tokens: int | None
    seconds: float
    time: float
    """Since the epoch."""
    schema: int = SCHEMA


@dataclass(frozen=True)
class Refused:
    """Drafts that one filter keeps from people."""

    rows: int = 0
    examples: tuple[tuple[str, str], ...] = ()
    """(what is wrong, the draft's beginning) of the first ones."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """summary.json: sums over drafts.jsonl, so that a page need not read it."""

    bytes: int
    """Of drafts.jsonl when they were made: of another size they are made anew."""
    replies: int = 0
    asked: int = 0
    """Rows that were asked for."""
    came: int = 0
    """Drafts, replies without a row included."""
    passed: int = 0
    """Drafts that no filter holds."""
    refused: dict[Filter, Refused] = field(default_factory=dict)
    """In the order of FILTERS."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unreported: int = 0
    """Replies without a usage: the true cost is then higher."""
    money: float | None = absent()


def append(folder: Path, replies: list[Replied]) -> None:
    """Add replies to drafts.jsonl: all of them, or none."""
    append_lines(folder / FILE, (json.dumps(plain(reply), ensure_ascii=False) for reply in replies))


def replies_in(folder: Path) -> list[Replied]:
    """All of them; for workers and commands."""
    return [read(Replied, line, f"A line of {FILE}") for line in finished_lines(folder / FILE)[0]]


def summed(spec: AugmentSpec, replies: list[Replied], size: int) -> Summary:
    """`size`: bytes of the file that they stand in."""
    drafts = [draft for reply in replies for draft in reply.drafts]
    counts = Counter(draft.filter for draft in drafts)
    examples: dict[Filter, list[tuple[str, str]]] = {}
    for draft in drafts:
        shown = examples.setdefault(draft.filter, [])
        if draft.filter and len(shown) < SHOWN:
            shown.append((draft.why, _beginning(draft)))
    tokens = [sum(getattr(r, name) or 0 for r in replies) for name in ("prompt_tokens", "completion_tokens")]
    return Summary(
        bytes=size,
        replies=len(replies),
        asked=sum(reply.asked for reply in replies),
        came=len(drafts),
        passed=counts[""],
        refused={name: Refused(counts[name], tuple(examples[name])) for name in FILTERS if counts[name]},
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
        unreported=sum(r.prompt_tokens is None or r.completion_tokens is None for r in replies),
        money=money(tokens[0], tokens[1], spec.price),
    )


def _beginning(draft: Draft) -> str:
    text = " → ".join(filter(None, (draft.row.prompt, draft.row.target))) if draft.example else draft.text
    return " ".join(text.split())[:300]


def write_summary(folder: Path, summary: Summary) -> None:
    write_atomically(folder / SUMMARY, json.dumps(plain(summary), ensure_ascii=False))


def summary_in(folder: Path, spec: AugmentSpec) -> Summary:
    """The sums; of a process that was killed before it wrote them, made from the drafts that came."""
    size = (folder / FILE).stat().st_size if (folder / FILE).exists() else 0
    raw = read_json(folder / SUMMARY)
    if raw is not None and raw.get("bytes") == size:
        return read(Summary, raw, f"{SUMMARY} of the augmentation")
    return summed(spec, replies_in(folder), size)


class Drafts:
    """The drafts of a job that no filter holds, found in its file one at a time: a page reads the one that it shows."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        about = self._path.stat() if self._path.exists() else None
        self._places = _index(self._path, (about.st_size, about.st_mtime_ns) if about else (0, 0))

    @property
    def ids(self) -> list[str]:
        """In the order in which they came."""
        return list(self._places)

    def of(self, draft_id: str) -> Draft | None:
        """None where there is no such draft."""
        place = self._places.get(draft_id)
        if place is None:
            return None
        with open(self._path, "rb") as file:
            file.seek(place)
            reply = read(Replied, json.loads(file.readline()), f"A line of {FILE}")
        return next((draft for draft in reply.drafts if draft.id == draft_id), None)


@lru_cache(maxsize=8)  # made again when there are more of them
def _index(path: Path, state: tuple[int, int]) -> dict[str, int]:
    """Id of each draft that passed → where its line begins."""
    places: dict[str, int] = {}
    at = 0
    if state[0]:
        with open(path, "rb") as file:
            for line in file:
                if line.endswith(b"\n") and line.strip():
                    for draft in _drafts_of(line):
                        places.setdefault(draft, at)
                at += len(line)
    return places


def _drafts_of(line: bytes) -> list[str]:
    """Ids of a line's drafts that passed; none of a damaged line."""
    import orjson

    try:
        return [d["id"] for d in orjson.loads(line)["drafts"] if not d["filter"] and d["example"]]
    except (ValueError, KeyError, TypeError):
        return []
