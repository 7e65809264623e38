"""Word forms that a list of words lacks: inflections, compounds, and words joined by an apostrophe or a hyphen.

Inflections are simplemma's (49 languages, forms → dictionary forms, a few megabytes each, read when first asked for).
German writes compounds as one word (Donaudampfschiff): one is known where all its parts are.
"""

from __future__ import annotations

from collections.abc import Container

LEAST_PART = 4
"""Letters of a part of a compound: shorter ones are endings and syllables as often as words."""
LINKS = ("", "s", "n", "en", "es", "er", "e")
"""What German puts between the parts of a compound."""
PREFIXES = ("ab", "an", "auf", "aus", "bei", "durch", "ein", "mit", "nach", "um", "un", "vor", "weg", "zu", "über",
            "unter", "hin", "her", "rück", "haupt", "neu", "groß", "klein", "öko", "bio")  # fmt: skip
ENCLITICS = ("melo", "telo", "selo", "nos", "los", "las", "les", "lo", "la", "le", "me", "te", "se", "mi", "ti", "si",
             "ci", "vi", "ne", "li", "gli", "glielo")  # fmt: skip
"""Pronouns that Spanish and Italian write on a verb (leerlo, dirmi)."""
PLAIN = str.maketrans("áéíóú", "aeiou")


def is_form(word: str, language: str, listed: Container[str]) -> bool:
    """Whether a lower-case word that is not `listed` is a form of the language all the same."""
    if is_listed_form(word, language):
        return True
    if "'" in word:
        return _elided(word, language, listed)
    if language in ("es", "it"):
        return any(word.endswith(end) and _verb(word[: -len(end)], language, listed) for end in ENCLITICS)
    return False


def is_listed_form(word: str, language: str) -> bool:
    import simplemma

    return bool(simplemma.is_known(word, lang=language))


def _elided(word: str, language: str, listed: Container[str]) -> bool:
    """l'eau, dell'acqua, qu'elle, geht's: all but a letter or two before or behind the apostrophe must be words."""
    parts = [part for part in word.split("'") if part]
    return all(len(part) <= 2 or part in listed or is_listed_form(part, language) or part in ELISIONS for part in parts)


ELISIONS = ("dell", "nell", "sull", "dall", "coll", "quell", "quest", "sant", "bell", "grand", "tutt", "cent", "jusqu",
            "lorsqu", "puisqu", "quoiqu", "quelqu", "presqu", "aujourd", "hui")  # fmt: skip


def _verb(stem: str, language: str, listed: Container[str]) -> bool:
    """leer(lo), dándo(selo), dir(mi)."""
    plain = stem.translate(PLAIN)
    ended = (
        plain.endswith(("ar", "er", "ir", "ando", "endo"))
        if language == "es"
        else plain.endswith(("ar", "er", "ir", "and", "end"))
    )
    return ended and any(s in listed or is_listed_form(s, language) for s in (stem, plain, plain + "e", plain + "o"))


def is_compound(word: str, listed: Container[str], parts: int = 3) -> bool:
    """Made of up to `parts` known German words, with a link between them."""
    if len(word) < 2 * LEAST_PART or parts < 2:
        return False
    for prefix in PREFIXES:
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) >= LEAST_PART and (rest in listed or is_listed_form(rest, "de")):
            return True
    for cut in range(LEAST_PART, len(word) - LEAST_PART + 1):
        head, tail = word[:cut], word[cut:]
        if not (tail in listed or is_listed_form(tail, "de") or is_compound(tail, listed, parts - 1)):
            continue
        if any(
            head.endswith(link)
            and len(stem := head[: len(head) - len(link)]) >= 3
            and (stem in listed or stem + "e" in listed)
            for link in LINKS
        ):
            return True
    return False
