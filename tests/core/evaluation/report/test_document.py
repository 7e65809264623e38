"""What a person reads of an evaluation: numbers with their intervals, and plain words where none can be told."""

from __future__ import annotations

import copy
import html
import json
import re

import pytest
from markupsafe import escape

from core.errors import UserError
from core.evaluation import effort
from core.evaluation.benchmarks.tasks import load
from core.evaluation.report import comparison
from core.evaluation.report.document import FORMATS, command, model_card_section, to_markdown, to_text, write
from core.evaluation.report.measures import measures, warning
from core.evaluation.report.sentences import summarise
from core.evaluation.report.tables import method, questions, table_rows, tables
from core.evaluation.result import SCHEMA
from core.evaluation.spec import EvaluationSpec
from core.judge import verdicts
from core.judge.pairs import ORDERS, Pair, comparison_key
from core.types import SIDES, LabelEvent
from tests.core.evaluation.full_report import (
    EVIL,
    SPEC,
    benchmark,
    estimate,
    full_report,
    heldout,
    holds,
    interval,
    labels,
    metric,
    read,
)
from tests.core.judge.judge_server import replied


@pytest.fixture
def report():
    """What the simplest evaluation leaves: their rows and one benchmark."""
    return {
        "heldout": {
            "base": {"loss": 2.91, "perplexity": 18.36, "low": 2.8, "high": 3.0},
            "tuned": {"loss": 1.2, "perplexity": 3.32, "low": 1.1, "high": 1.3},
            "difference": interval(2.91, 1.2, -1.9, -1.52),
            "rows": 40,
            "skipped": 1,
            "token_f1": metric(0.25, 0.5, 0.21, 0.33),
            "rouge_l": metric(0.25, 0.3, -0.02, 0.12),
            "exact_match": metric(0.0, 0.1, -0.01, 0.2),
        },
        "benchmarks": {
            "arc_easy": {
                "title": "ARC-Easy",
                "lm_eval": "0.4.13",
                "version": 1.0,
                "shots": 0,
                "n": 100,
                "metric": "acc",
                "metrics": {
                    "acc": metric(0.54, 0.53, -0.061, 0.041, 100),
                    "acc_norm": metric(0.5, 0.4, -0.2, -0.01, 100),
                },
                "mcnemar": {"lost": 3, "gained": 2, "unchanged": 95, "p": 1.0},
                "minimum_detectable_difference": 0.0733,
                "lost": [],
                "gained": [],
                "truncated": 1,
            }
        },
        "proof": {
            "adapter_off_equals_plain_model": True,
            "base_weights_sha256": "ab" * 32,
            "adapter_sha256": "cd" * 32,
        },
        "spec": SPEC,
        "problems": [{"level": "error", "what": "HellaSwag needs a file.", "fix": "Put it there.", "row": None}],
    }


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


def test_files_say_who_judged_and_how_far_to_trust_it():
    report = full_report()
    for ending in (".md", ".html"):
        told = html.unescape(to_text(read(report), ending))
        for words in (
            "judge-1 at api.example.org: each pair with its reference, in both orders",
            "Position bias: in 8 % (95 % interval 2 to 21) of the pairs the verdict stayed with the place",
            "it agrees with them in 80 % (95 % interval 58 to 92); Cohen's kappa is 0.60",
            "Cost: 12,000 tokens of prompts and 800 of replies.",
            "1 pair got no verdict that could be read",
        ):
            assert words in told, (ending, words)
    del report["judge"]
    assert "judge" not in to_markdown(read(report)).casefold()


def test_the_report_made_by_hand_has_the_judge_that_there_is():
    """Its keys are those of judge.json and of the agreement that is added to it."""
    made = full_report()["judge"]
    pairs = [Pair(f"e{n}", "Which?", "The one.", "The two.", "The one.") for n in range(2)]
    replies = {comparison_key(p, o): replied("A") for p in pairs for o in ORDERS}
    label = LabelEvent("job", "e0", "local", "tie", {}, "", "", {}, SIDES, True)
    found = verdicts.with_agreement(verdicts.summarise(pairs, replies, "m", "host", None), {"e0": label}).to_dict()
    assert set(made) == set(found)
    for name, part in found.items():
        if isinstance(part, dict):
            assert set(made[name]) == set(part), name
    assert set(made["verdicts"][0]) == set(found["verdicts"][0])


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


