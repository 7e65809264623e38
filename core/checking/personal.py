"""Personal data and secrets: e-mail addresses, phone, card and account numbers, keys.

What is found is told in part only: no key is ever written whole, to no file and on no page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from core.checking.finding import Check, Finding
from core.data.row_texts import every
from core.types import Example

EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![\w@])")
# Domains that are set aside for examples (RFC 2606, RFC 6761), and addresses of nobody.
NOBODY = re.compile(r"@(?:.*\.)?(?:example(?:\.\w+)?|test|invalid|localhost)$", re.I)
# As they are printed: in fours, as 4-6-5, or without a gap; the first digit says who issued it (ISO/IEC 7812).
CARD = re.compile(
    r"(?<![\w.-])(?<![A-Z]{2}\d\d )(?:4\d|5\d|6\d|3[0-9]|2[2-7])"
    r"(?:\d{11,17}|\d\d([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d\d([ -])\d{6}\2\d{4,5})(?![\w-]|[ -]\d|\.\d)"
)
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
INTERNATIONAL = re.compile(r"(?<![\w+])\+\d[\d ()./-]{6,20}\d")
NATIONAL = re.compile(r"(?<![\w.+/-])(?:\(\d{2,5}\)[ /-]?|0\d{1,4}[ /-]|\d{3}[-. ])\d[\d -.]{4,12}\d(?![\w-])")
# Words by which a number without a country is a phone number.
PHONE_WORD = re.compile(
    r"\b(?:phone|tel|telephone|call|mobile|cell|fax|whatsapp|sms|text me|reach (?:me|us)|telefon|handy|mobil|anrufen|"
    r"téléphone|portable|teléfono|móvil|telefono)\b[^\n]{0,40}$",
    re.I,
)
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "AU")
DIGITS = re.compile(r"\d")
LONG_TOKEN = re.compile(r"[A-Za-z0-9_\-/+=.:]{16,}|PRIVATE KEY|://")
LONG = 16
"""Characters of LONG_TOKEN's first case: texts without a run as long are told apart sooner."""
TO_THE_END = re.compile(r"[A-Za-z0-9_\-./+=]*")
PRIVATE_KEY = re.compile(
    r"(?:-{2,5} ?)?BEGIN[A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?.*?(?:END[A-Z ]{0,30}PRIVATE KEY[A-Z -]*|\Z)", re.S
)
# Newer keys, which detect-secrets 1.5 does not know.
NEWER = (
    r"sk-(?:proj|ant|svcacct|admin|or)-[A-Za-z0-9_-]{20,}|(?<!\w)sk-[A-Za-z0-9]{32,}|(?<!\w)hf_[A-Za-z0-9]{30,}"
    r"|AIza[0-9A-Za-z_-]{35}|github_pat_[A-Za-z0-9_]{50,}|(?<!\w)gsk_[A-Za-z0-9]{40,}|(?:sk|rk|pk)_(?:live|test)_[0-9a-zA-Z]{20,}"
    r"|xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+|npm_[A-Za-z0-9]{36}|dop_v1_[a-f0-9]{64}|shpat_[a-fA-F0-9]{32}"
    r"|(?i:aws.{0,20}?(?:key|secret|token).{0,5}?[=:\s\"'])[0-9a-zA-Z/+]{40}(?![0-9a-zA-Z/+])"
)
LEFT_OUT = ("ip_public", "artifactory", "private_key")
"""Of detect-secrets: public addresses are no secrets, short words are none, and a private key is taken whole."""


@lru_cache(maxsize=1)
def _keys() -> re.Pattern[str]:
    """detect-secrets' patterns of keys as one, and the newer ones."""
    import importlib
    import pkgutil

    import detect_secrets.plugins

    patterns = [NEWER]
    for module in pkgutil.iter_modules(detect_secrets.plugins.__path__):
        if module.name in LEFT_OUT:
            continue
        loaded = importlib.import_module(f"detect_secrets.plugins.{module.name}")
        for plugin in vars(loaded).values():
            patterns_of = getattr(plugin, "denylist", ())
            for pattern in patterns_of if isinstance(patterns_of, list | tuple) else ():
                flags = "i" if pattern.flags & re.IGNORECASE else ""
                begins = "" if module.name == "basic_auth" else "(?<![A-Za-z0-9])"  # "://" stands behind letters
                patterns.append(f"(?{flags}:{begins}(?:{pattern.pattern}))")
    return re.compile("|".join(patterns))


