"""What an evaluation found, in sentences: which measure comes first, and what a number does not say."""

from __future__ import annotations

import copy
import html
import re

import pytest

from core.evaluation.report.document import FORMATS, model_card_section, to_markdown, to_text
from core.evaluation.report.measures import measures, warning
from core.evaluation.report.sentences import summarise
from core.evaluation.report.tables import method, table_rows, tables
from tests.core.evaluation.full_report import (
    benchmark,
    estimate,
    full_report,
    heldout,
    interval,
    labels,
    metric,
    read,
)


def test_sentences(report):
    assert summarise(read(report)) == [
        "Better on your 40 test rows by 0.21 to 0.33 in token F1; ARC-Easy: no difference shown, and one larger than "
        "6.1 points can be excluded.",
        "The words shared with your answers (token F1) rose from 0.25 to 0.50 on 40 rows (difference +0.25, 95 % "
        "interval +0.21 to +0.33).",
        "On your 40 test rows the loss fell from 2.91 to 1.20 (difference −1.71, 95 % interval −1.90 to −1.52).",
        "Further metrics of the same answers: no difference can be told in ROUGE-L and Exact match.",
        "1 row could not be measured: no answer within the maximum length.",
        "ARC-Easy (lm-eval 0.4.13, task version 1.0, 0-shot, acc) went from 54.0 % to 53.0 % on 100 questions "
        "(difference −1.0, 95 % interval −6.1 to +4.1): no difference can be told with 100 questions.",
        "ARC-Easy: 3 questions lost, 2 gained, 95 unchanged (McNemar's exact p = 1).",
        "ARC-Easy: so many questions usually show a difference of 7.3 points or more.",
        "ARC-Easy: 1 choice cut at the beginning to fit the model.",
        "HellaSwag needs a file. Put it there.",
    ]


def test_gain_and_loss_in_one_sentence():
    """What was lost comes before what was gained; what only the correction takes back is not called a difference."""
    assert summarise(read(full_report()))[0] == (
        "Better on your 40 test rows by 0.31 to 0.49 in token F1; ARC-Easy: worse by 3.0 to 9.2 points; "
        "TruthfulQA MC2: better by 2.0 to 6.0 points; "
        "HellaSwag: no difference shown, and one larger than 3.9 points can be excluded; "
        "MMLU: no difference shown, and one larger than 1.9 points can be excluded."
    )


def test_answers_that_cannot_be_told_apart_do_not_hide_behind_the_loss(report):
    report["heldout"]["token_f1"] = metric(0.25, 0.26, -0.05, 0.07)
    assert summarise(read(report))[0].startswith(
        "On your 40 test rows no difference can be told in token F1 (between −0.05 and +0.07), "
        "while the loss is better by 1.52 to 1.90 nats per token; ARC-Easy: "
    )


def test_everything_else_in_words():
    text = "\n".join(summarise(read(full_report())))
    assert "McNemar's exact p = 0.03; corrected for the number of benchmarks by Holm's method: p = 0.003)" in text
    assert "By itself the interval of HellaSwag excludes 0." in text
    assert "MMLU: its interval and its test take the questions of a subject as alike (3 subjects)" in text
    assert "MMLU: so many questions at best show a difference of 2.8 points or more." in text
    assert "acc, 1,000 questions (drawn at random of 2,376), seed 0, from the folder benchmarks; p by a t-test" in str(
        method(read(full_report()))
    )
    changed = "MMLU: 4 questions lost, 1 gained, 995 unchanged (p = 0.62 by a t-test over subjects; corrected"
    assert changed in text
    assert "TruthfulQA MC2: p = 0.01, corrected for the number of benchmarks by Holm's method." in text
    assert "Of 3 checkpoints, step 60, the one that was kept, has the lowest loss on your test rows (0.37)." in text
    assert "The judge judge-1 prefers tuned in 25 of 40 pairs, base in 9; 6 are ties." in text
    at = "At 50 % of the adapter's strength no loss is shown on the benchmarks, and 50 % of the gain in loss"
    assert at in text


def test_the_interval_that_may_stop_early_is_named():
    report = full_report()
    assert "Waudby-Smith" not in str(method(read(report)))
    report["benchmarks"]["arc_easy"] |= {"stopped_early": True, "looks": 3, "looks_by": None}
    said = dict(method(read(report)))
    assert "asymptotic confidence sequence (Waudby-Smith et al., 2024), 3 looks" in said["ARC-Easy"]
    assert "Waudby-Smith" not in said["HellaSwag"]


def test_an_interval_of_before_that_may_stop_early_is_not_called_clustered():
    report = full_report()
    report["benchmarks"]["mmlu"] |= {"stopped_early": False, "looks": 9}
    text = "\n".join(summarise(read(report)))
    assert "as alike" not in text and "(p = 0.62 by a t-test over subjects;" in text
    report["benchmarks"]["mmlu"]["looks_by"] = "subject"
    assert "its interval and its test take the questions of a subject as alike" in "\n".join(summarise(read(report)))


