"""What an answer reasons, told by its marks; what follows is compared and judged."""

from __future__ import annotations

MARKS = (
    ("<think>", "</think>"),  # Qwen3, DeepSeek-R1, SmolLM3, GLM
    ("[THINK]", "[/THINK]"),  # Magistral
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
)


def split(text: str) -> tuple[str, str]:
    """(reasoning, answer) of a text. Without marks all of it is the answer; reasoning that never ends has none.

    The mark that opens may be missing: where a template writes it, it stands in the prompt.
    """
    for opening, closing in MARKS:
        begins = text.lstrip().startswith(opening)
        reasoning, end, answer = text.partition(closing)
        if end and (begins or opening not in reasoning):
            return reasoning.lstrip().removeprefix(opening).strip(), answer.lstrip()
        if begins:
            return text.lstrip().removeprefix(opening).strip(), ""
    return "", text


def answer_of(text: str) -> str:
    """What follows the reasoning."""
    return split(text)[1]
