"""Label `cut_off`: an answer that did not end by itself, or that ends in the middle of a sentence or of code.

The first is known of each generation: it had no tokens left. The second is seen: an open bracket of code, a comma or a
word that ends no sentence.
"""

from __future__ import annotations

import re

from core.review.detectors.text import LIMIT, Finding, without_code

DETECTOR = "cut_off-1"
THRESHOLD = 0.5
OPEN, BEGUN = 0.8, 0.7
LEAST = 40
"""Characters of an answer of which an end is expected; a title or a phrase has none."""
MARKED_END = 20
# Words that no sentence ends with.
_OPEN = """the a an of and to in for with that is are was were by or from as at on but because which who whose if than
    into its their your my our his her while when where between through about such also both der die das ein eine
    einen und oder mit für von zu im auf dass weil le la les un une des du et ou avec pour dans que qui el los las
    del y o con para por en"""
OPEN_WORDS = frozenset(_OPEN.split())
ENDED = re.compile(r"[.!?…。！？।\"'”’»)\]}>*_`:]\s*$")
SENTENCE = re.compile(r"[.!?]\s+(?=[^\W\d_])")
CODE = re.compile(r"\)\s*;$|^\s*[A-Z]{3,}\b.*;$")
NO_PROSE = re.compile(r"^\s*(?:[-*•#|>]|\d+[.)]|\w+:)|[{}=<>|]|https?://")


def check(text: str, cut_at: int | None, reference: str, threshold: float = THRESHOLD) -> Finding:
    """`cut_at`: tokens at which the generation was cut, None when it ended by itself."""
    if cut_at is not None:
        end = ((max(0, len(text) - MARKED_END), len(text)),) if text else ()
        more = ", before it was as long as the reference: raise the limit" if len(text) < len(reference) else ""
        return Finding(1.0, end, f"It did not end by itself: it was cut at {cut_at:,} tokens{more}.")
    found = stops(text)
    if found is None or stops(reference) is not None:
        return Finding(0.0, (), "It ended by itself.")
    start, score, reason = found
    return Finding(score, ((start, len(text)),) if score >= threshold else (), reason)


def stops(answer: str) -> tuple[int, float, str] | None:
    """(where the piece begins that does not end, how sure, why); None where the answer ends, or it cannot be told."""
    text = answer.rstrip()
    if len(text) < LEAST:
        return None
    if text.count("```") % 2:
        return text.rindex("```"), OPEN, "A block of code is not closed."
    if ENDED.search(text[-1]):
        return None
    last_line = without_code(text[-LIMIT:]).rsplit("\n", 1)[-1]
    words = last_line.split()
    if not words or NO_PROSE.search(last_line) or not text[-1].isascii():
        return None
    if not any(word[1:].islower() for word in words[-2:]):  # tags, figures, code
        return None
    open_end = (text[-1] in ",;(-–—" and not CODE.search(last_line)) or (
        len(words) >= 4 and words[-1].lower() in OPEN_WORDS and words[-2].lower() != words[-1].lower()
    )
    # A whole sentence, and one that begins and does not end: titles and single phrases need no full stop.
    begun = SENTENCE.search(last_line) and len(text) >= 70 and SENTENCE.split(last_line)[-1].count(" ") >= 2
    if open_end or begun:
        return max(0, len(text) - LEAST), OPEN if open_end else BEGUN, "It stops in the middle of a sentence."
    return None