def test_a_report_of_before_names_the_test_that_it_had():
    """Then the p of a benchmark by subjects was McNemar's, too."""
    report = full_report()
    mmlu = report["benchmarks"]["mmlu"]
    mmlu["mcnemar"]["p"] = mmlu.pop("p")
    del mmlu["test"]
    text = "\n".join(summarise(read(report)))
    assert "MMLU: 4 questions lost, 1 gained, 995 unchanged (McNemar's exact p = 0.62; corrected" in text
    assert "MMLU: its interval takes the questions of a subject as alike (3 subjects)" in text


def test_a_very_small_p_is_a_phrase():
    report = full_report()
    report["benchmarks"]["arc_easy"]["mcnemar"]["p"] = report["benchmarks"]["arc_easy"]["p_holm"] = 0.0004
    report["benchmarks"]["truthfulqa_mc2"]["p_holm"] = 0.0002
    report["heldout"]["labels"] = labels()
    text = "\n".join(summarise(read(report)))
    assert "(McNemar's exact p below 0.001; corrected for the number of benchmarks" in text
    assert "by Holm's method: p below 0.001)" in text
    assert "TruthfulQA MC2: p below 0.001, corrected" in text
    assert "20 as before (McNemar's exact p below 0.001)." in text
    assert "= below" not in text


def test_label_tasks_are_told_by_their_accuracy():
    report = full_report()
    report["heldout"]["labels"] = labels()
    lines = summarise(read(report))
    assert lines[0].startswith("Better on your 40 test rows by 0.20 to 0.60 in accuracy; ")
    assert "Labels: 18 rows right only after training, 2 only before, 20 as before" in "\n".join(lines)
    assert "Token F1" not in {m.name for m in measures(read(report)) if m.main}
    assert ["bug", "11", "1", "1", "0"] in next(t for t in tables(read(report)) if t[0] == "Labels given by tuned")[2]


def test_the_warning_where_it_applies(report):
    level, text = warning(measures(read(full_report())))
    assert level == "warning"
    assert text.startswith("Better on your data can be worse elsewhere. Lost: ARC-Easy by 3.0 to 9.2 points.")

    level, text = warning(measures(read(report)))
    assert level == "note"
    assert "100 questions of ARC-Easy could hide one of up to 6.1 points" in text

    better = benchmark("ARC-Easy", "acc", (0.4, 0.5, 0.05, 0.15, 1000), 0.001, 0, 9)
    assert warning(measures(read({**report, "benchmarks": {"arc_easy": better}}))) == ("", "")
    assert "Nothing was measured elsewhere" in warning(measures(read({**report, "benchmarks": {}})))[1]
    assert warning([]) == ("", "")


@pytest.mark.parametrize("missing", ["heldout", "benchmarks", "proof", "problems", "environment", "seconds"])
def test_a_report_that_was_stopped_early_is_readable(missing, report):
    for found in (report, full_report()):
        found = copy.deepcopy(found)
        found[missing] = type(full_report()[missing])()
        assert summarise(read(found))
        for ending in FORMATS:
            assert to_text(read(found), ending)


def test_an_empty_report_has_no_findings():
    empty = read({})
    assert summarise(empty) == []
    assert to_markdown(empty).startswith("# Base against tuned")
    assert "Nothing was measured." in to_text(empty, ".html")
    assert model_card_section(empty) == ""


def test_one_row():
    report = {"heldout": heldout(1, interval(2.0, 1.0, None, None, 1))}
    assert summarise(read(report)) == [
        "Too little was measured to compare the two: one row alone gives no interval.",
        "On your 1 test row the loss went from 2.00 to 1.00 (difference −1.00; no interval: one row alone gives no "
        "interval).",
    ]
    assert "<svg" not in to_text(read(report), ".html")


def test_no_minus_before_zero():
    report = {"heldout": heldout(9, interval(1.0, 0.999, -0.004, 0.001, 9))}
    (line,) = summarise(read(report))[1:]
    assert "difference −0.001, 95 % interval −0.004 to +0.001): no difference" in line  # not of no width
    report = {"heldout": heldout(9, interval(1.0, 0.999, -0.004, 0.3, 9))}
    assert "difference 0.00, 95 % interval 0.00 to +0.30): no difference" in summarise(read(report))[1]


