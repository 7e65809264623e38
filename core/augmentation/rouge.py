"""Which of many prompts is nearest to another by ROUGE-L, as Self-Instruct keeps its rows apart (0.7 and more is near).

The words that two prompts share bound it from above, so few pairs need computing. By hand, since importing rouge-score
takes two seconds and nltk with it; a test holds both against each other.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from core.questions import canonical

NEAR = 0.7
# Scripts that write no spaces are taken character by character, as where answers are compared.
_WORD = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|[^\\W_]+")
MOST_WORDS = 400
"""Of a prompt: what follows is not compared."""


class Prompts:
    """Prompts by their words."""

    def __init__(self) -> None:
        self._prompts: list[tuple[list[str], str]] = []
        """(words, name) of each."""
        self._holding: dict[str, list[tuple[int, int]]] = defaultdict(list)
        """Word → (prompt, how often it stands there)."""

    def add(self, text: str, name: str) -> None:
        """`name`: what people call it."""
        words = words_of(text)
        for word, n in Counter(words).items():
            self._holding[word].append((len(self._prompts), n))
        self._prompts.append((words, name))

    def nearest(self, text: str, least: float = NEAR) -> tuple[float, str] | None:
        """(ROUGE-L, name) of the prompt that is nearest, where that is `least` or more."""
        words = words_of(text)
        shared: Counter[int] = Counter()
        for word, n in Counter(words).items():
            for prompt, times in self._holding.get(word, ()):
                shared[prompt] += min(n, times)
        found: tuple[float, str] | None = None
        for prompt, n in shared.items():
            there, name = self._prompts[prompt]
            bound = 2 * n / (len(words) + len(there))  # no common subsequence is longer
            if bound < max(least, found[0] if found else 0.0):
                continue
            score = _rouge_l(words, there)
            if score >= least and (found is None or score > found[0]):
                found = score, name
        return found


def words_of(text: str) -> list[str]:
    return _WORD.findall(canonical(text))[:MOST_WORDS]


def rouge_l(a: str, b: str) -> float:
    """F-measure of the longest common subsequence of words (Lin, 2004); 0 where one has none."""
    return _rouge_l(words_of(a), words_of(b))


def _rouge_l(a: list[str], b: list[str]) -> float:
    if not a or not b:
        return 0.0
    # Row by row of the usual table: the longest common subsequence of what was seen of `a` and each beginning of `b`.
    longest = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for i, other in enumerate(b, 1):
            here = longest[i]
            longest[i] = before + 1 if word == other else max(here, longest[i - 1])
            before = here
    return 2 * longest[-1] / (len(a) + len(b))
