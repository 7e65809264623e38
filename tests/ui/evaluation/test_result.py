"""The Evaluation tab's picture, its pages of questions, and what its form comes down to."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest
from markupsafe import escape

from core.errors import UserError
from core.evaluation.references import References
from core.evaluation.report.measures import measures
from core.evaluation.result import evaluations_with_report
from tests.core.evaluation.full_report import EVIL, benchmark, full_report, heldout, interval, labels, read
from ui import charts, html
from ui.evaluation import compare, form, one_by_one, result, tab
from ui.page import Page


def drawn(figure):
    """name of the measure → (trace, axis number)"""
    return {t.hovertemplate.split(":")[0]: t for t in figure.data}


def test_gains_are_right_of_one_zero_line():
    figure = charts.gains(measures(read(full_report())))
    traces = drawn(figure)
    assert len(figure.data) == len([m for m in measures(read(full_report())) if m.main])
    assert traces["ARC-Easy"].x[0] == pytest.approx(-6.0)
    assert traces["ARC-Easy"].marker.symbol == "triangle-left"
    assert traces["ARC-Easy"].error_x.array[0] == pytest.approx(3.0)  # up to −3.0
    assert traces["ARC-Easy"].error_x.arrayminus[0] == pytest.approx(3.2)
    assert traces["Loss"].x[0] == pytest.approx(4.12)  # a lower loss is a gain
    assert traces["Loss"].name == "better"
    assert traces["HellaSwag"].name == "cannot be told"  # only the correction takes it back
    assert traces["HellaSwag"].marker.symbol == "circle-open"
    for axis in (figure.layout.xaxis, figure.layout.xaxis2, figure.layout.xaxis3):
        assert axis.range[0] == -axis.range[1]
    # In the legend each word stands once.
    assert sorted(t.name for t in figure.data if t.showlegend) == ["better", "cannot be told", "worse"]


def test_names_in_pictures_are_text():
    report = full_report()
    report["benchmarks"][EVIL] = benchmark(EVIL, "acc", (0.5, 0.4, -0.2, -0.01, 100), 0.01, 1, 1)
    report["heldout"]["labels"] = labels()
    titles = {name: task["title"] for name, task in report["benchmarks"].items()}
    report["strength"]["points"][1]["benchmarks"][EVIL] = interval(0.5, 0.4, -0.2, 0.0)
    pictures = [charts.gains(measures(read(report))), charts.strengths(read(report).strength.points, titles)]
    for figure in pictures:
        texts = [a.text or "" for a in figure.layout.annotations] + [t.name for t in figure.data]
        assert not any("<img" in text for text in texts)


def test_nothing_with_an_interval_draws_nothing():
    assert charts.gains([]) is None
    assert charts.gains(measures(read({"heldout": heldout(1, interval(2.0, 1.0, None, None, 1))}))) is None


def test_strengths_are_their_rows_against_the_benchmarks():
    report = full_report()
    figure = charts.strengths(read(report).strength.points, {"arc_easy": "ARC-Easy", "mmlu": "MMLU"})
    arc = figure.data[0]
    assert arc.text == ("0 %", "25 %", "50 %", "75 %", "100 %")
    assert arc.x[4] == pytest.approx(4.12) and arc.y[4] == pytest.approx(-6.0)
    alone = charts.strengths(read(report).strength.points, {})
    assert alone.data[0].x == (0, 25, 50, 75, 100)


@pytest.fixture
def finished(workspace, tmp_path):
    """An evaluation that left the full report, of a run that is there."""
    from core.jobs.status import write_outcome
    from core.types import Example

    project = workspace.create_project("Mine")
    rows = [Example(({"role": "user", "content": "a"},), "b", 1, "test")]
    version = workspace.add_version(project.id, "rows", rows, {})
    run = workspace.add_job(project.id, "train", "quick", {"model": "starter", "dataset_version": version.id})
    spec = {**full_report()["spec"], "dataset_version": version.id, "adapter": "/home/me/adapter"}
    job = workspace.add_job(project.id, "evaluate", "of run 1", spec, run_id=run.id)
    report = {k: v for k, v in full_report().items() if k != "about"} | {"spec": spec}
    (workspace.folder(job) / "report.json").write_text(json.dumps(report))
    for each in (run, job):
        write_outcome(workspace.folder(each), "finished", "Finished.")
    return job


def page_of(workspace) -> Page:
    dropdown, state = gr.Dropdown(), gr.State()
    return Page(workspace, gr.BrowserState(""), dropdown, gr.State(0), state, gr.State(""))


def built(workspace=None) -> result.Result:
    with gr.Blocks():
        return result.build(page_of(workspace), result.picture(), gr.Dropdown())


@pytest.fixture
def evaluation(workspace) -> tab.Evaluation:
    """The tab as it is built."""
    with gr.Blocks(), gr.Tab("Evaluation") as opened:
        return tab.build(page_of(workspace), opened)


def named(shown: dict) -> dict:
    """What is shown, by the ids of the page's elements; only components that take part may be given a value."""
    return {component.elem_id: value for component, value in shown.items() if component.elem_id}