def test_what_the_reference_programs_say_stands_beside_ours():
    report = full_report()
    differ = {"base": 0.1, "tuned": 0.4567, "differ": 12}
    report["heldout"] |= {"published": {"rouge_l": differ, "token_f1": differ}, "answered": 40}
    said = dict(method(read(report)))
    assert "rouge-score's own, of a-z and 0-9 only, would give base 0.100, tuned 0.457" in said["ROUGE-L"]
    assert said["ROUGE-L"].endswith("they differ from ours in 12 of 80 answers")
    assert ["ROUGE-L, as rouge-score has it", "0.10", "0.46", "", "", "40"] in tables(read(report))[0][2]
    assert "SQuAD's own rules" in said["Token F1"]


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


def test_markdown(report):
    text = to_markdown(read(report))
    assert "| Loss, nats per token (lower is better) | 2.91 | 1.20 | −1.71 | −1.90 to −1.52 | 40 |" in text
    assert "| ARC-Easy acc\\_norm | 50.0 % | 40.0 % | −10.0 | −20.0 to −1.0 | 100 |" in text
    assert "greedy, at most 96 new tokens, seed 0" in text
    assert "ab" * 32 in text
    assert text.endswith("\n")


def test_markdown_shows_text_as_text():
    text = to_markdown(read(full_report()))
    assert "<img" not in text.replace("\\<", "")
    rows = [line for line in text.split("\n") if line.startswith("| ") and "onerror" in line]
    assert rows
    for row in rows:  # a bar within a cell would be another cell
        assert len(re.findall(r"(?<!\\)\|", row)) == 7


def test_html_is_one_safe_file():
    report = full_report()
    report["heldout"]["labels"] = labels()
    text = to_text(read(report), ".html")
    assert "<img" not in text
    assert "<script" not in text
    assert "http" not in text  # nothing is fetched
    assert text.count(str(escape(EVIL))) > 20
    assert "23</summary>" in text and "Right before, wrong now" in text
    for told in ("ab" * 32, "cd" * 32, "ef" * 32, "torch 2.13", "task arc_easy version 1.0", "MMLU by subject"):
        assert told in text, told
    assert "python -m core evaluate --run 2 --benchmark arc_easy" in text


def test_the_picture_has_zero_in_its_middle_and_marks_what_is_settled():
    text = to_text(read(full_report()), ".html")
    marks = re.findall(r'<circle class="(\w+)" cx="([\d.]+)"', text)
    words = {m.name: m.verdict for m in measures(read(full_report())) if m.main}
    assert len(marks) == len(words)
    assert words["ARC-Easy"] == "worse" and words["HellaSwag"] == "unclear" and words["Loss"] == "better"
    for word, x in marks:
        assert word != "better" or float(x) > 470
        assert word != "worse" or float(x) < 470


