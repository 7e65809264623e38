"""How long an answer is to be, as the prompt says: “in one word”, “in 20 words”, “short”; in six languages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.review.detectors.text import LIMIT

NUMBERS = {
    **dict.fromkeys(("one", "a single", "single", "ein", "eine", "einem", "einer", "einzigen"), 1),
    **dict.fromkeys(
        ("un", "une", "un seul", "une seule", "uno", "una", "una sola", "um", "uma", "uma única", "una sola"), 1
    ),
    **dict.fromkeys(("two", "zwei", "deux", "dos", "due", "dois", "duas"), 2),
    **dict.fromkeys(("three", "drei", "trois", "tres", "tre", "três"), 3),
    **dict.fromkeys(("four", "vier", "quatre", "cuatro", "quattro", "quatro"), 4),
    **dict.fromkeys(("five", "fünf", "cinq", "cinco", "cinque"), 5),
    **dict.fromkeys(("ten", "zehn", "dix", "diez", "dieci", "dez"), 10),
}
UNITS = {
    "word": "words?|wort|wörtern?|worte|mots?|palabras?|parol[ae]|palavras?",
    "sentence": "sentences?|satz|sätzen?|phrases?|frases?|frasi|frase|oraci[óo]n(?:es)?",
    "character": "characters?|zeichen|caractères|caracteres|caratteri",
    "paragraph": "paragraphs?|absatz|absätzen?|paragraphes?|párrafos?|paragraf[oi]|parágrafos?",
}
_NUMBER = "|".join(sorted(map(re.escape, NUMBERS), key=len, reverse=True))
# “in”, “at most” and the like before the number: a number of words by itself may be of anything.
LIMITED = re.compile(
    r"(?P<before>\b(?:in|with|using|within|under|than|most|exactly|only|just|about|around|approximately|maximum|"
    r"max|limit|exceed|as|mit|unter|als|höchstens|maximal|genau|nur|etwa|en|dans|avec|maximum|con|máximo|"
    r"massimo|em|com|uma?|até|fino a|below|up to)[.:]?\s+(?:(?:at|the|most|maximum|of|only|just|exactly|about|around|"
    r"nur|höchstens|maximal|genau|etwa|au|más|que|no|sólo|solo|só|apenas|seulement|circa)\s+){0,3})"
    rf"(?P<number>\d{{1,5}}|{_NUMBER})[\s-]+(?:single\s+|short\s+|kurzen\s+)?(?:"
    + "|".join(f"(?P<{unit}>{names})" for unit, names in UNITS.items())
    + r")\b",
    re.I,
)
ONE_WORD = re.compile(
    r"\b(?:one|single)[- ]word (?:answer|reply|response)|\bonly the (?:word|name|number|label|letter)\b", re.I
)
AT_LEAST = re.compile(
    r"\b(?:at least|minimum|no (?:fewer|less) than|not less than|more than|over|mindestens|au moins|al menos|almeno|"
    r"pelo menos|mehr als|plus de|más de|più di|mais de|longer than)\s*(?:of\s+)?$",
    re.I,
)
BRIEF = re.compile(
    r"\b(?:briefly|concisely|in brief|in short|tl;?dr|(?:be|keep it|keep the answer) (?:brief|short|concise)"
    r"|(?:a |very )?(?:short|brief|concise) (?:answer|reply|response|summary|description|message|explanation|definition"
    r"|note|caption|title|headline|sentence|text|sms|tweet)"
    r"|kurz|kurze[nrs]? (?:antwort|zusammenfassung|beschreibung|erklärung|nachricht)|knapp"
    r"|brièvement|en bref|(?:réponse|résumé|explication|description|message) (?:courte?|brève|bref)"
    r"|brevemente|en breve|(?:respuesta|resumen|explicación|descripción|mensaje) (?:corta|corto|breve)"
    r"|in breve|(?:risposta|riassunto|spiegazione|descrizione) (?:corta|corto|breve)"
    r"|em resumo|(?:resposta|resumo|explicação|descrição|mensagem) (?:curta|curto|breve))\b",
    re.I,
)
BRIEF_WORDS = 60
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+(?:['’-]\w+)*")
SENTENCE = re.compile(r"[.!?…](?=[\s\"'”»)]|$)|[。！？]|\n\s*\n")
PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Limit:
    """So much at most, in a unit of UNITS."""

    most: int
    unit: str
    strict: bool
    """A number was named; else only that it is to be short."""

    @property
    def asked(self) -> str:
        if not self.strict:
            return "A short answer was"
        return f"{self.most:,} {self.unit}{'s were' if self.most > 1 else ' was'}"

    def count(self, text: str) -> int:
        text = text[:LIMIT].strip()
        if self.unit == "word":
            return sum(1 for _ in WORD.finditer(text))
        if self.unit == "character":
            return len(text)
        if self.unit == "paragraph":
            return len(PARAGRAPH.findall(text)) + bool(text)
        return len(SENTENCE.findall(text)) + bool(text and not SENTENCE.search(text, max(0, len(text) - 2)))

    def excess(self, text: str) -> float:
        """0 to below 1; 0.6 where a text is half as long again as was asked for, and a little."""
        slack = {"word": 2.0, "sentence": 0.5, "character": 0.1 * self.most + 5, "paragraph": 0.5}[self.unit]
        return round(max(0.0, min(0.98, 1 - 0.6 * (self.most + slack) / max(1, self.count(text)))), 3)

    def end(self, text: str) -> int:
        """Where the text should have ended at the latest."""
        if self.unit == "character":
            return min(self.most, len(text) - 1)
        pattern = {"word": WORD, "sentence": SENTENCE, "paragraph": PARAGRAPH}[self.unit]
        for n, found in enumerate(pattern.finditer(text), 1):
            if n == self.most:
                return min(found.end(), len(text) - 1)
        return 0

    def measured(self, text: str) -> str:
        words = "words" if not self.strict else f"{self.unit}s"
        return f"{self.count(text):,} {words}"


def limit(prompt: str) -> Limit | None:
    """The length that the prompt asks for; the last where it names several. None where it names none."""
    found = [
        m for m in LIMITED.finditer(prompt) if not AT_LEAST.search(prompt[max(0, m.start() - 30) : m.start("number")])
    ]
    if found:
        unit = next(unit for unit in UNITS if found[-1][unit])
        number = found[-1]["number"].lower()
        return Limit(int(number) if number.isdigit() else NUMBERS[number], unit, True)
    if ONE_WORD.search(prompt):
        return Limit(1, "word", True)
    return Limit(BRIEF_WORDS, "word", False) if BRIEF.search(prompt) else None
