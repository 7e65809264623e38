"""The nouns that every room uses. Frozen, JSON-serialisable, no behaviour beyond (de)serialising.

A noun that reaches a file carries `schema`, so that an old file is recognised instead of misread.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from core.questions import canonical

SCHEMA = 1


Split = Literal["train", "validation", "test"]


Message = dict[str, Any]
"""One message of a conversation: `role` (system, user, assistant, tool) and `content`, a text. Where the row has them:
`reasoning_content` (what the assistant thought), `tool_calls` (a list in OpenAI's shape), `tool_call_id`, `name`. An
earlier answer of the assistant may say by `train` (true or false) whether it is trained; else the run's setting does.
"""


Side = Literal["base", "tuned"]
SIDES: tuple[Side, Side] = ("base", "tuned")


@dataclass(frozen=True)
class Turn:
    """Which answer of a conversation is asked for, where each of its answers is."""

    conversation: str
    """Id of the whole row."""
    number: int
    """1, 2, 3 … of the answers that are asked for; the row's own last one comes last."""
    of: int


@dataclass(frozen=True)
class Example:
    """One row as it will be trained: the messages a model is shown and the answer it should give.

    A row without messages is plain text: all of its `target` is trained, as it stands.
    """

    messages: tuple[Message, ...]
    """Chat messages up to the last answer."""
    target: str
    """The text of the last answer, which is always trained (with the end-of-turn token)."""
    row: int
    """1-based row of the file it came from."""
    split: Split = "train"
    meta: dict[str, str] = field(default_factory=dict)
    """Further columns of the row, as text."""
    rejected: str = ""
    """The answer that people liked less than `target`; empty where there is none."""
    good: bool | None = None
    """How people marked `target`; None where they did not."""
    answer: Message = field(default_factory=dict)
    """What the last answer holds besides its text: `reasoning_content`, `tool_calls`."""
    tools: tuple[dict[str, Any], ...] = ()
    """The tools that the assistant may call, as JSON schemas in OpenAI's shape."""
    references: tuple[str, ...] = ()
    """Further right answers. They count in evaluation and are never trained."""
    turn: Turn | None = None
    """Where it is one of several answers of a row that are asked for: see core.evaluation.heldout.turns."""

    @property
    def id(self) -> str:
        """Hash of the content: the same messages and target have the same id in every dataset version.

        The last answer of a conversation has the id of its row; an earlier one that is asked for has its own.
        """
        more = {name: value for name, value in self.more.items() if value}
        if self.turn and self.turn.number < self.turn.of:
            more["turn"] = [self.turn.conversation, str(self.turn.number)]
        return text_hash({"messages": list(self.messages), "target": self.target, **self._judged, **more})[:16]

    @property
    def more(self) -> dict[str, Any]:
        """What few rows have, JSON-serialisable."""
        return {"answer": self.answer, "tools": list(self.tools), "references": list(self.references)}

    @property
    def answered(self) -> bool:
        """Is there an answer to train? Without one, a row is a prompt to be answered."""
        return bool(self.target or self.answer)

    @property
    def conversation(self) -> tuple[Message, ...]:
        """The messages with the last answer behind them, where there is one."""
        last = {"role": "assistant", "content": self.target, **self.answer}
        return (*self.messages, last) if self.answered else self.messages

    @property
    def kind(self) -> Literal["answer", "preference", "marked", "text"]:
        """What the row can teach: an answer, one answer over another, that it is good or bad, or how a text goes on."""
        if not self.messages:
            return "text"
        return "preference" if self.rejected else "answer" if self.good is None else "marked"

    @property
    def synthetic(self) -> bool:
        """Did a model write it? Its provenance says so; such a row never measures."""
        return self.meta.get("synthetic", "").strip().lower() not in ("", "false", "no", "0", "none")

    @property
    def _judged(self) -> dict[str, Any]:
        """What people said of the answer; nothing where they said nothing, as in files that are older than this."""
        rejected = {"rejected": self.rejected} if self.rejected else {}
        return rejected | ({"good": self.good} if self.good is not None else {})

    @property
    def prompt(self) -> str:
        """The last user message: what a person recognises the row by."""
        return next((m["content"] for m in reversed(self.messages) if m["role"] == "user"), "")

    @property
    def asks(self) -> tuple[str, ...]:
        """What the row asks, as core/questions.py compares it: its turns before the answer, whatever the system prompt.

        Rows that agree in it ask the same, and stand in the same part. Plain text stands for itself.
        """
        turns = (message for message in self.messages if message["role"] != "system")
        return tuple(canonical(_said(message)) for message in turns) or (canonical(self.target),)

    @property
    def asked_before(self) -> tuple[tuple[str, ...], ...]:
        """As `asks`, what its earlier turns ask that are answered in it: another row may ask no more than that."""
        turns = [message for message in self.messages if message["role"] != "system"]
        answered = [i for i, m in enumerate(turns) if i and m["role"] == "assistant" != turns[i - 1]["role"]]
        return tuple(self.asks[:i] for i in answered)

    def to_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("target", "row", "split", "meta")}
        more = {name: value for name, value in self.more.items() if value}
        if self.turn:
            more["turn"] = asdict(self.turn)
        return {"id": self.id, "messages": list(self.messages), **plain, **self._judged, **more}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Example:
        meta, rejected, good = dict(raw.get("meta") or {}), raw.get("rejected", ""), raw.get("good")
        answer, tools, references = raw.get("answer") or {}, raw.get("tools") or (), raw.get("references") or ()
        return cls(
            *(tuple(raw["messages"]), raw["target"], raw["row"], raw["split"], meta, rejected, good),
            *(dict(answer), tuple(tools), tuple(references)),
            turn=Turn(**raw["turn"]) if raw.get("turn") else None,
        )


