"""Each check on rows that have its fault, and on siblings that have not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.checking import answers, language, letters, personal, remnants
from core.data.row_texts import mapped, said
from core.review.detectors import languages, repetition, spelling
from core.types import Example

LONG = "There was a king who lived in a castle. He had two sons. "
CASES = [
    (letters.damaged, ["The cafÃ© is open.", "It costs 5 â‚¬ today.", "lost \ufffd here", "a\x00b"]),
    (letters.spaced, [" Yes.", "Yes.\n", "zero\u200bwidth"]),
    (remnants.templated, ["### Response:\nYes.", "Yes.<|im_end|>", "[INST] hi", "Dear {{ name }}, hello", "Human: hi"]),
    (remnants.marked_up, ["a &amp; b", "one<br>two", "<p class='x'>hello</p>", "it&#39;s"]),
    (answers.empty, ["...", "nan", "N/A", "-"]),
    (
        answers.unfinished,
        [
            f"{LONG}The older one of the",
            f"{LONG}Then, after a long",
            "Here is code you can use:\n```python\nx = 1\nprint(x)",
        ],
    ),
    (answers.refused, ["As an AI language model, I have no views.", "I'm sorry, but I can't help with that."]),
    (answers.repeating, ["I like it a lot. " * 12]),
    (answers.misspelt, ["This is definately the best way to do it."]),
]
CLEAN = [
    "The naïve café owner said “hello” – and left.",
    "Yes.",
    "Use `&amp;` for an ampersand, and x < y for less.",
    "None of them is right, as far as we know today.",
    "```python\nprint('<br>')\n```",
    "- milk\n- eggs\n- a loaf of bread that is not too large for the three of us",
    "Roses are red and violets are blue, sugar is sweet",
    "I am sorry to hear that your parcel has not arrived.",
    "😀",
    "Der Zug fährt nicht, weil ein Sturm über das Land zieht.",
]


def of(answer: str, prompt: str = "Tell me about it.") -> Example:
    return Example(({"role": "user", "content": prompt},), answer, 1)


@pytest.mark.parametrize(("look", "answer"), [(look, answer) for look, faulty in CASES for answer in faulty])
def test_a_fault_is_found_where_it_is(look, answer):
    found = next(iter(look(of(answer))))
    text = dict(said(of(answer)))[found.where]
    assert found.where == "answer" and 0 <= found.start <= found.end <= len(text) and found.evidence


@pytest.mark.parametrize("answer", CLEAN)
def test_good_answers_pass(answer):
    every = [look for look, _ in CASES] + [personal.found_in, language.foreign]
    shown = {f.evidence for look in every for f in look(of(answer))}
    assert not shown - {"German", "English"}  # the language of a row is a candidate, not a finding


def test_quoted_errors_and_wanted_markup_are_no_faults():
    assert not list(answers.misspelt(of("“freind” should be “friend”.", "Correct the spelling: freind")))
    assert not list(answers.misspelt(of("Say definately.", "Is definately a word?")))
    assert not list(remnants.marked_up(of("<b>bold</b>", "How do I write bold in HTML?")))
    assert not list(remnants.templated(of("Write {{ name }} there.", "How does a Jinja template name a value?")))
    assert not list(remnants.templated(of("<|START_THINKING|>hm<|END_THINKING|>Yes.")))
    assert not list(answers.refused(of("As an AI, you say?", "Finish: As an AI, you say")))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Mail anna.smith@acme-widgets.co.uk now", "EMAIL"),
        ("Call +49 30 901820 now", "PHONE"),
        ("Phone: (212) 555-2368", "PHONE"),
        ("Pay with 4111 1111 1111 1111 today", "CARD"),
        ("Pay with 378282246310005 today", "CARD"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN"),
        ("GB82WEST12345698765432", "IBAN"),
        ("key AKIAIOSFODNN7EXAMPLX here", "KEY"),
        ("ghp_" + "a1B2" * 9, "KEY"),
        ("sk-proj-" + "Ab3_" * 12, "KEY"),
        ("hf_" + "aB3d" * 9, "KEY"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P", "KEY"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----", "KEY"),
        ("postgres://joe:s3cretpass@db.host/x", "KEY"),
        ("aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYzzzzzzzzKEY1", "KEY"),
    ],
)
def test_personal_data_is_found_and_masked_and_no_key_is_told_whole(text, kind):
    start, end, found = personal.spans(text)[0]
    assert found == kind
    secret = text[start:end]
    assert f"[{kind}]" in personal.masked(text) and secret not in personal.masked(text)
    assert not personal.spans(personal.masked(text))
    [told, *_] = [f.evidence for f in personal.found_in(of(text))]
    assert secret not in told
    if kind == "KEY":
        shown = personal.without_secrets(text)
        assert not any(secret[i : i + 9] in shown + told for i in range(4, len(secret) - 9))


@pytest.mark.parametrize(
    "text",
    [
        "Write to info@example.com or you@example.",
        "The number 1234567890123456 is large.",
        "In 2019 12 345 678 people came, 100-200 of them twice.",
        "ISBN 978-3-16-148410-0, order 4711-0815",
        "DE89 3704 0044 0532 0130 01",
        "3.14159265358979323846 and 10.0.0.1",
        "sk-learn and skip-gram are words.",
    ],
)
def test_numbers_that_are_nobodys_pass(text):
    assert not personal.spans(text)


def test_what_is_in_a_tool_call_is_seen_and_mended_and_its_id_stays():
    call = {"id": "call_1", "type": "function", "function": {"name": "mail", "arguments": {"to": "a.b@acme.org"}}}
    row = Example(({"role": "user", "content": "x"},), "", 1, answer={"tool_calls": [call], "reasoning_content": "hm"})
    [found] = personal.found_in(row)
    assert found.where == "answer tool_calls"
    mended = mapped(row, lambda where, text: personal.masked(text))
    [made] = mended.answer["tool_calls"]
    assert made == {**call, "function": {"name": "mail", "arguments": {"to": "[EMAIL]"}}}
    assert mapped(row, lambda where, text: text) == row


def test_mending_takes_the_fault_away_and_nothing_else():
    assert letters.mended("The cafÃ© “is” ﬁne") == "The café “is” ﬁne"
    assert remnants.as_text("<p>a &amp; b</p><p>c</p>") == "a & b\nc"
    assert remnants.as_text("x &lt; y, see `&amp;`") == "x < y, see `&amp;`"
    assert remnants.without_remnants("### Response:\nYes.<|im_end|>") == "Yes."
    for look, faulty in CASES[:4]:
        mend = {letters.damaged: letters.mended, letters.spaced: letters.trimmed}.get(look)
        mend = mend or (remnants.as_text if look is remnants.marked_up else remnants.without_remnants)
        for text in faulty:
            left = [f.evidence for f in look(of(mend(text)))]
            assert not left or "\ufffd" in text, text
            assert mend(mend(text)) == mend(text)


def test_languages():
    german = "Der Zug nach Hamburg fährt heute wegen eines schweren Sturms leider nicht mehr ab."
    english = "Why does the train to Hamburg not leave the station this evening?"
    assert [f.evidence for f in language.foreign(of(german, english))] == ["German after English"]
    assert [f.evidence for f in language.foreign(of(german, german))] == ["German"]
    assert not list(language.foreign(of(german, "Translate this into German for me, please: " + english)))
    assert languages.language_of("x = 1 + 2; y = x ** 2; print(x, y)") == "" == languages.language_of("Yes.")


PIECES = ["definately", "the cat", "is here", "Paris", "x1", "naïve", "`code`", "a b c d", "\n", ". ", "teh",
          "I like it a lot", "http://a.b", "12", "| x | y |", "accomodation", "der Hund", "word word word"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40))
@settings(max_examples=50, deadline=None)
def test_a_glance_passes_over_nothing(pieces):
    text = " ".join(pieces)
    suspicious, foreign = spelling.glance(text, answers.SURE)
    assert suspicious or not spelling.check(text, (), "", "", answers.SURE).spans
    assert foreign or not spelling.is_foreign(text)
    assert repetition.may_repeat(text) or repetition.check(text, "").score < repetition.THRESHOLD


def test_plain_english_is_told_without_a_classifier_and_nothing_else_is():
    english = "Why does the train to Hamburg not leave the station this evening, and when will it?"
    others = [
        "De trein naar Hamburg rijdt vandaag niet meer omdat er een storm over het land trekt, en dat was te zien.",
        "Trenen til Aarhus er forsinket, for det er saa at der var storm, og vi kan her se at alt er ude af drift.",
        "Der Zug nach Hamburg war so voll, dass er erst am Abend die Stadt erreichte, als alle schon im Hotel waren.",
    ]
    assert languages._is_plain_english(english.lower())
    assert not any(languages._is_plain_english(other.lower()) for other in others)
    assert languages.language_of(english) == "en"
