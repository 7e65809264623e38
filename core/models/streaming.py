"""One side's answer, token by token."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.errors import UserError
from core.models.generation import stops_of
from core.models.room import Room
from core.models.sides import Sides, virtual_tokens
from core.types import Decoding, Side

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Writer:
    """One side's answer, token by token: the same tokens as `core.models.generation.generate` gives.

    `generate` of transformers answers one side to its end; two sides that take turns on one copy of the weights need
    a step of their own, each with its own cache.
    """

    def __init__(
        self, sides: Sides, side: Side, tokenizer: PreTrainedTokenizerBase, prompt: tuple[int, ...], decoding: Decoding
    ) -> None:
        self.sides, self.side, self.tokenizer, self.decoding = sides, side, tokenizer, decoding
        self.ids: list[int] = []
        self.text = ""
        """What is written so far, without a character that is not finished."""
        self.finish = ""
        """`stop` or `length` once it has ended."""
        self.seconds = 0.0
        self._prompt, self._stops = list(prompt), set(stops_of(sides.model, tokenizer))
        self._room = Room(tokenizer, prompt, decoding)
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
            if self._room.full(self.ids):
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
                output = model(input_ids=ids, past_key_values=cache, use_cache=caches)
                scores = output.logits[0, -1].float()
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
            cache = getattr(output, "past_key_values", None) if caches else None
            # Models without such a cache (state-space ones) are fed everything, too.
            feed = [token] if cache is not None else [*feed, token]