@dataclass(frozen=True)
class DatasetVersion:
    """A frozen set of examples with their splits. Never changed: a change makes the next version."""

    id: str
    project_id: str
    number: int
    """1, 2, 3 … within its project."""
    parent_id: str | None
    content_hash: str
    """Over the ids and splits of all examples, in order."""
    name: str
    counts: dict[str, int]
    """Rows by split: train, validation, test."""
    manifest: dict[str, Any]
    """Where the rows came from, how the columns were read, what was left out and why."""
    created: str

    @property
    def title(self) -> str:
        return f"{self.name} · version {self.number}"


@dataclass(frozen=True)
class Decoding:
    """How text was generated. Greedy unless a temperature is given."""

    max_new_tokens: int = 96
    temperature: float = 0.0
    seed: int = 0
    reasoning_tokens: int = 0
    """Tokens for what a model reasons before it answers; `max_new_tokens` count from there. 0: no room of its own."""


@dataclass(frozen=True)
class Generation:
    """What one side answered to one example."""

    example_id: str
    side: Side
    text: str
    tokens: int
    """Generated tokens, the end-of-turn token not counted."""
    finish: Literal["stop", "length"]
    """`stop`: the model ended its turn. `length`: it was cut at `max_new_tokens`."""
    seconds: float
    """Wall time of its batch, divided by the rows of the batch."""
    schema: int = SCHEMA

    @property
    def id(self) -> str:
        return content_hash([self.example_id, self.side, self.text])[:16]

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, **asdict(self)}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Generation:
        return cls(**{k: v for k, v in raw.items() if k != "id"})


ERROR_LABELS = ("misspelling", "repetition", "too_long", "off_topic", "wrong_fact", "wrong_format", "cut_off")
"""What may be wrong with an answer. A project may have labels of its own besides: core/review/own.py."""
SUGGESTED_LABELS = ("misspelling", "repetition", "too_long", "off_topic", "wrong_format", "cut_off")
"""Those of ERROR_LABELS that a detector speaks of: whether a fact is right, only people can say."""
REFERENCE = "reference"
"""The side, beside SIDES, on which people mark the right answer as wrong, with the one label REFERENCE_WRONG."""
REFERENCE_WRONG = "reference_wrong"


@dataclass(frozen=True)
class Suggestion:
    """What a detector thinks of one generation. A suggestion, never a verdict."""

    generation_id: str
    label: str
    """One of SUGGESTED_LABELS."""
    score: float
    """0 (surely absent) to 1 (surely present)."""
    flagged: bool
    """True where `score` reaches `threshold`."""
    spans: tuple[tuple[int, int], ...]
    """Evidence: [start, end) character offsets in the generation's text."""
    reason: str
    """One short sentence for a person, e.g. 'The last 14 words repeat 5 times.'"""
    detector: str
    """Name and version, e.g. 'repetition-1'."""
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Suggestion:
        return cls(**{**raw, "spans": tuple((a, b) for a, b in raw["spans"])})


Mark = Literal["present", "absent", "unsure"]
Act = Literal["label", "undo", "clear", "adjudicate"]
"""What an event does: says something; takes back the annotator's last word, so that the one before counts, whose values
it repeats; takes back the only one, so that the item is not labelled; settles what annotators disagree on.
"""
Spans = dict[str, dict[str, list[tuple[int, int]]]]
"""side → label → where in that side's text it was seen: [start, end) character offsets."""


@dataclass(frozen=True)
class LabelEvent:
    """One act of one person on one pair of outputs. Appended, never changed; the newest one counts."""

    evaluation_id: str
    example_id: str
    annotator: str
    verdict: Literal["base", "tuned", "tie", "both_bad", "none"]
    """Which side is better; `none` while only labels were set."""
    labels: dict[str, dict[str, Mark]]
    """side → label → mark, e.g. {"tuned": {"repetition": "present"}}. A missing label was not judged. Labels are
    ERROR_LABELS and the project's own, by their id; on the side "reference" there is REFERENCE_WRONG alone."""
    correction: str
    """The answer as it should have been; empty if none was written."""
    note: str
    generation_ids: dict[str, str]
    """side → id of the generation that was shown."""
    shown_order: tuple[str, ...]
    """Sides from left to right."""
    suggestions_visible: bool
    created: str = ""
    id: int = 0
    schema: int = SCHEMA
    spans: Spans = field(default_factory=dict)
    seconds: float = 0.0
    """How long the item was in sight; 0 where that is not known."""
    act: Act = "label"
    blind: bool = False
    """Were the sides' names hidden until the verdict?"""
    key: str = ""
    """Made by whoever sends the event, of at most 64 characters: sent twice, it is stored once. Empty: none."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _said(message: Message) -> str:
    """A turn's text, with the tools that it calls."""
    calls = message.get("tool_calls")
    return f"{message['content']} {json.dumps(calls, sort_keys=True)}" if calls else message["content"]


def content_hash(value: Any) -> str:
    """SHA-256 (hex) of a JSON value in canonical form."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def text_hash(value: dict[str, Any]) -> str:
    """`content_hash` of a value without numbers: the same, four times as fast."""
    import orjson

    try:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half of a surrogate pair, which is no UTF-8; a number of more than 64 bits
        return content_hash(value)
    return hashlib.sha256(data).hexdigest()