def spans(text: str) -> list[tuple[int, int, str]]:
    """(start, end, kind) of all that is personal or secret, in order, none over another."""
    found = []
    if _may_hold_keys(text):
        found += [(*m.span(), "KEY") for m in PRIVATE_KEY.finditer(text)]
        # A pattern may end in the middle of what it finds.
        for m in _keys().finditer(text):
            rest = TO_THE_END.match(text, m.end())
            found.append((m.start(), max(m.end(), rest.end() if rest else 0), "KEY"))
    if "@" in text:
        found += [(*m.span(), "EMAIL") for m in EMAIL.finditer(text) if not NOBODY.search(m.group())]
    if DIGITS.search(text) and len(DIGITS.findall(text)) >= 7:
        found += [(*m.span(), "IBAN") for m in IBAN.finditer(text) if is_iban(m.group())]
        found += [(*m.span(), "CARD") for m in CARD.finditer(text) if is_card(m.group())]
        found += [(*span, "PHONE") for span in _phones(text)]
    kept: list[tuple[int, int, str]] = []
    for start, end, kind in sorted(found, key=lambda f: (f[0], -f[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end, kind))
        elif kind == "KEY" or kept[-1][2] == "KEY":  # what is in part a key is hidden whole
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]), "KEY")
    return kept


def _may_hold_keys(text: str) -> bool:
    long = max(map(len, text.split()), default=0) >= LONG or "://" in text or "PRIVATE KEY" in text
    return long and LONG_TOKEN.search(text) is not None


def is_card(text: str) -> bool:
    """13 to 19 digits with the check digit of Luhn (ISO/IEC 7812), not all alike."""
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2:
        return False
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Account numbers with the check digits of ISO 13616: the remainder by 97 is 1."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _phones(text: str) -> Iterator[tuple[int, int]]:
    import phonenumbers

    for m in INTERNATIONAL.finditer(text):
        try:
            number = phonenumbers.parse(m.group(), None)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            yield m.span()
    for m in NATIONAL.finditer(text):
        if not PHONE_WORD.search(text, max(0, m.start() - 60), m.start()):
            continue
        for region in REGIONS:
            try:
                number = phonenumbers.parse(m.group(), region)
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_possible_number(number) and phonenumbers.is_valid_number(number):
                yield m.span()
                break


def found_in(example: Example) -> Iterator[Finding]:
    """In all that the row says, and in the columns kept beside it."""
    for where, text in every(example):
        for start, end, kind in spans(text):
            yield Finding(where, start, end, f"{kind}: {_hint(text[start:end], kind)}")


def _hint(found: str, kind: str) -> str:
    """So much of it that a person knows which is meant, and nobody can use it."""
    if kind == "KEY":
        return f"{found[:4]}… ({len(found)} characters)"
    return f"{found[:2]}…{found[-2:]}"


def masked(text: str) -> str:
    """With [EMAIL], [PHONE], [CARD], [IBAN] and [KEY] in the place of what is personal."""
    return _with(text, lambda found, kind: f"[{kind}]")


def without_secrets(text: str) -> str:
    """For showing a text: of a key only its beginning."""
    return _with(text, lambda found, kind: _hint(found, kind) if kind == "KEY" else found)


def _with(text: str, put: Callable[[str, str], str]) -> str:
    parts, last = [], 0
    for start, end, kind in spans(text):
        parts += [text[last:start], put(text[start:end], kind)]
        last = end
    return "".join([*parts, text[last:]])


CHECKS = (
    Check(
        *("personal", 3, "Personal data and keys"),
        "A model can repeat word by word what it was trained on, to anybody who asks.",
        look=found_in,
        fix="Mask them",
        mend=masked,
        level="error",
    ),
)