def test_the_result_fills_its_components(workspace, finished):
    shown_by = built()
    shown = shown_by.show(workspace, finished, "", True)
    assert set(shown) == set(shown_by.outputs)
    assert set(shown_by.show(workspace, None, "", True)) < set(shown_by.outputs)
    parts = named(shown)
    assert "Lost: ARC-Easy by 3.0 to 9.2 points" in parts["tw-findings"]
    assert "&lt;img" in parts["tw-items-list"] and "<img" not in parts["tw-items-list"]
    assert "Every number" in parts["tw-result"] and "MMLU by subject" in parts["tw-result"]
    for ending in ("html", "md", "json"):
        path = parts[f"tw-report-{ending}"]["value"]
        told = Path(path).read_text(encoding="utf-8")
        assert "/home/me" not in told  # no folder of this machine leaves with a report
        assert "evaluate --run 1" in told


def test_a_strength_is_offered_where_it_can_be_saved(workspace, finished):
    shown_by = built()
    shown = shown_by.show(workspace, finished, "", True)
    assert [value for _, value in shown[shown_by.part]["choices"]] == [0.25, 0.5, 0.75]
    assert shown[shown_by.save]["visible"] is True


def test_questions_are_paged():
    report = read(full_report())
    lost = one_by_one.items_of(report, "arc_easy", "lost")
    assert len(lost) == 23
    pages = [one_by_one.shown_page("arc_easy", lost, at) for at in range(3)]
    assert [page.count("<article") for page in pages] == [10, 10, 3]
    assert one_by_one.place(lost, 2) == html.place("21 to 23 of 23")
    assert one_by_one.kinds(report, "arc_easy") == [("Lost (23)", "lost"), ("Gained (4)", "gained")]
    assert one_by_one.kinds(report, "judge") == [("Tuned preferred (1)", "tuned")]


def test_pages_turn_within_their_list(workspace, finished):
    shown_by = built(workspace).one_by_one
    turned = shown_by.forth("", finished.id, "arc_easy", "lost", 1)
    assert (turned[shown_by.at], turned[shown_by.place]) == (2, html.place("21 to 23 of 23"))
    assert shown_by.forth("", finished.id, "arc_easy", "lost", 2)[shown_by.at] == 2
    assert shown_by.back("", finished.id, "arc_easy", "lost", 0)[shown_by.at] == 0
    other = shown_by.choose_of("", finished.id, "judge")
    assert other[shown_by.kind]["value"] == "tuned" and "<article" in other[shown_by.items]


def test_a_judgement_shows_without_a_reload(workspace, finished, evaluation):
    """What the page has seen is the report without it: the files to download are written again, too."""
    from ui import watching

    look = lambda seen: evaluation.look(workspace, finished, watching.Watched(), seen, "", True)  # noqa: E731
    folder = workspace.folder(finished)
    report = json.loads((folder / "report.json").read_text())
    judged = report.pop("judge")
    (folder / "report.json").write_text(json.dumps(report))
    first = look(())
    assert "judge-1" not in Path(named(first)["tw-report-md"]["value"]).read_text(encoding="utf-8")
    again = look(first[evaluation.seen])
    assert again[evaluation.seen] == first[evaluation.seen]
    assert not set(again) & set(evaluation.result.outputs)  # nothing new is not sent again

    (folder / "judge.json").write_text(json.dumps(judged))
    parts = named(look(first[evaluation.seen]))
    assert "What the judge said" in parts["tw-result"]
    for ending in ("html", "md", "json"):
        assert "judge-1" in Path(parts[f"tw-report-{ending}"]["value"]).read_text(encoding="utf-8")


def test_a_pair_is_shown_with_what_the_judge_compared_it_with():
    report = read(full_report())
    shown = one_by_one.shown_page("judge", one_by_one.items_of(report, "judge", "tuned"), 0)
    assert f"Reference: {escape(report.judge.verdicts[0].reference)}" in shown


def test_a_report_may_lack_everything_but_rows(workspace, finished):
    shown_by = built()
    report = {"heldout": full_report()["heldout"] | {"slices": {}}, "spec": finished.spec}
    (workspace.folder(finished) / "report.json").write_text(json.dumps(report))
    shown = shown_by.show(workspace, finished, "", True)
    assert "Nothing was measured elsewhere" in shown[shown_by.findings]
    going_on = shown_by.show(workspace, finished, "", False)
    assert "Nothing was measured elsewhere" not in going_on[shown_by.findings]  # the benchmarks are yet to come


def test_an_evaluation_that_failed_at_once_has_nothing_to_show_or_compare(workspace, finished):
    report = {"heldout": {}, "benchmarks": {}, "spec": finished.spec, "problems": []}
    (workspace.folder(finished) / "report.json").write_text(json.dumps(report))
    shown_by = built()
    shown = shown_by.show(workspace, finished, "", True)
    assert (shown[shown_by.picture]["visible"], shown[shown_by.findings]) == (False, "")
    parts = (*shown_by.downloads.values(), shown_by.one_by_one.part, shown_by.steps, shown_by.strength)
    assert [shown[part]["visible"] for part in parts] == [False] * 6
    assert evaluations_with_report(workspace, finished.project_id) == []


