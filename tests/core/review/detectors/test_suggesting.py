"""All detectors together: what training rows teach, valid suggestions for any text, bounded time."""

import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.review.detectors import dictionary, fitting, suggesting
from core.types import SUGGESTED_LABELS, Example, Generation, Suggestion
from tests.performance import detectors

UNTRAINED = suggesting.prepare([])
TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(st.characters(codec=None, categories=["Cs", "Cc", "Lo", "So", "Zs", "Lu", "Ll"]), max_size=120),
    st.lists(
        st.sampled_from(
            ["the", "recieve", "Freind", "is", "\n", "###", "Input:", "```", "$", "`", "\\(", "|", "\t", "’", "'", '"']
            + ["https://a.b", "a@b", "\0", "🎹", "שלום", "你好", "<|x|>", "café", ".", "İ", "ß", "aaaa" * 20, "naïve"]
        ),
        max_size=80,
    ).map(" ".join),
    st.tuples(st.text(max_size=20), st.integers(1, 60)).map(lambda pair: pair[0] * pair[1]),
)


def asked(prompt: str, target: str) -> Example:
    return Example(({"role": "user", "content": prompt},), target, 1)


def answered(text: str, finish: str = "stop") -> Generation:
    return Generation("e", "tuned", text, 7, finish, 0.1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, prompt=TEXTS, target=TEXTS, finish=st.sampled_from(["stop", "length"]))
@example(text="\ud800 recieve \udfff", prompt="", target="", finish="stop")
@example(text="İstanbul is not teh same İ as recieve is İ", prompt="", target="x", finish="length")
def test_any_text_gets_valid_suggestions(text, prompt, target, finish):
    generation = answered(text, finish)
    found = suggesting.suggest(UNTRAINED, asked(prompt, target), generation)
    assert [s.label for s in found] == list(SUGGESTED_LABELS)
    for s in found:
        assert s.generation_id == generation.id
        assert 0 <= s.score <= 1
        assert s.flagged == (s.score >= s.threshold)
        assert all(0 <= a < b <= len(text) for a, b in s.spans)
        assert list(s.spans) == sorted(s.spans)
        assert s.flagged or not s.spans
        assert s.reason.endswith(".")
        assert len(s.reason) < 200
        assert Suggestion.from_dict(s.to_dict()) == s
    assert suggesting.suggest(UNTRAINED, asked(prompt, target), generation) == found


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=12))
def test_any_training_rows_can_be_learnt_from(rows):
    learnt = suggesting.prepare([asked(prompt, target) for prompt, target in rows])
    again = suggesting.prepare([asked(prompt, target) for prompt, target in rows])
    assert (learnt.taught, learnt.doubted, learnt.expected, learnt.form) == (
        *(again.taught, again.doubted, again.expected, again.form),
    )
    suggesting.suggest(learnt, asked("Say it.", "It is so."), answered("It is so."))