@pytest.mark.parametrize("task", ["hellaswag", "mmlu", "mmlu_5_shots", "arc_easy"])
def test_files_name_the_benchmark_folder_without_what_it_lies_in(tmp_path, task):
    """With the problems that loading really gives: a missing file, no subject, a subject without its examples."""
    folder = tmp_path / "of Ada, private" / "questions"
    (folder / "mmlu" / "anatomy").mkdir(parents=True)
    if task == "mmlu_5_shots":
        row = {"question": "Which?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 1}
        (folder / "mmlu" / "anatomy" / "test.jsonl").write_text(json.dumps(row))
    with pytest.raises(UserError) as raised:
        load(task, folder)
    assert "of Ada, private" in str(raised.value)
    report = full_report()
    report["problems"] = [{"level": "error", "what": f"At strength 0.5: {raised.value}", "fix": "", "row": None}]
    report["spec"]["benchmark_folder"] = "questions"  # as `loop.document` leaves it
    for ending in FORMATS:
        told = html.unescape(to_text(read(report), ending))
        assert "of Ada" not in told and str(tmp_path) not in told
        assert "in the benchmark folder questions" in told
        assert "leave the folder empty to load from the Hub" in told


def test_files_are_written_once_and_by_their_ending(tmp_path):
    for ending in FORMATS:
        write(read(full_report()), tmp_path / f"report{ending}")
        with pytest.raises(UserError, match="nothing was overwritten"):
            write(read(full_report()), tmp_path / f"report{ending}")
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert holds(written, full_report() | {"schema": SCHEMA})
    assert read(written) == read(full_report())
    with pytest.raises(UserError, match=r"not as “report.pdf”"):
        write(read(full_report()), tmp_path / "report.pdf")
    with pytest.raises(UserError, match="no folder"):
        write(read(full_report()), tmp_path / "nowhere" / "report.md")


def test_real_and_synthetic_training_rows_are_told_apart():
    about = full_report()["about"]
    rows = {"rows": {"train": 100, "test": 40}}
    of = lambda more: read(full_report() | {"about": about | {"dataset": about["dataset"] | rows | more}})  # noqa: E731
    assert "Synthetic rows" not in dict(method(of({})))
    told = dict(method(of({"synthetic": {"train": 30}})))["Synthetic rows"]
    assert told == "of 100 training rows 70 are real and 30 were written by a model; no row that measures is synthetic"
    odd = dict(method(of({"synthetic": {"train": 30, "test": 2}})))["Synthetic rows"]
    assert "So were 2 test rows" in odd


def test_the_command_line_that_repeats_it():
    """Read back by the command line's own parser."""
    from core.cli.main import PROGRAM, parsers

    spec = {
        **SPEC,
        "max_rows": 5,
        "decoding": {"max_new_tokens": 12},
        "benchmarks": ["arc_easy", "a b"],
        "size": "standard",
        "shots": {"mmlu": 5},
        "benchmark_folder": "somewhere",
        "early_stop": True,
        "seed": 3,
    }
    import shlex

    words = shlex.split(command(EvaluationSpec.from_dict(spec), 2))
    args = parsers()[PROGRAM].parse_args(words[3:])
    assert (args.run, args.rows, args.max_new_tokens, args.benchmark) == (2, 5, 12, ["arc_easy", "a b"])
    assert (args.size, args.shots, args.early_stop, args.seed) == ("standard", ["mmlu=5"], True, 3)
    assert "somewhere" not in words


def test_the_command_says_which_questions_it_cannot_name():
    report = full_report()
    found = report["benchmarks"]
    for key, name in (("arc_easy", "allenai/ai2_arc"), ("hellaswag", "hellaswag"), ("mmlu", "allenai/ai2_arc")):
        found[key]["source"] = {"hub": name, "revision": None if key == "hellaswag" else "0a1b2c" * 6}
    where = f"allenai/ai2_arc at commit {'0a1b2c' * 6} and hellaswag at commit unknown."
    told = f"The command asks the newest questions on the Hub; these were {where} Put your folder"
    assert told in to_text(read(report), ".html")
    for text in (to_text(read(report), ".md"), model_card_section(read(report))):
        assert told in text.replace("\\", "")
    assert f"from allenai/ai2_arc on the Hub, commit {'0a1b2c' * 6}" in dict(method(read(report)))["ARC-Easy"]
    assert questions(read({**report, "benchmarks": {}})) == ""


def test_the_model_card_says_the_main_numbers():
    text = model_card_section(read(full_report()))
    assert text.startswith("## Evaluation\n")
    assert "Better on your data can be worse elsewhere." in text
    assert "| ARC-Easy acc | 54.0 % | 48.0 % | −6.0 | −9.2 to −3.0 | 1,000 |" in text
    assert "acc\\_bytes" not in text
    assert "lm-eval 0.4.13, task arc\\_easy version 1.0, 0-shot, acc, 1,000 questions" in text


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
