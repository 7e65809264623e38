"""The process that a person talks to: `python -m core.evaluation.chat <job folder> <models folder>`.

It loads one copy of the weights, answers what stands in requests.jsonl as base and as tuned, and writes what they say
into events.jsonl, piece by piece. It ends after idle minutes, when it is asked to, and when no app or command that ever
asked is left. core/chat.py is the other side.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.chat import SIDES, Answer, Transcript, Turn, messages
from core.jobs.events import EventLog
from core.jobs.process import run_job
from core.jobs.supervisor import is_alive
from core.models.loading import Sides, virtual_tokens
from core.rendering import prompt_ids, stop_ids
from core.types import Decoding, Example, Side, UserError

POLL = 0.03
"""Seconds between two looks at requests.jsonl while nothing is asked."""
LOOK_AROUND = 1.0
"""Seconds between two looks whether anybody who asked is still there."""


def work(folder: Path, models: Path, log: EventLog) -> dict[str, Any]:
    """Answer until nobody has asked for `idle_seconds`, until asked to stop, or until those who asked are gone.

    Returns the outcome.
    """
    from core.models import loading

    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    log.write("status", {"text": "Loading the model …"})
    loading.locate(spec["model"], models, lambda share, what: log.write("progress", {"share": share, "text": what}))
    tokenizer = loading.tokenizer(spec["model"], models, spec["revision"], spec["template"])
    sides = loading.load_sides(
        spec["model"],
        Path(spec["adapter"]),
        models,
        spec["revision"],
        spec["base_weights_sha256"],
        spec["quantization"],
    )
    log.write("status", {"text": "Ready."})
    talk, stop = Transcript(), folder / "stop"
    alone = Alone(talk)
    idle_since = time.time()
    while not stop.exists():
        talk.take(folder)
        turn = talk.newest
        if alone():
            return {"state": "finished", "message": "Ended with the app that had asked, to free the memory."}
        if turn is not None and not turn.begun:
            log.write("sample", {"turn": turn.id, "begun": True})
            talk.take(folder)
            try:
                _answer(folder, talk, turn, sides, tokenizer, log, alone)
            except Exception as e:
                # One answer that fails is no reason to load the model again.
                log.write("sample", {"turn": turn.id, "error": _explain(e)})
            idle_since = time.time()
        elif time.time() - idle_since > spec["idle_seconds"]:
            minutes = spec["idle_seconds"] / 60
            return {"state": "finished", "message": f"Ended after {minutes:.0f} idle minutes to free the memory."}
        else:
            time.sleep(POLL)
    return {"state": "stopped", "message": "Ended to free the memory."}


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


def _answer(folder: Path, talk: Transcript, turn: Turn, sides: Sides, tokenizer, log: EventLog, alone: Alone) -> None:
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
                log.write("sample", {"turn": turn.id, "side": side, "piece": piece})
            if stopped or writer.finish:
                made = Answer(writer.text, len(writer.ids), writer.finish or "stopped", round(writer.seconds, 3))
                log.write("sample", {"turn": turn.id, "side": side, "answer": vars(made)})
                del going[side]


def _prompt(said: tuple[dict[str, str], ...], sides: Sides, tokenizer, decoding: Decoding) -> tuple[int, ...]:
    ids = prompt_ids(Example(said, "", 1), tokenizer)
    model = sides.model
    limit = getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None)
    limit = limit and limit - virtual_tokens(model)
    if limit and len(ids) + decoding.max_new_tokens > limit:
        raise UserError(
            f"The conversation has {len(ids):,} tokens; with {decoding.max_new_tokens:,} new tokens it exceeds the "
            f"{limit:,} that the model takes. Begin a new conversation, or lower the new tokens."
        )
    return ids


class Writer:
    """One side's answer, token by token: the same tokens as `core.evaluation.generation.generate` gives.

    `generate` of transformers answers one side to its end; two sides that take turns on one copy of the weights need
    a step of their own, each with its own cache.
    """

    def __init__(self, sides: Sides, side: Side, tokenizer, prompt: tuple[int, ...], decoding: Decoding) -> None:
        self.sides, self.side, self.tokenizer, self.decoding = sides, side, tokenizer, decoding
        self.ids: list[int] = []
        self.text = ""
        """What is written so far, without a character that is not finished."""
        self.finish = ""
        """`stop` or `length` once it has ended."""
        self.seconds = 0.0
        self._prompt, self._stops = list(prompt), set(stop_ids(tokenizer))
        self._tokens = self._next_tokens()

    def step(self) -> str:
        """One more token; returns the text that it adds, which may be empty.

        Raises UserError where the model computes no numbers.
        """
        began = time.perf_counter()
        token = next(self._tokens)
        if token in self._stops:
            self.finish = "stop"
        else:
            self.ids.append(token)
            if len(self.ids) == self.decoding.max_new_tokens:
                self.finish = "length"
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        # A character of several tokens is written when it is whole.
        text = text if self.finish else text.removesuffix("\ufffd")
        piece = text[len(self.text) :] if text.startswith(self.text) else ""
        self.text = self.text + piece if not self.finish else text
        self.seconds += time.perf_counter() - began
        return piece

    def _next_tokens(self) -> Iterator[int]:
        import torch

        device = self.sides.model.device
        random = torch.Generator(device).manual_seed(self.decoding.seed)
        cache, feed = None, list(self._prompt)
        # PEFT puts virtual tokens before every call, so there each call is fed everything.
        caches = not virtual_tokens(self.sides.model)
        while True:
            with torch.inference_mode(), self.sides.use(self.side) as model:
                ids = torch.tensor([feed], device=device)
                made = model(input_ids=ids, past_key_values=cache, use_cache=caches)
                scores = made.logits[0, -1].float()
            # NaN is the largest number to torch; single words at minus infinity are some models' way to rule them out.
            if not torch.isfinite(scores.max()):
                raise UserError(
                    f"The {self.side} model computes no number (NaN or infinity). Its weights or its adapter are "
                    "damaged, as after training with too high a learning rate: lower the learning rate and train again."
                )
            if self.decoding.temperature > 0:
                likely = torch.softmax(scores / self.decoding.temperature, dim=-1)
                token = int(torch.multinomial(likely, 1, generator=random))
            else:
                token = int(scores.argmax())
            yield token
            cache = getattr(made, "past_key_values", None) if caches else None
            # Models without such a cache (state-space ones) are fed everything, too.
            feed = [token] if cache is not None else [*feed, token]


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
