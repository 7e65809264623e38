"""The process that a person talks to: `python -m core.chat.worker <job folder> <models folder>`.

It loads one copy of the weights, answers what stands in requests.jsonl as base and as tuned, and writes what they say
into events.jsonl, piece by piece. It ends after idle minutes, when it is asked to, and when no app or command that ever
asked is left. core/chat/actions.py is the other side.
"""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from core.chat.spec import ChatSpec
from core.chat.transcript import Transcript, Turn, messages
from core.engine.rendering import prompt_ids
from core.engine.templates import RenderSettings
from core.errors import UserError
from core.jobs import events
from core.jobs.alive import is_alive
from core.jobs.events import Answer, EventLog
from core.jobs.outcome import Outcome
from core.jobs.process import run_job
from core.models import libraries
from core.models.sides import Sides, virtual_tokens
from core.models.streaming import Writer
from core.records import parsed
from core.types import SIDES, Decoding, Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

POLL = 0.03
"""Seconds between two looks at requests.jsonl while nothing is asked."""


LOOK_AROUND = 1.0
"""Seconds between two looks whether anybody who asked is still there."""


def work(folder: Path, models: Path, log: EventLog) -> Outcome:
    """Answer until nobody has asked for `idle_seconds`, until asked to stop, or until those who asked are gone.

    Returns the outcome.
    """
    spec = ChatSpec.from_dict(parsed(folder / "spec.json", "The specification of the chat"))
    libraries.spare_bitsandbytes(spec.model, spec.revision, spec.quantization)
    libraries.spare_scipy()

    from core.models import loading
    from core.models.sides import load_sides

    log.write(events.Status("Loading the model …"))
    loading.locate(spec.model, models, lambda share, what: log.write(events.Progress(share=share, text=what)))
    tokenizer = loading.tokenizer(spec.model, models, spec.revision, spec.template, RenderSettings.of(spec.rendering))
    adapter = Path(spec.adapter)
    trained = spec.base_weights_sha256, spec.quantization, spec.base_settings
    sides = load_sides(spec.model, adapter, models, spec.revision, *trained)
    log.write(events.Status("Ready."))
    talk, stop = Transcript(), folder / "stop"
    alone = Alone(talk)
    idle_since = time.time()
    while not stop.exists():
        talk.take(folder)
        turn = talk.newest
        if alone():
            return Outcome("finished", "Ended with the app that had asked, to free the memory.")
        if turn is not None and not turn.begun:
            log.write(events.Sample(turn=turn.id, begun=True))
            talk.take(folder)
            try:
                _answer(folder, talk, turn, sides, tokenizer, log, alone)
            except Exception as e:
                # One answer that fails is no reason to load the model again.
                log.write(events.Sample(turn=turn.id, error=_explain(e)))
            idle_since = time.time()
        elif time.time() - idle_since > spec.idle_seconds:
            minutes = spec.idle_seconds / 60
            return Outcome("finished", f"Ended after {minutes:.0f} idle minutes to free the memory.")
        else:
            time.sleep(POLL)
    return Outcome("stopped", "Ended to free the memory.")


class Alone:
    """Is every process that asked gone? Another app or command over the same folder keeps the model."""

    def __init__(self, talk: Transcript) -> None:
        self.talk, self._looked, self._gone = talk, 0.0, False

    def __call__(self) -> bool:
        if time.monotonic() - self._looked > LOOK_AROUND:
            self._looked = time.monotonic()
            # The newest is the likeliest to be there.
            self._gone = bool(self.talk.askers) and not any(is_alive(asker) for asker in reversed(self.talk.askers))
        return self._gone


def _answer(
    folder: Path,
    talk: Transcript,
    turn: Turn,
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    log: EventLog,
    alone: Alone,
) -> None:
    """Both sides answer, a token of each in turn, until both have ended or somebody stops them."""
    earlier = talk.before(turn)
    prompts = {side: _prompt(messages(turn, earlier, side), sides, tokenizer, turn.decoding) for side in SIDES}
    going = {side: Writer(sides, side, tokenizer, prompts[side], turn.decoding) for side in SIDES}
    while going:
        talk.take(folder)
        stopped = turn.stopped or (folder / "stop").exists() or alone()
        for side, writer in list(going.items()):
            piece = "" if stopped else writer.step()
            if piece:
                log.write(events.Sample(turn=turn.id, side=side, piece=piece))
            if stopped or writer.finish:
                answer = Answer(writer.text, len(writer.ids), writer.finish or "stopped", round(writer.seconds, 3))
                log.write(events.Sample(turn=turn.id, side=side, answer=answer))
                del going[side]


def _prompt(
    conversation: tuple[dict[str, str], ...], sides: Sides, tokenizer: PreTrainedTokenizerBase, decoding: Decoding
) -> tuple[int, ...]:
    ids = prompt_ids(Example(conversation, "", 1), tokenizer)
    model = sides.model
    limit = getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)
    limit = limit and limit - virtual_tokens(model)
    if limit and len(ids) + decoding.max_new_tokens > limit:
        raise UserError(
            f"The conversation has {len(ids):,} tokens; with {decoding.max_new_tokens:,} new tokens it exceeds the "
            f"{limit:,} that the model takes. Begin a new conversation, or lower the new tokens."
        )
    return ids


def _explain(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    traceback.print_exc()
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "The memory did not suffice for this conversation. Begin a new one, or lower the new tokens."
    return f"The answer failed: {type(error).__name__}. This is a bug of ours; worker.log has the details."


if __name__ == "__main__":
    job, models_folder = Path(sys.argv[1]), Path(sys.argv[2])
    sys.exit(run_job(job, lambda log: work(job, models_folder, log), "The chat"))
