"""Which words a language has, what a misspelt one was probably meant to be, and whether a text is English at all.

The word lists are those of pyspellchecker (words of film subtitles with their counts), each read once, when it is first
needed (all six take 190 MB: no page loads them). Of the others simplemma knows the inflected forms that the lists
lack (estamos, niños), and compounds, elisions and clitics are taken apart: see `inflected.py`. Suggestions follow
Kernighan, Church and Gale (1990) and Norvig (2007): the most frequent word near by.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import lru_cache
from itertools import pairwise

from core.review.detectors import inflected

LANGUAGES = ("en", "de", "fr", "es", "it", "pt")
LONGEST = 30
"""Longer words are not looked up: the longest English word in use has 29 letters, and edits grow with the length."""

COMMON = 20_000
"""How many of the most frequent words a suggestion with two differences may come from."""
LETTERS = {"en": "", "de": "äöüß", "fr": "àâçéèêëîïôùûœ", "es": "áéíñóúü", "it": "àèéìòù", "pt": "áâãàçéêíóôõú"}
"""Letters besides a to z."""
NEAR_COMMON = 2e-6
"""Share of all words from which on one is so common that what differs in one letter is no other word."""
RARE = 300.0
"""Occurrences per billion words that a form counts as which the list does not hold."""

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
# The list is American; these turn British spellings into American ones.
BRITISH_SPELLINGS = """
ise>ize isa>iza isi>izi yse>yze ysi>yzi ogue>og metre>meter litre>liter centre>center theatre>theater fibre>fiber
calibre>caliber colour>color favour>favor honour>honor haviour>havior bour>bor flavour>flavor humour>humor
rumour>rumor savour>savor vapour>vapor armour>armor tumour>tumor deavour>deavor odour>odor vigour>vigor
defence>defense offence>offense licence>license pretence>pretense elled>eled elling>eling eller>eler ellor>elor
programme>program skilful>skillful wilful>willful fulfil>fulfill instalment>installment enrol>enroll grey>gray
practise>practice cheque>check tyre>tire parlour>parlor sceptic>skeptic oeso>eso mould>mold moult>molt
smoulder>smolder draught>draft plough>plow kerb>curb pyjama>pajama sulph>sulf manoeuvre>maneuver manoeuv>maneuv
aeroplane>airplane aluminium>aluminum paed>ped oestr>estr anaes>anes haem>hem aemi>emi aesi>esi oedem>edem foet>fet
faec>fec aecolog>ecolog diaeval>dieval archaeo>archeo rrhoea>rrhea homoeo>homeo encyclopaed>encycloped woollen>woolen
ellous>elous jewell>jewel mitre>miter spectre>specter lustre>luster sombre>somber sabre>saber meagre>meager
ochre>ocher sepulchre>sepulcher behove>behoove furore>furor gramme>gram gaol>jail splendour>splendor candour>candor
clamour>clamor fervour>fervor glamour>glamor rancour>rancor rigour>rigor succour>succor demeanour>demeanor
ardour>ardor valour>valor neighbour>neighbor cosy>cozy cosi>cozi storey>story judgement>judgment
acknowledgement>acknowledgment ageing>aging likeable>likable sizeable>sizable yoghurt>yogurt whisky>whiskey
omelette>omelet doughnut>donut catalyse>catalyze moustache>mustache
"""
BRITISH_WORDS = """
jewellery maths aluminium kerbside draughtsman draughty whilst amongst learnt spelt burnt dreamt leapt smelt spilt
spoilt tonne tonnes nought chilli chillies aubergine courgette lorry pushchair anticlockwise arse bespoke biro boffin
crisps fortnight fortnightly hob loo nappies nappy sellotape skint spanner tarmac telly trolley wellies hoover artefact
artefacts disc discs dyke dykes mollusc plimsolls speciality specialities aeroplane aeroplanes cipher tsar queueing
furore racquet racquets rouble routeing swingeing gaoler storeys titbit titbits towards tumbledown waggon
"""
BRITISH = tuple(tuple(pair.split(">")) for pair in BRITISH_SPELLINGS.split())
MODERN = frozenset((MODERN_WORDS + BRITISH_WORDS).split())
ENDINGS = ("'s", "'ve", "'d", "'ll", "'re", "'m", "n't", "s'", "s")
PREFIXES = (
    "un",
    "re",
    "non",
    "anti",
    "over",
    "under",
    "micro",
    "multi",
    "eco",
    "bio",
    "pre",
    "hyper",
    "cyber",
    "super",
    "semi",
)
LEAST_STEM = 5
SIBILANTS = ("s", "x", "z", "ch", "sh")
# Function words that the languages most often mixed with English hardly share.
ENGLISH_FUNCTION_WORDS = """
the of and to that is with for this are were not you your they their have has it its from by which who how would
will be been about there these those could should what when where our my than then them him her she if does did
because into only also
"""
FUNCTION_WORDS = frozenset(ENGLISH_FUNCTION_WORDS.split())


def counts(language: str = "en") -> dict[str, int]:
    """Word in small letters → how often it was met."""
    return _english() if language == "en" else _other(language)


@lru_cache(maxsize=1)
def _english() -> dict[str, int]:
    return _listed("en")


@lru_cache(maxsize=len(LANGUAGES))
def _other(language: str) -> dict[str, int]:
    return _listed(language)


def _listed(language: str) -> dict[str, int]:
    from spellchecker import SpellChecker

    return SpellChecker(language=language).word_frequency.dictionary


@lru_cache(maxsize=100_000)
def is_known(word: str, language: str = "en") -> bool:
    """Whether a lower-case word is one of the language: listed, inflected from a listed word, or British spelling."""
    listed = counts(language)
    if word in listed:
        return True
    if language != "en":
        compound = language == "de" and inflected.is_compound(word, listed) and not _is_near_common(word, language)
        return compound or inflected.is_form(word, language, listed)
    if word in MODERN:
        return True
    if any(word.endswith(end) and _takes_ending(word[: -len(end)]) for end in ENDINGS):
        return True
    if word.endswith("es") and word[:-2].endswith(SIBILANTS) and word[:-2] in listed:
        return True
    return _is_derived(word) or any(old in word and _is_british(word, old, new) for old, new in BRITISH)


def _is_derived(word: str) -> bool:
    """flameless, catlike, nonstick: of a listed word that stays as it is; not “untill”, nor “happyness”."""
    listed = counts()
    stems = [word.removesuffix(end) for end in ("less", "like", "wise") if word.endswith(end)]
    stems += [word.removeprefix(start) for start in PREFIXES if word.startswith(start)]
    return any(len(stem) >= LEAST_STEM and stem in listed for stem in stems)


def _is_near_common(word: str, language: str) -> bool:
    """Of “vieleicht”, which could be put together of parts, too."""
    listed, least = counts(language), NEAR_COMMON * _total(language)
    return any(listed.get(near, 0) > least for near in _one_edit(word, language))


def _is_british(word: str, old: str, new: str) -> bool:
    word, listed = word.replace(old, new), counts()
    return word in listed or any(word.endswith(end) and _takes_ending(word[: -len(end)]) for end in ENDINGS)


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
def suggestion(word: str, language: str = "en") -> tuple[str, float]:
    """The likeliest known word with one or two differences, and how well it explains `word` (0 to 0.95).

    A short word has a neighbour by chance, so that it needs a more frequent one; two swapped letters are no chance.
    The first letter is rarely wrong (Yannakoudakis & Fawthrop 1983).
    """
    if not 3 <= len(word) <= LONGEST:
        return "", 0.1
    evidence, near = max(_candidates(word, language), default=(-math.inf, ""))
    return near, round(min(0.95, max(0.1, 0.5 + 0.15 * evidence)), 3)


SURE, APART = 0.7, 1.5
"""A correction is sure that explains a word so well, and 30 times better than the next. Of 1,500 slips of the keyboard
in words of real answers 787 were corrected, 99.6 % of them to the word that was meant."""


def correction(word: str, language: str = "en") -> str:
    """What a lower-case word was surely meant to be; empty where it is not sure."""
    near, score = suggestion(word, language)
    if not near or score < SURE:
        return ""
    best, *others = sorted(_candidates(word, language), reverse=True)
    return near if not others or best[0] - others[0][0] >= APART else ""


def _candidates(word: str, language: str) -> list[tuple[float, str]]:
    """(evidence, known word) of those with one or two differences."""
    near = [(_evidence(word, near, 1, language), near) for near in _one_edit(word, language)]
    return near + [
        (_evidence(word, near, 2, language), near) for near in _similar(word, language) if _differences(word, near) == 2
    ]


def _evidence(word: str, near: str, differences: int, language: str) -> float:
    """How much more frequent `near` is (log10 of occurrences per billion words) than a chance neighbour would be."""
    zipf = math.log10(max(counts(language).get(near, 0) / _total(language) * 1e9, RARE))
    needed = {3: 6.0, 4: 5.6, 5: 4.1, 6: 2.8, 7: 2.2}.get(len(word), 1.6)
    swapped = differences == 1 and len(word) == len(near) and sorted(word) == sorted(near)
    return zipf - needed + swapped - 0.7 * (differences - 1) - 0.7 * (near[0] != word[0] and not swapped)


@lru_cache(maxsize=6)
def _total(language: str) -> int:
    return sum(counts(language).values())


def _one_edit(word: str, language: str) -> set[str]:
    """Known words one insertion, deletion, replacement or swap away (Damerau 1964)."""
    letters = "abcdefghijklmnopqrstuvwxyz'" + LETTERS[language]
    halves = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    near = {a + b[1:] for a, b in halves if b} | {a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1}
    near |= {a + c + b[1:] for a, b in halves if b for c in letters} | {a + c + b for a, b in halves for c in letters}
    listed = counts(language)
    found = {w for w in near if w in listed}
    # The lists of other languages lack forms, and a form is as good a guess as a rare word.
    return found or (set() if language == "en" else {w for w in near if inflected.is_listed_form(w, language)})


def _skeleton(word: str) -> str:
    """First letter and the consonants after it, none doubled: what most misspellings keep (Pollock & Zamora 1984)."""
    kept = [c for c in word[1:] if c not in "aeiouy'"]
    return word[:1] + "".join(b for a, b in pairwise([word[:1], *kept]) if a != b)


@lru_cache(maxsize=len(LANGUAGES))
def _skeletons(language: str) -> dict[str, list[str]]:
    index: dict[str, list[str]] = defaultdict(list)
    listed = counts(language)
    for word in sorted(listed, key=lambda w: (-listed[w], w))[:COMMON]:
        index[_skeleton(word)].append(word)
    return dict(index)


def _similar(word: str, language: str) -> list[str]:
    """Common words with the same skeleton and about the same length. Short words have too many."""
    if len(word) < 6:
        return []
    return [w for w in _skeletons(language).get(_skeleton(word), []) if abs(len(w) - len(word)) <= 2]


def _differences(a: str, b: str) -> int:
    """Levenshtein distance; both words are short."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y)))
    return row[-1]
