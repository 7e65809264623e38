"""How close is a generated text to the reference: token F1 (the main one), ROUGE-L, chrF, BLEU, exact match.

Text in, 0..1 out; over rows the values are averaged.

Words are made as in SQuAD's evaluation (Rajpurkar et al., 2016, arXiv 1606.05250), widened to all scripts: letters and
marks of every script stay, and scripts that write no spaces are cut into characters, as MLQA does (Lewis et al., 2019).
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU, CHRF

ARTICLES = ("a", "an", "the")

# SQuAD deletes ASCII punctuation. Kept here: a sign before a number and the point inside one, so that -5 is not 5.
_DELETED = re.compile(rf"(?!(?<!\w)-(?=\d)|(?<=\d)\.(?=\d))[{re.escape(string.punctuation)}’]")
# Thai, Lao, Burmese and Khmer; kana; Han.
_SPACELESS = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff])"
)


def words(text: str) -> list[str]:
    """Words without case and punctuation; characters where a script writes no spaces."""
    text = unicodedata.normalize("NFKC", text).replace("−", "-").casefold()
    text = _SPACELESS.sub(r" \1 ", _DELETED.sub("", text))
    spaced = (" " if ord(c) > 127 and unicodedata.category(c)[0] == "P" else c for c in text)
    return "".join(spaced).split()


def answer_words(text: str) -> list[str]:
    """What answers are compared by: words without English articles, unless nothing else is left."""
    all_words = words(text)
    return [w for w in all_words if w not in ARTICLES] or all_words or text.split()


def token_f1(prediction: str, reference: str) -> float:
    """Harmonic mean of the shares of common words, as in SQuAD. 1.0 where both are empty."""
    predicted, expected = answer_words(prediction), answer_words(reference)
    if not predicted or not expected:
        return float(predicted == expected)
    common = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * common / (len(predicted) + len(expected))


def exact_match(prediction: str, reference: str) -> float:
    """1.0 where both have the same words in the same order, apart from case, punctuation and articles."""
    return float(answer_words(prediction) == answer_words(reference))


def rouge_l(prediction: str, reference: str) -> float:
    """ROUGE-L F-measure: the longest common subsequence of words (Lin, 2004)."""
    return _rouge().score(reference, prediction)["rougeL"].fmeasure


def chrf(prediction: str, reference: str) -> float:
    """chrF: F-score of common character n-grams, recall counting twice (Popović, 2015), sacrebleu's defaults.

    Needs no words, so it suits every script.
    """
    return min(1.0, _sacrebleu("chrf").sentence_score(prediction, [reference]).score / 100)


def bleu(prediction: str, reference: str) -> float:
    """BLEU of one row (Papineni et al., 2002), sacrebleu's smoothing, n-grams up to what the row holds.

    Its words are those of Western scripts: where no spaces are written, chrF is the one to read.
    """
    return min(1.0, _sacrebleu("bleu").sentence_score(prediction, [reference]).score / 100)


METRICS = {"token_f1": token_f1, "rouge_l": rouge_l, "exact_match": exact_match, "chrf": chrf, "bleu": bleu}


def signatures() -> dict[str, str]:
    """How chrF and BLEU were computed, in sacrebleu's words."""
    return {name: _sacrebleu(name).get_signature().format() for name in ("chrf", "bleu")}


class _Words:
    """rouge-score's own tokenizer keeps only a-z and 0-9, so most languages would score 0."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@lru_cache(maxsize=1)
def _rouge() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())


@lru_cache(maxsize=2)
def _sacrebleu(name: str) -> BLEU | CHRF:
    from sacrebleu.metrics import BLEU, CHRF

    # Without `effective_order` a row shorter than four words would score almost 0 however good.
    metric = CHRF() if name == "chrf" else BLEU(effective_order=True)
    metric.sentence_score("a", ["a"])  # the number of references, which the signature names, is known from now on
    return metric
