"""Questions of benchmarks that stand in the training rows are told before a score is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.evaluation.benchmarks import overlap
from core.evaluation.benchmarks.asking import How
from core.evaluation.report.document import to_lines, to_text
from core.evaluation.report.sentences import summarise
from core.types import Example
from tests.core.evaluation.as_json import ask
from tests.core.evaluation.full_report import full_report, read

LONG = "A student mixes baking soda with vinegar in an open cup and sees that bubbles form at once. What happened?"
MIDDLE = "Which gas do plants take in from the air?"
SHORT = "What is osmosis?"
QUESTIONS = [LONG, MIDDLE, SHORT]


def row(number: int, asked: str, answer: str = "Yes.") -> Example:
    return Example(({"role": "user", "content": asked},), answer, number)


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        (row(3, LONG), [0]),
        (row(3, f"Question: {LONG.upper()}\nA. Rust\nB. A gas was made"), [0]),
        (row(3, "Tell me.", f"I read: {LONG[:60]}  {LONG[60:]}"), [0]),
        (row(3, "A student mixes baking soda with vinegar in an open cup. Why?"), []),
        (row(3, f"Answer briefly. {MIDDLE} Choose one."), [1]),
        (row(3, "Which gas do plants take in from the soil?"), []),
        (row(3, "what is osmosis"), [2]),
        (row(3, "Biology\nQuestion: What is Osmosis?\nA. Diffusion of water"), [2]),
        (row(3, "What is osmosis in plants?"), []),
        (Example((), f"{MIDDLE} {LONG}", 3), [0, 1]),
    ],
)
def test_a_question_counts_where_its_words_stand_in_a_row(example, expected):
    rows, places = overlap.find(QUESTIONS, [row(1, "Something else."), example])
    assert (rows, list(places), {number for number, _ in places.values()}) == (2, expected, {3} if expected else set())


def test_words_do_not_reach_over_the_end_of_a_text():
    half = MIDDLE.split()
    assert (
        overlap.find([MIDDLE], [Example(({"role": "user", "content": " ".join(half[:5])},), " ".join(half[5:]), 1)])[1]
        == {}
    )


def test_an_evaluation_looks_for_its_questions_and_leaves_them_out(tiny_sides, tiny_tokenizer, own_benchmarks):
    from core.evaluation.benchmarks.tasks import load

    docs = [doc["question"] for doc in load("arc_easy", own_benchmarks).tasks["arc_easy"].eval_docs]
    training = [row(n, text) for n, text in enumerate(docs[:3], 1)]
    arguments = (tiny_sides, tiny_tokenizer, ["arc_easy"], own_benchmarks, How())
    bare = ask(*arguments)["tasks"]["arc_easy"]
    result = ask(*arguments, training=lambda: training)["tasks"]["arc_easy"]
    assert "overlap" not in bare and result["metrics"] == bare["metrics"]
    told = result["overlap"]
    alike = [i for i, text in enumerate(docs) if text in docs[:3]]
    assert (told["rows"], told["n"]) == (3, len(alike))
    assert {e["question"] for e in told["examples"]} == set(docs[:3])
    if len(docs) - len(alike) >= overlap.ENOUGH:
        assert told["without"]["n"] == len(docs) - len(alike)
    assert ask(*arguments, training=lambda: [row(1, "Something else.")])["tasks"]["arc_easy"]["overlap"]["n"] == 0


def test_a_report_tells_it_everywhere():
    report = read(full_report())
    name, result = next(iter(report.benchmarks.items()))
    example = overlap.OverlapExample(0, "Which <b>gas</b>?", 7, "Which <b>gas</b>?")
    without = replace(result.reported.difference, n=result.n - 3)
    with_overlap = replace(result, overlap=overlap.Overlap(500, 3, without, (example,)))
    report = replace(report, benchmarks={**report.benchmarks, name: with_overlap})
    sentence = next(line for line in summarise(report) if "in the training rows" in line)
    assert "3 questions of" in sentence and "row 7" in sentence and "Without them it went from" in sentence
    assert sentence in to_lines(report)
    page = to_text(report, ".html")
    assert "Training row 7" in page and "Which &lt;b&gt;gas" in page and "<b>gas" not in page
    assert "Benchmark questions among the training rows" in to_text(report, ".md")
    alone = replace(with_overlap, overlap=replace(with_overlap.overlap, without=None))
    told = summarise(replace(report, benchmarks={name: alone}))
    assert any("Too few are left" in line for line in told)
    assert read(report.to_dict()) == report


def test_reports_of_before_did_not_look():
    raw = {**full_report(), "schema": 2}
    assert all(result.overlap is None for result in read(raw).benchmarks.values())
