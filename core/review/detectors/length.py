"""Label `too_long`: an answer far longer than its reference, than what was asked for, or than answers are here; or one
that runs on into a next turn. That it did not end at all is another label: see `cut.py`.

How long an answer may be without a reference is learnt from the training rows: the logarithm of an answer's length is
fitted on that of its prompt (least squares), and the residuals say how much answers of this data set differ from what
is expected. The threshold is not learnt: what is uneven there would excuse everything. Lengths are in characters,
which every script has; `SLACK` of them are added, so that "No." and "No, thanks." are about equal.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from core.review.detectors import wanted
from core.review.detectors.text import LIMIT, Finding

DETECTOR = "too_long-2"
THRESHOLD = 0.6
"""Share of an answer beyond the expected length. 0.6: two and a half times as long."""
SLACK = 40
NOTABLE = 0.2
RUN_ON = 0.99
TURNS = 0.01
STEEPEST = 1.5
"""1: answers grow as their prompts do, as in translation."""
MOST_SPREAD = math.log(4)
"""How much longer than expected the longer answers of a data set may be: four times, however uneven they are."""

# Heads of a next turn in the usual templates. Nothing here can match in two ways, so that there is no backtracking.
TURN = re.compile(
    r"(?m)^[ \t]{0,8}(?P<sure>#{1,6} ?(?:instruction|input|response|user|assistant|human|system)\b:?)"
    r"|^[ \t]{0,8}(?P<role>(?:instruction|user|human) ?:)|^[ \t]{0,8}(?P<form>(?:input|output|assistant) ?:)"
    r"|<\|[a-z_]{1,20}\|>|</?s>|\[/?inst\]|<(?:start|end)_of_turn>",
    re.IGNORECASE,
)
# Texts that hold turns by their nature.
HOLDS_TURNS = re.compile(
    r"\b(?:dialog\w*|conversation\w*|chats?|chat ?bots?|transcripts?|interviews?|scripts?|scenes?|role-?play\w*|forms?|"
    r"templates?|formular\w*|gespräch\w*|entrevista\w*|diálogo\w*|entretien\w*|conversa\w*|modulo|prompts?|few-shot|"
    r"examples?|beispiele?|exemples?|ejemplos?|esempi|exemplos?|faq|quiz)\b",
    re.I,
)


@dataclass(frozen=True)
class Expected:
    """Answer length as a function of prompt length, in the logarithm; and whether answers here hold turns."""

    intercept: float = math.log(SLACK + 2_000)
    slope: float = 0.0
    spread: float = 0.0
    """How far above its expected logarithm one answer of twenty is, at most MOST_SPREAD."""
    turns: bool = False
    """More than `TURNS` of the answers would count as running on: dialogues, prompts about prompts. Then none does."""

    def length(self, prompt: str) -> float:
        return math.exp(self.intercept + self.spread + self.slope * math.log(len(prompt) + SLACK)) - SLACK


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
    beyond = sorted(b - my - slope * (a - mx) for a, b in zip(x, y, strict=True))[int(0.95 * (len(y) - 1))]
    return Expected(my - slope * mx, slope, max(0.0, min(MOST_SPREAD, beyond)), turns)


def excess(length: int, expected: float) -> float:
    """Share of an answer that is beyond the expected length, 0 to below 1."""
    return round(max(0.0, 1 - (max(0.0, expected) + SLACK) / (length + SLACK)), 3)


def run_on(text: str, prompt: str = "") -> int | None:
    """Where the text goes on into another turn; None when it does not.

    A head that opens the text is no run-on. “Output:” alone may belong to an answer, “Input:” and “Output:” do not,
    nor does “User:”; but for prompts that ask for a dialogue, a form or examples. A heading of a prompt template and a
    control token always count.
    """
    text = text[:LIMIT]
    body = len(text) - len(text.lstrip())
    heads = [m for m in TURN.finditer(text) if m.start() > body]
    if HOLDS_TURNS.search(prompt[:LIMIT]):
        heads = [m for m in heads if m["role"] is None and m["form"] is None]
    forms = {m["form"].lower().rstrip(" :") for m in heads if m["form"]}
    inputs = sum(m["form"] is not None and m["form"].lower().startswith("input") for m in heads)
    sure = len(forms) > 1 or inputs > 1 or any(m["form"] is None for m in heads)
    return heads[0].start() if sure else None


def check(text: str, prompt: str, reference: str, expected: Expected, threshold: float = THRESHOLD) -> Finding:
    """How much longer `text` is than it should be, by the strongest of the signs."""
    turn = run_on(text, prompt)
    if turn is not None and not expected.turns and run_on(reference) is None:
        return Finding(RUN_ON, ((turn, len(text)),) if threshold <= RUN_ON else (), _ran_on(text, turn))
    usual = float(len(reference)) if reference else max(1.0, expected.length(prompt))
    share = min(0.98, excess(len(text), usual))
    than = f"the reference ({len(text):,} against {len(reference):,} characters)"
    if not reference:
        than = f"expected ({len(text):,} against {usual:,.0f} characters)"
    far = (
        f"About {len(text) / usual:.1f} times as long as {than}."
        if share >= NOTABLE
        else f"Not much longer than {than}."
    )
    limit = wanted.limit(prompt[-LIMIT:])
    if limit is not None and not limit.excess(reference) >= threshold:
        beyond = limit.excess(text)
        if beyond > share:
            end = limit.end(text) if beyond >= threshold else 0
            spans = ((end, len(text)),) if beyond >= threshold else ()
            return Finding(beyond, spans, f"{limit.asked} asked for; it has {limit.measured(text)}.")
        # What was asked for is what counts, where the answer keeps to it and the reference is only shorter still.
        if beyond < threshold <= share and limit.strict:
            return Finding(round(threshold - 0.001, 3), (), f"{far} But {limit.asked} asked for.")
    return Finding(share, ((min(int(usual), len(text) - 1), len(text)),) if share >= threshold else (), far)


def _ran_on(text: str, turn: int) -> str:
    head = text[turn : turn + 40].strip().split("\n")[0]
    return f"It runs on into a next turn: “{head}”."
