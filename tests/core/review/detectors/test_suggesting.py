"""The three detectors together: calibration on training answers, valid suggestions for any text, bounded time."""

import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.review.detectors import dictionary, suggesting
from core.types import ERROR_LABELS, Example, Generation, Suggestion

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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, prompt=TEXTS, target=TEXTS, finish=st.sampled_from(["stop", "length"]))
@example(text="\ud800 recieve \udfff", prompt="", target="", finish="stop")
@example(text="İstanbul is not teh same İ as recieve is İ", prompt="", target="x", finish="length")
def test_any_text_gets_three_valid_suggestions(text, prompt, target, finish):
    generation = answered(text, finish)
    found = suggesting.suggest(UNTRAINED, asked(prompt, target), generation)
    assert [s.label for s in found] == ["misspelling", "repetition", "too_long"]
    for s in found:
        assert s.generation_id == generation.id
        assert s.label in ERROR_LABELS
        assert 0 <= s.score <= 1
        assert s.flagged == (s.score >= s.threshold)
        assert all(0 <= a < b <= len(text) for a, b in s.spans)
        assert list(s.spans) == sorted(s.spans)
        assert s.flagged or not s.spans
        assert s.reason.endswith(".")
        assert len(s.reason) < 200
        assert Suggestion.from_dict(s.to_dict()) == s
    assert suggesting.suggest(UNTRAINED, asked(prompt, target), generation) == found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=12))
def test_any_training_rows_can_be_learnt_from(rows):
    learnt = suggesting.prepare([asked(prompt, target) for prompt, target in rows])
    assert learnt == suggesting.prepare([asked(prompt, target) for prompt, target in rows])
    for calibration in learnt.calibrations.values():
        assert calibration.answers == len(rows)
        assert calibration.flagged <= 1


@settings(max_examples=200)
@given(st.lists(st.integers(0, 999).map(lambda n: n / 1000), max_size=300))
def test_a_threshold_lets_at_most_two_percent_through(scores):
    found = suggesting.calibrate(scores, 0.5)
    assert found.threshold >= 0.5
    assert found.flagged == sum(s >= found.threshold for s in scores)
    assert found.flagged <= max(1, 0.02 * len(scores))
    lower = round(found.threshold - 0.001, 3)
    assert found.threshold == 0.5 or sum(s >= lower for s in scores) > max(1, int(0.02 * len(scores)))


@pytest.mark.parametrize(("rows", "flagged"), [(1, 1), (40, 1), (100, 2), (149, 2), (150, 3), (400, 8)])
def test_two_percent_of_the_rows_are_allowed_and_used(rows, flagged):
    found = suggesting.calibrate([0.5 + n / 1000 for n in range(rows)], 0.5)
    assert (found.flagged, found.answers) == (flagged, rows)


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


def test_defaults_without_training_rows():
    assert {label: c.threshold for label, c in UNTRAINED.calibrations.items()} == suggesting.DEFAULTS
    assert all(c.rate is None for c in UNTRAINED.calibrations.values())
    assert UNTRAINED.taught == frozenset()


def test_words_of_several_rows_are_learnt_and_repeated_errors_are_doubted():
    rows = [asked("What is it?", f"The zyxomat number {n} can receive a parcel.") for n in range(4)]
    rows += [asked("What is it?", f"The machine {n} will recieve a parcel from a quibnut.") for n in range(3)]
    rows += [asked("What is it?", "A blorpf is a blorpf is a blorpf.")]
    learnt = suggesting.prepare(rows)
    assert learnt.taught == {"zyxomat", "quibnut"}
    assert learnt.doubted == (suggesting.Doubt("recieve", "receive", 3),)
    found = suggesting.suggest(learnt, rows[0], answered("The zyxomat will recieve it from the quibnut."))
    assert [found[0].flagged, len(found[0].spans)] == [True, 1]


def test_a_row_does_not_vouch_for_its_own_words():
    """Three rows teach a word, but each of them is calibrated as if only the other two had it."""
    rows = [asked("What is it?", f"This is a wondrful day, number {n} of them.") for n in range(3)]
    learnt = suggesting.prepare(rows)
    assert learnt.taught == {"wondrful"}
    assert learnt.calibrations["misspelling"].threshold > suggesting.DEFAULTS["misspelling"]


def test_answers_that_repeat_raise_the_threshold_for_repetition():
    songs = [asked("A song.", f"Song {n}. " + "la la la merrily we go home " * 6) for n in range(60)]
    learnt = suggesting.prepare(songs)
    calibration = learnt.calibrations["repetition"]
    assert calibration.threshold > suggesting.DEFAULTS["repetition"]
    assert calibration.rate <= 0.02
    one = asked("A song.", "")
    assert not suggesting.suggest(learnt, one, answered(songs[0].target))[1].flagged
    assert suggesting.suggest(UNTRAINED, one, answered(songs[0].target))[1].flagged


def test_a_cut_answer_is_flagged_whatever_the_training_answers_are():
    wild = [asked("Go.", "word " * (1 if n % 2 else 400)) for n in range(100)]
    learnt = suggesting.prepare(wild)
    found = suggesting.suggest(learnt, asked("Go.", "It is so."), answered("It is so and so on and on and", "length"))
    assert (found[2].label, found[2].flagged) == ("too_long", True)


def test_few_rows_are_read_of_a_large_data_set(monkeypatch):
    monkeypatch.setattr(suggesting, "VOCABULARY_ROWS", 10)
    monkeypatch.setattr(suggesting, "CALIBRATION_ROWS", 5)
    rows = [asked("What?", f"The {'zyxomat' if n >= 50 else 'machine'} is here.") for n in range(100)]
    learnt = suggesting.prepare(rows)
    assert learnt.calibrations["repetition"].answers == 5
    assert learnt.taught == {"zyxomat"}


def test_rates_on_real_rows_and_outputs(instruct_rows, predictions):
    learnt = suggesting.prepare(instruct_rows)
    rates = {label: c.rate for label, c in learnt.calibrations.items()}
    print("false alarms on training answers:", rates)
    assert all(rate <= 0.02 for rate in rates.values())
    assert learnt.calibrations["misspelling"].threshold == suggesting.DEFAULTS["misspelling"]
    flags = {side: dict.fromkeys(suggesting.DEFAULTS, 0) for side in ("base", "tuned")}
    for p in predictions:
        row = asked(f"{p['instruction']}\n{p['input']}", p["reference"])
        for side, counts in flags.items():
            for s in suggesting.suggest(learnt, row, Generation(row.id, side, p[side], 1, "stop", 0.0)):
                counts[s.label] += s.flagged
    print(f"flagged of {len(predictions)}:", flags)
    assert flags["base"]["too_long"] >= 0.9 * len(predictions)
    assert flags["tuned"]["too_long"] <= 0.15 * len(predictions)
    assert flags["base"]["repetition"] > 5 * flags["tuned"]["repetition"]
    assert flags["tuned"]["misspelling"] <= 0.03 * len(predictions)


def test_reasoning_is_not_what_is_checked():
    """It repeats itself and hesitates, by its nature; marks stand at their places in the whole text."""
    reasoning = "<think>\n" + "Wait, let me recieve it again. " * 40 + "\n</think>\n\n"
    text = reasoning + "You will recieve it."
    by_label = {s.label: s for s in suggesting.suggest(UNTRAINED, asked("When?", "Soon."), answered(text))}
    assert not by_label["repetition"].flagged and not by_label["too_long"].flagged
    assert [text[a:b] for a, b in by_label["misspelling"].spans] == ["recieve"]
    assert by_label["misspelling"].spans[0][0] > len(reasoning)
