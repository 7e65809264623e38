"""A model of this machine in the place of an endpoint: it replies to several requests at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from core.augmentation.asking import Broken
from core.augmentation.spec import AugmentSpec
from core.endpoint.client import Reply
from core.engine.scoring import ShouldStop, Stopped
from core.types import Decoding, Example, Message


class LocalModel:
    """One loaded model. Raises UserError where it cannot be had, or has no room for a reply."""

    def __init__(
        self, spec: AugmentSpec, models: Path, tell: Callable[[float, str], None], should_stop: ShouldStop
    ) -> None:
        from core.models import libraries

        libraries.spare_bitsandbytes(spec.model, spec.revision, "none")
        from core.models import loading

        loading.locate(spec.model, models, tell)
        self._spec, self._should_stop, self._asked = spec, should_stop, 0
        self._tokenizer = loading.tokenizer(spec.model, models, spec.revision, _template(spec, models))
        self._model = loading.load(spec.model, models, spec.revision)

    def ask(self, conversations: Sequence[list[Message]]) -> list[tuple[Reply | Broken, float]]:
        """(reply, seconds) to each. Stopped in the middle, it has replied to none of these."""
        from core.engine.rendering import prompt_ids
        from core.models.generation import generate, too_long

        self._asked += 1
        spec = self._spec
        decoding = Decoding(spec.max_tokens, spec.temperature, seed=spec.seed + self._asked)
        asked = [Example(tuple(messages), "", i) for i, messages in enumerate(conversations)]
        long = {e.row for e in too_long(self._model, self._tokenizer, asked, decoding)}
        fitting = [e for e in asked if e.row not in long]
        began = time.perf_counter()
        try:
            answers = generate(self._model, self._tokenizer, fitting, "base", decoding, should_stop=self._should_stop)
        except Stopped:
            return []
        seconds = (time.perf_counter() - began) / max(1, len(fitting))
        replies: dict[int, Reply | Broken] = {
            e.row: Reply(g.text, len(prompt_ids(e, self._tokenizer)), g.tokens, g.finish)
            for e, g in zip(fitting, answers, strict=True)
        }
        why = f"The request leaves no room for {spec.max_tokens:,} tokens of a reply in the model's context."
        return [(replies.get(i, Broken(why)), seconds) for i in range(len(conversations))]


def _template(spec: AugmentSpec, models: Path) -> str:
    """The chat template: the model's own, or `instruction` where it has none."""
    from core.models import loading

    own = loading.tokenizer(spec.model, models, spec.revision)
    return "" if own.chat_template else "instruction"