@pytest.mark.parametrize(("low", "high"), [(0.004, 0.33), (0.0000004, 0.02), (-0.3, -0.0049), (0.0012, 0.0049)])
def test_no_rounding_makes_an_interval_contain_zero(low, high):
    """In sentences, tables, the first line, several in one table, and Markdown: what is told agrees with the
    numbers."""
    bleu = metric(0.1, 0.1 + (low + high) / 2, low, high)
    report = read({"heldout": heldout(40, interval(2.0, 1.0, -1.2, -0.8)) | {"bleu": bleu}})
    (found,) = [m for m in measures(report) if m.key == "bleu"]
    assert found.verdict == ("better" if low > 0 else "worse")
    for text in (found.interval, table_rows(report)[0][4]):
        ends = [float(end.replace("−", "-")) for end in text.split(" to ")]
        assert ends[0] < ends[1] and ends[0] * ends[1] > 0, text
    span = re.search(r"by ([\d.]+) to ([\d.]+) in BLEU", summarise(report)[0])
    assert float(span[1]) > 0
    points = benchmark("ARC-Easy", "acc", (0.5, 0.5 + (low + high) / 2, low, high, 1000), 0.001, 0, 9)
    arc = next(m for m in measures(read({"benchmarks": {"arc_easy": points}})) if m.main)
    assert all(float(end.replace("−", "-")) for end in arc.interval.split(" to "))


def test_a_p_is_not_rounded_over_the_line():
    report = full_report()
    report["benchmarks"]["truthfulqa_mc2"]["p_holm"] = 0.04996
    assert "TruthfulQA MC2: p = 0.04996, corrected" in "\n".join(summarise(read(report)))
    report["benchmarks"]["truthfulqa_mc2"]["p_holm"] = 0.0312
    assert "TruthfulQA MC2: p = 0.031, corrected" in "\n".join(summarise(read(report)))


def none(why: str, changed: int = 12, n: int = 40, sides: tuple[float, float] = (0.5, 0.6)) -> dict:
    return interval(*sides, None, None, n) | {"why": why, "changed": changed}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (none("few changed", 2, 44), "no interval: too few rows changed: 2 of 44"),
        (none("few rows", 4, 4), "no interval: too few rows: 4"),
        (none("uneven"), "no interval: a few long rows hold most of the tokens"),
        (none("one", 1, 1), "no interval: one row alone gives no interval"),
    ],
)
def test_what_is_not_drawn_says_why(found, told):
    report = {"heldout": heldout(found["n"], found) | {"fell": {**estimate(0.9, 0.77, 0.97, found["n"])}}}
    text = "\n".join(summarise(read(report)))
    assert told in text
    assert ("The loss fell in" in text) == (found["why"] in ("uneven", "few rows"))
    for ending in FORMATS[:2]:
        assert told.removeprefix("no interval: ") in html.unescape(to_text(read(report), ending))


def test_sides_that_answered_alike_are_the_sentence():
    alike = {"token_f1": {**metric(0.5, 0.5, None, None), "difference": none("alike", 0, 40, (0.5, 0.5))}}
    report = {"heldout": heldout(40, interval(2.0, 1.0, -1.2, -0.8)) | alike}
    lines = summarise(read(report))
    alike = "Base and tuned are alike in token F1 on each of your 40 test rows, while the loss is better"
    assert lines[0].startswith(alike)
    assert "is 0.50 on both sides, which are alike in each of 40 rows." in lines[1]


def test_what_is_random_has_its_name():
    said = dict(method(read(full_report())))["Intervals"]
    assert said == (
        "95 %, of the paired difference; what is random: your test rows, the questions of ARC-Easy, the questions of "
        "HellaSwag, the subjects of MMLU and the questions of TruthfulQA MC2"
    )
    assert "no difference can be told with 1,000 questions of 3 subjects." in "\n".join(summarise(read(full_report())))


def test_only_what_these_rows_choose_looks_too_good():
    report = full_report()
    for point in report["checkpoints"]:
        point["final"] = point["step"] == 40
    text = "\n".join(summarise(read(report)))
    assert "step 60 has the lowest loss on your test rows (0.37). Choosing it by these rows would make" in text
    strengths = next(line for line in text.split("\n") if line.startswith("At 50 %"))
    assert "would make its numbers look a little too good" in strengths


def test_more_questions_are_named_only_where_there_are_more(report):
    asked = lambda available: warning(measures(read(report | {"benchmarks": {  # noqa: E731
        "arc_easy": report["benchmarks"]["arc_easy"] | {"available": available}}})))[1]  # fmt: skip
    assert asked(2376).endswith("More questions narrow this.")
    assert "More questions" not in asked(100)
    assert "More questions" not in warning(measures(read(report)))[1]  # a report of before does not say how many


def test_the_headline_is_first_and_details_are_folded():
    page, lines = to_text(read(full_report()), ".html"), to_markdown(read(full_report())).split("\n")
    first = "Token F1, 0.07 → 0.48, better; 95 % interval +0.31 to +0.49, 40 rows"
    assert f'<p class="headline"><b>+0.40</b> {first}' in page
    assert "<details><summary>Further metrics of the same answers</summary>" in page
    assert next(line for line in lines if line.startswith("**")).startswith("**+0.40** Token F1")
    assert not any("chrF" in cells[0] for cells in table_rows(read(full_report())))
    report = full_report()
    report["heldout"]["chrf"]["difference"]["level"] = 0.9875
    assert "+0.20 to +0.40 (at 98.75 %)" in to_text(read(report), ".html")
