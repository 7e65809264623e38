"""What was said in a chat, read from its folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.files import finished_lines
from core.jobs import events
from core.jobs.events import Answer
from core.types import SIDES, Decoding, Side


@dataclass
class Turn:
    """One message and what both sides say to it."""

    id: str
    conversation: str
    system: str
    message: str
    decoding: Decoding
    answers: dict[Side, Answer] = field(default_factory=lambda: {side: Answer() for side in SIDES})
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
        log, self.events_read = events.read(folder / "events.jsonl", self.events_read)
        for event in log:
            match event.payload:
                case events.Status(text) | events.Progress(text=str(text)):
                    self.says = text
                case events.Sample(turn=id_) if id_ in self.turns:
                    _apply(self.turns[id_], event.payload)
        return bool(lines or log)

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


def _apply(turn: Turn, sample: events.Sample) -> None:
    turn.begun = True
    turn.error = sample.error or ""
    if sample.side is None:
        return  # taken up, or failed: of both sides
    if sample.answer is not None:
        turn.answers[sample.side] = sample.answer
    elif sample.piece is not None:
        so_far = turn.answers[sample.side]
        turn.answers[sample.side] = replace(so_far, text=so_far.text + sample.piece, tokens=so_far.tokens + 1)


def messages(turn: Turn, earlier: list[Turn], side: Side) -> tuple[dict[str, str], ...]:
    """The conversation up to `turn` as that side knows it: with its own earlier answers."""
    conversation = [{"role": "system", "content": turn.system}] if turn.system else []
    for t in earlier:
        conversation += [
            {"role": "user", "content": t.message},
            {"role": "assistant", "content": t.answers[side].text},
        ]
    return (*conversation, {"role": "user", "content": turn.message})
