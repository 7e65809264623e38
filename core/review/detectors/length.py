"""Label `too_long`: an answer that did not end, ran on into a next turn, or is far longer than answers are here.

How long an answer may be is learnt from the training rows: the logarithm of an answer's length is fitted on that of its
prompt (least squares), and the residuals say how much answers of this data set differ from what is expected. Lengths
are in characters, which every script has; `SLACK` of them are added, so that "No." and "No, thanks." are about equal.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from core.review.detectors.text import LIMIT, Finding

DETECTOR = "too_long-1"
THRESHOLD = 0.6
"""Share of an answer beyond the expected length. 0.6: two and a half times as long."""
SLACK = 40
NOTABLE = 0.2
RUN_ON = 0.99
TURNS = 0.01
STEEPEST = 1.5
"""1: answers grow as their prompts do, as in translation."""
MARKED_END = 20
"""Characters marked at the end of an answer that was cut."""

# Heads of a next turn in the usual templates. Nothing here can match in two ways, so that there is no backtracking.
TURN = re.compile(
    r"(?m)^[ \t]{0,8}(?:#{1,6} ?(?:instruction|input|response|question|answer|user|assistant|human|system)\b:?"
    r"|(?:instruction|input|user|human) ?:"
    r"|(?P<weak>(?:output|question|assistant|q) ?:))"
    r"|<\|[a-z_]{1,20}\|>|</?s>|\[/?inst\]|<(?:start|end)_of_turn>",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Expected:
    """Answer length as a function of prompt length, in the logarithm; and whether answers here hold turns."""

    intercept: float = math.log(SLACK + 200)
    slope: float = 0.0
    turns: bool = False
    """More than `TURNS` of the answers would count as running on: dialogues, prompts about prompts. Then none does."""

    def length(self, prompt: str) -> float:
        return math.exp(self.intercept + self.slope * math.log(len(prompt) + SLACK)) - SLACK


def fit(pairs: list[tuple[str, str]]) -> Expected:
    """Least squares over (prompt, answer). The slope is bounded: a few prompts of nearly one length can tell any."""
    if not pairs:
        return Expected()
    x = [math.log(len(prompt) + SLACK) for prompt, _ in pairs]
    y = [math.log(len(answer) + SLACK) for _, answer in pairs]
    mx, my = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mx) ** 2 for a in x)
    slope = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / spread if spread > 1e-9 else 0.0
    slope = max(-STEEPEST, min(STEEPEST, slope))
    turns = sum(run_on(answer) is not None for _, answer in pairs) > max(1, TURNS * len(pairs))
    return Expected(my - slope * mx, slope, turns)


def excess(length: int, expected: float) -> float:
    """Share of an answer that is beyond the expected length, 0 to below 1."""
    return round(max(0.0, 1 - (max(0.0, expected) + SLACK) / (length + SLACK)), 3)


def run_on(text: str) -> int | None:
    """Where the text goes on into another turn; None when it does not.

    A head that opens the text is no run-on, and one "Output:" or "Question:" may belong to an answer; two do not.
    """
    text = text[:LIMIT]
    body = len(text) - len(text.lstrip())
    heads = [m for m in TURN.finditer(text) if m.start() > body]
    sure = len(heads) > 1 or any(m["weak"] is None for m in heads)
    return heads[0].start() if sure else None


def check(
    text: str, cut_at: int | None, prompt: str, reference: str, expected: Expected, threshold: float = THRESHOLD
) -> Finding:
    """`cut_at`: tokens at which the answer was cut, None when it ended by itself."""
    usual = len(reference) if reference else max(1.0, expected.length(prompt))
    share = min(0.98, excess(len(text), usual))
    beyond = ((min(int(usual), len(text) - 1), len(text)),) if share >= threshold else ()
    turn = run_on(text)
    if turn is not None and not expected.turns and run_on(reference) is None:
        return Finding(RUN_ON, ((turn, len(text)),) if threshold <= RUN_ON else (), _ran_on(text, turn))
    than = f"the reference ({len(text):,} against {len(reference):,} characters)"
    if cut_at is not None and len(text) < len(reference):
        return Finding(share, (), f"Cut at {cut_at} tokens, before it was as long as {than}: raise the limit.")
    if cut_at is not None:
        end = ((max(0, len(text) - MARKED_END), len(text)),) if text else ()
        return Finding(1.0, beyond or end, f"It did not end by itself: it was cut at {cut_at} tokens.")
    if not reference:
        than = f"expected ({len(text):,} against {usual:,.0f} characters)"
    far = f"About {len(text) / usual:.1f} times as long as {than}."
    return Finding(share, beyond, far if share >= NOTABLE else f"Not much longer than {than}.")


def _ran_on(text: str, turn: int) -> str:
    head = text[turn : turn + 40].strip().split("\n")[0]
    return f"It runs on into a next turn: “{head}”."
