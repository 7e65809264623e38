"""What was said in a chat, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.files import finished_lines
from core.jobs import events
from core.types import SIDES, Decoding, Side


@dataclass(frozen=True)
class Answer:
    """What one side has said so far."""

    text: str = ""
    tokens: int = 0
    finish: str = ""
    """Empty while it is going on; `stop`, `length`, or `stopped` by the person."""
    seconds: float = 0.0


@dataclass
class Turn:
    """One message and what both sides say to it."""

    id: str
    conversation: str
    system: str
    message: str
    decoding: Decoding
    answers: dict[str, Answer] = field(default_factory=lambda: {side: Answer() for side in SIDES})
    begun: bool = False
    """Has the process taken it up?"""
    stopped: bool = False
    error: str = ""

    @property
    def answered(self) -> bool:
        return all(answer.finish for answer in self.answers.values())

    @property
    def over(self) -> bool:
        return bool(self.error) or self.answered


@dataclass
class Transcript:
    """What a chat's folder says, read on from where it was read to."""

    turns: dict[str, Turn] = field(default_factory=dict)
    """By id, oldest first."""
    says: str = ""
    """What the process last said of itself."""
    askers: list[dict[str, Any]] = field(default_factory=list)
    """The apps and commands that asked, each once: see core.jobs.status.this_process."""
    requests_read: int = 0
    events_read: int = 0

    def take(self, folder: Path) -> bool:
        """Read what is new; True when there was something."""
        lines, self.requests_read = finished_lines(folder / "requests.jsonl", self.requests_read)
        for line in lines:
            if "stop" in line:
                if line["stop"] in self.turns:
                    self.turns[line["stop"]].stopped = True
            else:
                decoding = Decoding(**line["decoding"])
                self.turns[line["turn"]] = Turn(
                    line["turn"], line["conversation"], line["system"], line["message"], decoding
                )
                if line.get("by") and line["by"] not in self.askers:
                    self.askers.append(line["by"])
        new_events, self.events_read = events.read(folder / "events.jsonl", self.events_read)
        for event in new_events:
            if event.kind in ("status", "progress"):
                self.says = event.payload["text"]
            turn = self.turns.get(event.payload.get("turn", ""))
            if turn is not None:
                _apply(turn, event.payload)
        return bool(lines or new_events)

    @property
    def newest(self) -> Turn | None:
        return next(reversed(self.turns.values()), None)

    @property
    def conversation(self) -> list[Turn]:
        """The turns of the newest conversation."""
        newest = self.newest
        return [] if newest is None else [t for t in self.turns.values() if t.conversation == newest.conversation]

    def before(self, turn: Turn) -> list[Turn]:
        """The answered turns of the same conversation that came before."""
        ids = list(self.turns)
        earlier = [self.turns[i] for i in ids[: ids.index(turn.id)]]
        return [t for t in earlier if t.conversation == turn.conversation and t.answered]


def _apply(turn: Turn, payload: dict[str, Any]) -> None:
    turn.begun = True
    turn.error = payload.get("error", "")
    side = payload.get("side")
    if "answer" in payload:
        turn.answers[side] = Answer(**payload["answer"])
    elif "piece" in payload:
        answer = turn.answers[side]
        turn.answers[side] = replace(answer, text=answer.text + payload["piece"], tokens=answer.tokens + 1)


def messages(turn: Turn, earlier: list[Turn], side: Side) -> tuple[dict[str, str], ...]:
    """The conversation up to `turn` as that side knows it: with its own earlier answers."""
    conversation = [{"role": "system", "content": turn.system}] if turn.system else []
    for t in earlier:
        conversation += [
            {"role": "user", "content": t.message},
            {"role": "assistant", "content": t.answers[side].text},
        ]
    return (*conversation, {"role": "user", "content": turn.message})
