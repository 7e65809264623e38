"""English words, what a misspelt one was probably meant to be, and whether a text is English at all.

The word list is that of pyspellchecker (about 160,000 words of film subtitles with their counts), read once, when it
is first needed. Suggestions follow Kernighan, Church and Gale (1990) and Norvig (2007): the most frequent word near by.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import lru_cache
from itertools import pairwise

LONGEST = 30
"""Longer words are not looked up: the longest word in use has 29 letters, and edits grow with the length."""

COMMON = 20_000
"""How many of the most frequent words a suggestion with two differences may come from."""

# In use everywhere since, or so technical, that subtitles do not have them.
MODERN_WORDS = """
api app apps async autocomplete autoregressive backend barista biofuel bitcoin blockchain bool camo carb carbs carpe
chatbot chatbots checkbox chunking codebase compostable config countertop countertops covid cpu crowdfund
crowdfunding crowdsourcing cryptocurrency css csv dataframe dataset datasets decluttering def dev dihydrogen diy
docstring dropdown dvd ebook ebooks ecommerce elif emoji emojis enum esports etc eyewear facie finetune fintech
frontend gamify gif gpu hashtag hashtags html http https hyperparameter hyperparameters ide impactful inbox
influencer influencers infographic infographics int intro ios iterable jpg json keyframe kg km lifecycle livestream
logout macos malware metadata microplastic microservice microservices middleware ml mm modulo multi namespace nums
onboarding param params pdf pinata playlist png podcasts posteriori pre precompute preprocess prima priori regex
repo repos roadmap runtime scammer scammers screenshot screenshots scrollable selfie selfies signup smartphone
smartphones smartwatch sql sqrt str submodule substring subtask sudo tagline telehealth timestamp tokenize tokenizer
toolkits tooltip tuple ui upcycle upskill uptime url urls usb vlog walkthrough webcam webinar whitespace wifi
workflow workflows xml yaml
"""
MODERN = frozenset(MODERN_WORDS.split())
# The list is American; these turn British spellings into American ones.
BRITISH_SPELLINGS = """
ise>ize isa>iza isi>izi yse>yze ysi>yzi ogue>og metre>meter litre>liter centre>center theatre>theater fibre>fiber
calibre>caliber colour>color favour>favor honour>honor haviour>havior bour>bor flavour>flavor humour>humor
rumour>rumor savour>savor vapour>vapor armour>armor tumour>tumor deavour>deavor odour>odor vigour>vigor
defence>defense offence>offense licence>license pretence>pretense elled>eled elling>eling eller>eler ellor>elor
programme>program skilful>skillful wilful>willful fulfil>fulfill instalment>installment enrol>enroll grey>gray
practise>practice cheque>check tyre>tire parlour>parlor sceptic>skeptic oeso>eso
"""
BRITISH = tuple(tuple(pair.split(">")) for pair in BRITISH_SPELLINGS.split())
ENDINGS = ("'s", "'ve", "'d", "'ll", "'re", "'m", "n't", "s'", "s")
SIBILANTS = ("s", "x", "z", "ch", "sh")
# Function words that the languages most often mixed with English hardly share.
ENGLISH_FUNCTION_WORDS = """
the of and to that is with for this are were not you your they their have has it its from by which who how would
will be been about there these those could should what when where our my than then them him her she if does did
because into only also
"""
FUNCTION_WORDS = frozenset(ENGLISH_FUNCTION_WORDS.split())


@lru_cache(maxsize=1)
def counts() -> dict[str, int]:
    from spellchecker import SpellChecker

    return SpellChecker(language="en").word_frequency.dictionary


@lru_cache(maxsize=100_000)
def is_known(word: str) -> bool:
    """Whether a lower-case word is English: listed, inflected from a listed word, or British spelling."""
    listed = counts()
    if word in listed or word in MODERN:
        return True
    if any(word.endswith(end) and _takes_ending(word[: -len(end)]) for end in ENDINGS):
        return True
    if word.endswith("es") and word[:-2].endswith(SIBILANTS) and word[:-2] in listed:
        return True
    return any(old in word and word.replace(old, new) in listed for old, new in BRITISH)


def _takes_ending(stem: str) -> bool:
    """Whether `stem` is a listed word whose plural needs nothing but an s (not citys, churchs, businesss)."""
    if len(stem) < 3 or stem in FUNCTION_WORDS or stem not in counts():
        return False
    return not stem.endswith(SIBILANTS) and (stem[-1] != "y" or stem[-2] in "aeou")


def is_english(words: list[str], share: float = 0.75) -> bool:
    """Whether most (`share`) of the lower-case words are known, or enough of them are English function words.

    The first holds for well-spelt English, the second for badly spelt English; other languages share about a third of
    their words with the list and hardly any function word. (Short words as a sign of language: Grefenstette 1995.)
    """
    known = sum(map(is_known, words))
    function = sum(word in FUNCTION_WORDS for word in words)
    return known >= share * len(words) or (function >= 0.2 * len(words) and known >= 0.4 * len(words))


@lru_cache(maxsize=20_000)
def suggestion(word: str) -> tuple[str, float]:
    """The likeliest known word with one or two differences, and how well it explains `word` (0 to 0.95).

    A short word has a neighbour by chance, so that it needs a more frequent one; two swapped letters are no chance.
    The first letter is rarely wrong (Yannakoudakis & Fawthrop 1983).
    """
    if not 3 <= len(word) <= LONGEST:
        return "", 0.1
    evidence, near = max(_candidates(word), default=(-math.inf, ""))
    return near, round(min(0.95, max(0.1, 0.5 + 0.15 * evidence)), 3)


SURE, APART = 0.7, 1.5
"""A correction is sure that explains a word so well, and 30 times better than the next. Of 1,500 slips of the keyboard
in words of real answers 787 were corrected, 99.6 % of them to the word that was meant."""


def correction(word: str) -> str:
    """What a lower-case word was surely meant to be; empty where it is not sure."""
    near, score = suggestion(word)
    if not near or score < SURE:
        return ""
    best, *others = sorted(_candidates(word), reverse=True)
    return near if not others or best[0] - others[0][0] >= APART else ""


def _candidates(word: str) -> list[tuple[float, str]]:
    """(evidence, known word) of those with one or two differences."""
    near = [(_evidence(word, near, 1), near) for near in _one_edit(word)]
    return near + [(_evidence(word, near, 2), near) for near in _similar(word) if _differences(word, near) == 2]


def _evidence(word: str, near: str, differences: int) -> float:
    """How much more frequent `near` is (log10 of occurrences per billion words) than a chance neighbour would be."""
    listed = counts()
    zipf = math.log10(listed[near] / _total() * 1e9)
    needed = {3: 6.0, 4: 5.6, 5: 4.1, 6: 2.8, 7: 2.2}.get(len(word), 1.6)
    swapped = differences == 1 and len(word) == len(near) and sorted(word) == sorted(near)
    return zipf - needed + swapped - 0.7 * (differences - 1) - 0.7 * (near[0] != word[0] and not swapped)


@lru_cache(maxsize=1)
def _total() -> int:
    return sum(counts().values())


def _one_edit(word: str) -> set[str]:
    """Known words one insertion, deletion, replacement or swap away (Damerau 1964)."""
    letters = "abcdefghijklmnopqrstuvwxyz'"
    halves = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    near = {a + b[1:] for a, b in halves if b} | {a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1}
    near |= {a + c + b[1:] for a, b in halves if b for c in letters} | {a + c + b for a, b in halves for c in letters}
    listed = counts()
    return {w for w in near if w in listed}


def _skeleton(word: str) -> str:
    """First letter and the consonants after it, none doubled: what most misspellings keep (Pollock & Zamora 1984)."""
    kept = [c for c in word[1:] if c not in "aeiouy'"]
    return word[:1] + "".join(b for a, b in pairwise([word[:1], *kept]) if a != b)


@lru_cache(maxsize=1)
def _skeletons() -> dict[str, list[str]]:
    index: dict[str, list[str]] = defaultdict(list)
    for word in sorted(counts(), key=lambda w: (-counts()[w], w))[:COMMON]:
        index[_skeleton(word)].append(word)
    return dict(index)


def _similar(word: str) -> list[str]:
    """Common words with the same skeleton and about the same length. Short words have too many."""
    if len(word) < 6:
        return []
    return [w for w in _skeletons().get(_skeleton(word), []) if abs(len(w) - len(word)) <= 2]


def _differences(a: str, b: str) -> int:
    """Levenshtein distance; both words are short."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y)))
    return row[-1]
