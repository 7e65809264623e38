"""How close is a generated text to the reference: token F1 (the main one), ROUGE-L, chrF, BLEU, exact match.

Text in, 0..1 out; over rows the values are averaged. Of several references the closest one counts, as in SQuAD.

Words are made as in SQuAD's evaluation (Rajpurkar et al., 2016, arXiv 1606.05250), widened to all scripts: letters and
marks of every script stay, and scripts that write no spaces are cut into characters, as MLQA does (Lewis et al., 2019).
SQuAD deletes all punctuation, and so takes C++ for C, 3/4 for 34 and x < 5 for x > 5; here signs that carry meaning
stay, as `NORMALISATION` tells people.
"""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

import regex  # unlike re, its \w holds the marks that vowels are in many scripts

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU, CHRF

ARTICLES = ("a", "an", "the")
NORMALISATION = (
    "Exact match and token F1 compare words: case, English articles and the punctuation of sentences do not count. "
    "Signs that carry meaning do: C, C++ and C#, A+ and A-, x < 5 and x > 5, 3/4 and 34, -5 and 5 are different. "
    "Numbers are compared by value: 3.0 is 3, and 1,000 is 1000. Of several right answers the closest one counts."
)

# Thai, Lao, Burmese and Khmer; kana; Han.
_SPACELESS = regex.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff])"
)
_OPERAND = r"(?:\d|(?<!\p{L})\p{L}(?!\p{L}))"  # a digit, or a letter that stands alone, as x does
_OPERATOR = regex.compile(rf"(?<={_OPERAND}[)\]]?)(?:\s?([*/–—])\s?|(-)| (-) )(?=[-+(\[]?{_OPERAND})")
_MATHEMATICAL = {"*": "∗", "/": "∕", "-": "−", "–": "−", "—": "−"}
_WORD = regex.compile(
    r"""
      (?:(?<!\w)-(?=\.?\d))?              # the sign of a number
      (?:(?<![\w.])\.(?=\d))?             # .5
      \w
      (?:\w|['’.-](?=\w)|(?<=\d)[,:](?=\d))*
      (?:\+\+|[+\#](?!\w)|(?<=(?<!\w)\p{L}{1,2})-{1,2}(?![\w-])
        |(?<=(?<![\w*])\p{L})\*(?![\w*]))?  # C++, C#, C--, A+, A-, A*
    | [<>=!]=
    | [\p{Sm}\p{Sc}%^&]
    """,
    regex.VERBOSE,
)
_WITHOUT_MEANING = frozenset("~|")
_GROUPED = regex.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
_DECIMAL = regex.compile(r"-?(\d+\.?\d*|\.\d+)")
_JOINTS = regex.compile(r"['’]|(?<!^)(?<!\d)[.-](?!$)|(?<!^)[.-](?!\d|$)|(?<=\d)-")


def words(text: str) -> list[str]:
    """Words without case and the punctuation of sentences; characters where a script writes no spaces."""
    text = unicodedata.normalize("NFKC", text).replace("−", "-").casefold()
    text = _OPERATOR.sub(lambda m: f" {_MATHEMATICAL[m[1] or m[2] or m[3]]} ", _SPACELESS.sub(r" \1 ", text))
    return [_plain(word) for word in _WORD.findall(text) if word not in _WITHOUT_MEANING]


def _plain(word: str) -> str:
    """A number in one way of writing; a word without what joins its parts (don't, U.S., e-mail), as SQuAD has it."""
    if _GROUPED.fullmatch(word):
        word = word.replace(",", "")
    if _DECIMAL.fullmatch(word):
        sign, digits = word[: word.startswith("-")], word.removeprefix("-")
        whole, _, fraction = digits.partition(".")
        return f"{sign}{whole or 0}" + (f".{fraction}" if fraction.strip("0") else "")
    word = _JOINTS.sub("", word)
    return word if word.startswith("__") else word.strip("_") or word


def number(text: str) -> Decimal | None:
    """The value of a text that is nothing but a number."""
    text = text.strip().removesuffix(".").replace("−", "-").removeprefix("+")
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    return Decimal(text) if _DECIMAL.fullmatch(text) and text.isascii() else None


def answer_words(text: str) -> list[str]:
    """What answers are compared by: words without English articles, unless nothing else is left."""
    all_words = words(text)
    return [w for w in all_words if w not in ARTICLES] or all_words or text.split()


def token_f1(prediction: str, reference: str) -> float:
    """Harmonic mean of the shares of common words, as in SQuAD. 1.0 where both are empty, or are the same number."""
    if (value := number(prediction)) is not None and (wanted := number(reference)) is not None:
        return float(value == wanted)
    predicted, expected = answer_words(prediction), answer_words(reference)
    if not predicted or not expected:
        return float(predicted == expected)
    common = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * common / (len(predicted) + len(expected))


def exact_match(prediction: str, reference: str) -> float:
    """1.0 where both have the same words in the same order, or are the same number: see `NORMALISATION`."""
    if (value := number(prediction)) is not None and (wanted := number(reference)) is not None:
        return float(value == wanted)
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


def closest(prediction: str, references: Sequence[str]) -> dict[str, float]:
    """Each metric against the reference that it likes best."""
    return {name: max(metric(prediction, r) for r in references) for name, metric in METRICS.items()}


def published(prediction: str, references: Sequence[str]) -> dict[str, float]:
    """ROUGE-L by rouge-score's own words (a-z and 0-9 only), token F1 and exact match by SQuAD's own rules."""
    compared = {
        "rouge_l": lambda r: _rouge(own=True).score(r, prediction)["rougeL"].fmeasure,
        "token_f1": lambda r: _squad_f1(_squad(prediction), _squad(r)),
        "exact_match": lambda r: float(_squad(prediction) == _squad(r)),
    }
    return {name: max(metric(r) for r in references) for name, metric in compared.items()}


def _squad(text: str) -> list[str]:
    """`normalize_answer` of SQuAD's evaluate-v1.1.py, split."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return regex.sub(r"\b(a|an|the)\b", " ", kept).split()


def _squad_f1(predicted: list[str], expected: list[str]) -> float:
    common = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * common / (len(predicted) + len(expected)) if common else 0.0


def signatures() -> dict[str, str]:
    """How chrF and BLEU were computed, in sacrebleu's words."""
    return {name: _sacrebleu(name).get_signature().format() for name in ("chrf", "bleu")}


class _Words:
    """rouge-score's own tokenizer keeps only a-z and 0-9, so most languages would score 0."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@lru_cache(maxsize=2)
def _rouge(own: bool = False) -> RougeScorer:
    """`own`: with rouge-score's own tokenizer."""
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=None if own else _Words())


@lru_cache(maxsize=2)
def _sacrebleu(name: str) -> BLEU | CHRF:
    from sacrebleu.metrics import BLEU, CHRF

    # Without `effective_order` a row shorter than four words would score almost 0 however good.
    metric = CHRF() if name == "chrf" else BLEU(effective_order=True)
    metric.sentence_score("a", ["a"])  # the number of references, which the signature names, is known from now on
    return metric
