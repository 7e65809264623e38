"""Tables of the report: several evaluations side by side, and what stands beside the metrics."""

from __future__ import annotations

import pytest

from core.evaluation import effort
from core.evaluation.report import comparison
from core.evaluation.report.sentences import summarise
from core.evaluation.report.tables import method, table_rows, tables
from tests.core.evaluation.full_report import (
    full_report,
    read,
)


def test_what_the_reference_programs_say_stands_beside_ours():
    report = full_report()
    differ = {"base": 0.1, "tuned": 0.4567, "differ": 12}
    report["heldout"] |= {"published": {"rouge_l": differ, "token_f1": differ}, "answered": 40}
    said = dict(method(read(report)))
    assert "rouge-score's own, of a-z and 0-9 only, would give base 0.100, tuned 0.457" in said["ROUGE-L"]
    assert said["ROUGE-L"].endswith("they differ from ours in 12 of 80 answers")
    assert ["ROUGE-L, as rouge-score has it", "0.10", "0.46", "", "", "40"] in tables(read(report))[0][2]
    assert "SQuAD's own rules" in said["Token F1"]


def test_several_evaluations_in_one_table(report):
    head, rows, remarks = comparison.compare([("One", read(full_report())), ("Two", read(report))])
    assert head[:4] == ["Evaluation", "Base model", "Token F1", "Loss"]
    assert rows[0][head.index("ARC-Easy")] == "54.0 % → 48.0 %\n−6.0 (−9.2 to −3.0)"
    assert rows[1][head.index("MMLU")] == "–"
    assert any(r.startswith("ARC-Easy: measured on different questions") for r in remarks)
    assert comparison.compare([("One", read(report)), ("Two", read(report))])[2] == []


def test_what_a_size_can_show_and_how_long_it_takes():
    (arc, other) = effort.plan(["arc_easy", "piqa"], effort.SIZES["standard"], [read(full_report())])
    assert (arc.questions, round(100 * arc.smallest, 1), arc.seconds) == (1000, 2.8, pytest.approx(42.0))
    assert (other.questions, other.seconds) == (1000, None)
    answered_before = full_report()
    answered_before["benchmarks"]["arc_easy"]["seconds"]["base"] = 0.3
    assert effort.plan(["arc_easy"], 1000, [read(answered_before)])[0].seconds == pytest.approx(42.0)
    (mc, full, unknown) = effort.plan(["truthfulqa_mc1", "hellaswag", "piqa"], effort.SIZES["full"])
    assert (mc.questions, full.questions, unknown.questions, unknown.smallest) == (817, 10042, None, None)
    assert effort.seconds_for_rows([read(full_report())], 80, 96) == pytest.approx(4 + 2 * 52)


def test_answers_that_were_cut_stand_beside_the_text_metrics():
    report = full_report()
    report["heldout"] |= {"cut": {"base": 18, "tuned": 21}, "answered": 40}
    sentence = "18 of 40 answers of the base and 21 of the tuned model were cut at 96 tokens"
    assert any(line.startswith(sentence) for line in summarise(read(report)))
    rows = [row for row in table_rows(read(report)) if row[0].startswith("Answers cut")]
    assert rows == [["Answers cut at the longest length", "18 (45%)", "21 (52%)", "", "", "40"]]
    report["heldout"]["cut"] = {"base": 0, "tuned": 0}
    assert not any("were cut" in line for line in summarise(read(report)))
    assert not any("were cut" in line for line in summarise(read(full_report())))  # one of before says nothing of it