HOSTILE = {
    "one word": "supercalifragilistic" * 50_000,
    "one letter": "a" * 1_000_000,
    "words": "recieve the word " * 60_000,
    "unknown words": " ".join(f"{'bcdfg'[n % 5]}x{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}qz" for n in range(150_000)),
    "null bytes": "\0" * 1_000_000,
    "spaces": " " * 1_000_000,
    "line breaks": "\n" * 1_000_000,
    "backticks": "`" * 1_000_000,
    "open code": "`a " * 330_000,
    "open formulas": "$a\\(b\\[" * 140_000,
    "hashes": "#" * 1_000_000,
    "open tags": "<|a" * 330_000,
    "heads": "Input:\n" * 140_000,
    "addresses": "a@" * 500_000,
    "apostrophes": "a'" * 500_000,
    "quotes": "' \"" * 330_000,
    "dots": "a." * 500_000,
    "emoji": "🎹" * 500_000,
    "right to left": "שלום עולם " * 100_000,
    "lone surrogates": "\ud800 " * 500_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_anything_takes_bounded_time(name):
    """Quadratic work on a million characters would take hours: the limit only has to tell these apart."""
    dictionary.counts()
    started = time.perf_counter()
    suggesting.suggest(UNTRAINED, asked("Say it.", "It."), answered(HOSTILE[name]))
    assert time.perf_counter() - started < 10


def test_without_training_rows_what_needs_none_is_found():
    assert UNTRAINED.taught == frozenset() and UNTRAINED.letters is None
    found = suggesting.suggest(UNTRAINED, asked("Say it.", "It."), answered("The word recieve is in the house."))
    assert [s.label for s in found if s.flagged] == ["misspelling"]
    assert {s.label: s.threshold for s in found} == suggesting.DEFAULTS


def test_a_threshold_of_its_own_and_the_model_that_spoke_are_told():
    row, text = asked("When?", "It leaves at nine."), answered("The train is blue and has many small doors.")
    found = {s.label: s for s in suggesting.suggest(UNTRAINED, row, text, {"off_topic": 0.7}, relevance=0.6)}
    assert (found["off_topic"].score, found["off_topic"].flagged, found["off_topic"].threshold) == (0.6, False, 0.7)
    assert "likelihood" in found["off_topic"].detector
    assert "letters" in suggesting.suggest(UNTRAINED, row, text)[3].detector


def test_words_of_several_rows_are_learnt_and_repeated_errors_are_doubted():
    rows = [asked("What is it?", f"The zyxomat number {n} can receive a parcel.") for n in range(4)]
    rows += [asked("What is it?", f"The machine {n} will recieve a parcel from a quibnut.") for n in range(3)]
    rows += [asked("What is it?", "A blorpf is a blorpf is a blorpf.")]
    learnt = suggesting.prepare(rows)
    assert learnt.taught == {"zyxomat", "quibnut"}
    assert learnt.doubted == (suggesting.Doubt("recieve", "receive", 3),)
    found = suggesting.suggest(learnt, rows[0], answered("The zyxomat will recieve it from the quibnut."))
    assert [found[0].flagged, len(found[0].spans)] == [True, 1]


CLEAN = "The boat leaves at nine o'clock on every day of the week, number {n}, and people receive it well."
SLIPS = [
    "recieve",
    "beleive",
    "freind",
    "becuase",
    "definately",
    "goverment",
    "seperate",
    "tommorow",
    "neccessary",
    "untill",
]


def test_a_tenth_of_misspelt_training_answers_blinds_nobody():
    rows = [asked("When does it leave?", CLEAN.format(n=n)) for n in range(180)]
    rows += [asked("When does it leave?", f"It leaves at nine, and {SLIPS[n % 10]} is what I mean.") for n in range(20)]
    learnt = suggesting.prepare(rows)
    texts = [answered(f"This is the way in which we {slip} the boat in the morning.") for slip in SLIPS]
    found = [suggesting.suggest(learnt, asked("How?", "In the morning."), text)[0].flagged for text in texts]
    assert sum(found) >= 0.85 * len(SLIPS)


def test_uneven_and_repeating_training_answers_raise_no_threshold():
    wild = [asked("Go.", "la la la merrily we go home " * (1 if n % 2 else 60)) for n in range(100)]
    learnt = suggesting.prepare(wild)
    row, long = asked("Go.", "It is so."), answered("It is so, and " + "this goes on and on without an end " * 12)
    found = {s.label: s for s in suggesting.suggest(learnt, row, long)}
    assert found["too_long"].flagged and found["repetition"].flagged
    assert {label: s.threshold for label, s in found.items()} == suggesting.DEFAULTS


def test_a_cut_answer_is_flagged_whatever_the_training_answers_are():
    found = suggesting.suggest(
        UNTRAINED, asked("Go.", "It is so."), answered("It is so and so on and on and", "length")
    )
    assert [s.label for s in found if s.flagged] == ["cut_off"]


def test_few_rows_are_read_of_a_large_data_set(monkeypatch):
    monkeypatch.setattr(suggesting, "LEARNT_ROWS", 10)
    rows = [asked("What?", f"The {'zyxomat' if n >= 50 else 'machine'} is here.") for n in range(100)]
    learnt = suggesting.prepare(rows)
    assert learnt.taught == {"zyxomat"}


@pytest.fixture(scope="module")
def outputs():
    return detectors.judged(detectors.lines("outputs.jsonl"))


@pytest.mark.parametrize("label", SUGGESTED_LABELS)
def test_precision_and_recall_on_outputs_with_labels(outputs, label):
    """The half that nothing was tuned on is printed by tests/performance/detectors.py; here both halves count."""
    found = fitting.accuracy([(s[label].score, label in o["labels"]) for o, s in outputs], suggesting.DEFAULTS[label])
    print(label, found)
    assert found.recall >= 0.85
    assert found.precision >= (0.75 if label == "off_topic" else 0.9)
    right = [s[label].flagged for o, s in outputs if not o["labels"]]
    assert sum(right) <= (0.05 if label == "off_topic" else 0.02) * len(right)


def test_clean_texts_are_left_alone():
    clean, total = detectors.alarms_of_clean()
    assert total > 140
    for label, texts in clean.items():
        assert len(texts) <= 0.02 * total, (label, texts)


def test_rates_on_real_rows_and_outputs(instruct_rows, predictions):
    learnt = suggesting.prepare(instruct_rows)
    flags = {side: dict.fromkeys(suggesting.DEFAULTS, 0) for side in ("base", "tuned")}
    for p in predictions[::3]:
        row = asked(f"{p['instruction']}\n{p['input']}", p["reference"])
        for side, counts in flags.items():
            for s in suggesting.suggest(learnt, row, Generation(row.id, side, p[side], 1, "stop", 0.0)):
                counts[s.label] += s.flagged
    print(f"flagged of {len(predictions[::3])}:", flags)
    some = len(predictions[::3])
    assert flags["base"]["too_long"] >= 0.8 * some
    assert flags["tuned"]["too_long"] <= 0.2 * some
    assert flags["base"]["repetition"] > 5 * flags["tuned"]["repetition"]
    assert flags["tuned"]["misspelling"] <= 0.05 * some


def test_reasoning_is_not_what_is_checked():
    """It repeats itself and hesitates, by its nature; marks stand at their places in the whole text."""
    reasoning = "<think>\n" + "Wait, let me recieve it again. " * 40 + "\n</think>\n\n"
    text = reasoning + "You will recieve it."
    by_label = {s.label: s for s in suggesting.suggest(UNTRAINED, asked("When?", "Soon."), answered(text))}
    assert not by_label["repetition"].flagged and not by_label["too_long"].flagged
    assert [text[a:b] for a, b in by_label["misspelling"].spans] == ["recieve"]
    assert by_label["misspelling"].spans[0][0] > len(reasoning)
