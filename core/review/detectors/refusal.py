"""Whether an answer refuses, or speaks of itself as an AI of some maker."""

from __future__ import annotations

import re

HEAD = 600
"""Characters in which a refusal is said."""
REFUSAL = re.compile(
    r"\bas an? (?:ai|artificial intelligence|large language model|language model)\b"
    r"|\bI(?:'m| am) (?:just |only )?an? (?:AI|artificial intelligence|(?:large )?language model)\b"
    r"|\bmy (?:training data|knowledge cut-?off)\b|\b(?:trained|developed|created) by (?:OpenAI|Anthropic|Google)\b"
    r"|^\W*(?:I(?:'m| am) (?:so |very |really )?sorry|sorry|I apologi[sz]e|unfortunately)[,;.]? "
    r"(?:but )?I (?:can(?:no|')t|can not|am (?:not able|unable)"
    r"|(?:wo|do)n't|am not)\b"
    r"|^\W*I(?:'m| am)? (?:can(?:no|')t|unable to|not able to) "
    r"(?:assist|help|fulfil+|comply|provide|answer|create|generate|engage|discuss)\b"
    r"|\b(?:als (?:ein )?KI(?:-| )?(?:Sprach)?modell|als künstliche intelligenz|"
    r"en tant qu['e ]{1,2}(?:IA|intelligence artificielle|modèle)"
    r"|como (?:una? )?(?:IA|inteligencia artificial|modelo de lenguaje))\b",
    re.I,
)


# One of these stands, in small letters, in whatever REFUSAL finds; but for what begins with “I”.
REFUSAL_SIGNS = ("a ai", "an ai", "artificial intelligence", "language model", "my training data", "my knowledge cut",
                 "by openai", "by anthropic", "by google", "sorry", "apologi", "unfortunately", "modell",
                 "künstliche intelligenz", "en tant qu", "como ")  # fmt: skip
I_FIRST = re.compile(r"\W*I\b", re.I)


def place(answer: str, asked: str) -> tuple[int, int] | None:
    """Where `answer` refuses; None where it does not, or where what it says is what was asked for."""
    head = answer[:HEAD].lower()
    if not I_FIRST.match(head) and not any(sign in head for sign in REFUSAL_SIGNS):
        return None
    # “Complete: As an AI …”: what was asked for is no refusal.
    found = REFUSAL.search(answer[:HEAD])
    return found.span() if found and found.group().strip(" ,.").lower() not in asked.lower() else None