def asked(**values) -> form.Values:
    """What stands in the form as it is built, but for `values`."""
    empty = {
        "run": None,
        "benchmarks": [],
        "size": "quick",
        "rows": 0,
        "answers": "last",
        "length": 0,
        "reasoning": 0,
        "other": "",
        "source": form.HUB,
    }
    more = {"folder": "", "early": False, "template": False, "steps": False, "parts": False}
    return form.Values(**{**empty, **more, **values})


def test_typed_tasks_join_the_chosen_ones():
    assert asked(benchmarks=["arc_easy"], other=" piqa, arc_easy;winogrande ").names == [
        "arc_easy",
        "piqa",
        "winogrande",
    ]
    assert asked(benchmarks=None, other=None).names == []


def test_what_a_measurement_can_show_is_told_before_it_runs(workspace, finished):
    run = evaluations_with_report(workspace, finished.project_id)[0].run_id
    followed = References(asked=2, references=2, tokens=30, limit=46)

    def effort(names, size):
        return form.effort_of(workspace, asked(run=run, benchmarks=names, size=size), None, followed, ("exact_match",))

    told = effort(["arc_easy", "piqa"], "standard")
    assert "2 answers of at most 46 tokens. The headline will be exact match" in told
    assert "2.8 points" in told and "at most 42 s" in told and "School science" in told
    assert "at best 2.8 points" in effort(["mmlu"], "standard")
    assert "at best" not in told.casefold()
    assert "not known" in told  # piqa was never asked
    none = effort([], "quick")
    assert "No benchmark is chosen" in none


@pytest.fixture
def built_form(workspace):
    """The tab as it is built, and what its button calls."""
    from ui.page import Page

    with gr.Blocks() as blocks:
        dropdown, state = gr.Dropdown(), gr.State()
        page = Page(workspace, gr.BrowserState(""), dropdown, gr.State(0), state, gr.State(""))
        with gr.Tab("Evaluation") as opened:
            tab.build(page, opened)
    labels = {c.label: c for c in blocks.blocks.values() if getattr(c, "label", None)}
    button = next(b for b in blocks.blocks.values() if getattr(b, "elem_id", None) == "tw-evaluate")
    clicked = next(fn for fn in blocks.fns.values() if (button._id, "click") in fn.targets)
    return page, labels, clicked


def test_what_is_chosen_under_more_is_what_is_asked(built_form, workspace, finished):
    """Every choice by its control's label, through the handler of the button, into the job's specification."""
    from core.training.settings import TrainSettings
    from core.training.spec import RunSpec

    page, labels, clicked = built_form
    version = finished.spec["dataset_version"]
    spec = RunSpec("starter", version, str(workspace.rows_file(version)), TrainSettings()).to_dict()
    run = workspace.add_job(finished.project_id, "train", "quick", spec, state="ended")
    adapter = workspace.folder(run) / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter.parent / "run.json").write_text(json.dumps({"spec": spec, "base_weights_sha256": "0"}))
    # Something else has just been started, so that the evaluation waits and no process is needed.
    workspace.add_job(finished.project_id, "train", "quick", run.spec, state="started")
    template = labels["Ask in the model's chat template"]
    assert template in clicked.inputs and "Base models are asked plainly" in template.info

    def started(**chosen):
        values = {page.visitor: "", page.project: finished.project_id, page.changed: 0, labels["Trained run"]: run.id}
        values |= {c: 8 for c in clicked.inputs if getattr(c, "elem_id", None) == "tw-longest"}
        values |= {labels[label]: value for label, value in chosen.items()}
        clicked.fn(*[values.get(c, c.value) for c in clicked.inputs])
        return workspace.jobs(finished.project_id, "evaluate")[0].spec

    plain = started()
    assert (plain["chat_template"], plain["early_stop"], plain["checkpoints"]) == (False, False, False)
    assert (plain["answers"], plain["decoding"]["max_new_tokens"]) == ("last", 8)
    assert started(**{"Of a conversation ask for": "all"})["answers"] == "all"
    assert started(**{template.label: True})["chat_template"] is True
    assert started(**{"Stop a benchmark early": True})["early_stop"] is True
    assert started(**{"Also the run's checkpoints": True})["checkpoints"] is True


def test_evaluations_side_by_side(workspace, finished):
    table = compare.compared(workspace, [finished.id])
    assert "54.0 % → 48.0 %\n−6.0 (−9.2 to −3.0)" in table
    assert "Nothing to compare yet" in compare.compared(workspace, [])


def test_a_stopped_evaluation_goes_on_and_a_finished_one_does_not(workspace, finished):
    from core.jobs import queue

    with pytest.raises(UserError, match="only a stopped or failed"):
        queue.resume(workspace, finished)
