"""The report as files: Markdown, one HTML page, JSON, and the command line that repeats it."""

from __future__ import annotations

import html
import json
import re

import pytest
from markupsafe import escape

from core.errors import UserError
from core.evaluation.benchmarks.tasks import load
from core.evaluation.report.document import FORMATS, command, model_card_section, to_markdown, to_text, write
from core.evaluation.report.measures import measures
from core.evaluation.report.tables import method, questions
from core.evaluation.result import SCHEMA
from core.evaluation.spec import EvaluationSpec
from core.judge import verdicts
from core.judge.pairs import ORDERS, Pair, comparison_key
from core.types import SIDES, LabelEvent
from tests.core.evaluation.full_report import (
    EVIL,
    SPEC,
    full_report,
    holds,
    labels,
    read,
)
from tests.core.judge.judge_server import replied


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
