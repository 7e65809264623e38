"""The Evaluation tab in a browser: a real measurement of a tiny model, what it says before and after, and its files."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from core.jobs.follow import follow
from core.settings import Settings
from core.store.workspace import open_workspace
from core.training import actions as training_actions
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from tests.browser.conftest import open_app, tab

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


def number(i: int) -> dict:
    return {"instruction": f"Say the number {i}.", "output": f"The number is {i}."}


def talk(i: int) -> dict:
    """A conversation of two answers, the last of which is one of two words."""
    said = [f"Say the number {i}.", f"The number that was asked for is {i}.", "Is it even?", "no" if i % 2 else "yes"]
    return {"messages": [{"role": role, "content": said[n]} for n, role in enumerate(["user", "assistant"] * 2)]}


def trained(app, model, row=number, epochs=8) -> None:
    """A project with a run of the tiny model, made without the page: training has its own tests."""
    from core.data import actions as data_actions

    rows = app.home / "rows.jsonl"
    lines = [row(i) for i in range(40)]
    rows.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    workspace = open_workspace(Settings(home=app.home))
    project = workspace.create_project("Numbers")
    version, _ = data_actions.import_file(workspace, project.id, rows)
    settings = TrainSettings(epochs=epochs, max_length=128)
    spec = RunSpec(str(model), version.id, str(workspace.rows_file(version.id)), settings, preset="quick")
    job = training_actions.start_training(workspace, project.id, spec)
    assert follow(workspace, job, lambda text: None).state == "finished"


def test_base_against_tuned(page, app, tiny_model_folder, tmp_path):
    trained(app, tiny_model_folder)
    open_app(page, app)
    tab(page, "Evaluation")
    panel = page.get_by_role("tabpanel").filter(visible=True)
    expect(panel.locator(".tw-lead")).to_contain_text("Did it get better on your rows?")
    expect(page.locator("#tw-evaluate-bar")).to_contain_text("No evaluation yet.")
    expect(page.locator("#tw-effort")).to_contain_text("No benchmark is chosen")

    # Before it runs: what is asked, what it can show.
    page.get_by_label("ARC-Easy").check()
    expect(page.locator("#tw-effort")).to_contain_text("School science questions that simple recall can answer.")
    expect(page.locator("#tw-effort")).to_contain_text("8.9 points")
    page.locator("#tw-size").get_by_text("Standard").click()
    expect(page.locator("#tw-effort")).to_contain_text("2.8 points")
    page.locator("#tw-evaluate-more button").first.click()
    panel.get_by_text("From a folder on this machine").click()
    page.locator("#tw-benchmark-folder input, #tw-benchmark-folder textarea").fill(str(SAMPLES))
    expect(page.locator("#tw-effort")).to_contain_text("24 questions.")  # of this folder, not of the Hub
    panel.get_by_label("Longest answer (tokens)").fill("12")
    panel.get_by_label("Ask in the model's chat template").check()
    page.locator("#tw-evaluate").click()
    expect(page.locator("#tw-evaluate-bar")).to_contain_text("Finished", timeout=120_000)

    # The picture, the sentence, the numbers.
    expect(page.locator("#tw-gains .js-plotly-plot")).to_be_visible()
    expect(panel.locator(".tw-lead")).to_contain_text(re.compile("(Better on|On|on each of) your 4 test rows"))
    expect(page.locator("#tw-findings")).to_contain_text("Better on your data can be worse elsewhere.")
    page.get_by_text("Every number").click()
    expect(page.locator("#tw-result")).to_contain_text("ARC-Easy acc")
    page.get_by_text("How it was measured").click()
    expect(page.locator("#tw-result")).to_contain_text("python -m core evaluate --run 1")
    expect(page.locator("#tw-result")).to_contain_text("--chat-template")
    expect(page.locator("#tw-result")).to_contain_text("0-shot, acc, in the model's chat template, ")
    expect(page.locator("#tw-result")).to_contain_text("logits differ from the plain model's by 0;")

    # Questions won and lost, one click away.
    page.locator("#tw-items > button").click()
    expect(page.locator("#tw-items-list .tw-question").first).to_be_visible()
    expect(page.locator("#tw-items-list .tw-of-reference").first).to_have_text("right")

    # Files to keep.
    for ending, mark in (("html", "<!doctype html>"), ("md", "# Base against tuned"), ("json", '"benchmarks"')):
        with page.expect_download() as download:
            page.locator(f"#tw-report-{ending}").click()
        told = download.value.path().read_text(encoding="utf-8")
        assert mark in told
        assert str(app.home) not in told

    # The next one is told by this one's time; both stand in one table.
    page.locator("#tw-size").get_by_text("Quick look").click()
    expect(page.locator("#tw-effort")).to_contain_text("as long as earlier evaluations took")
    expect(page.locator("#tw-effort")).to_contain_text("at most")
    panel.get_by_label("Also the run's checkpoints").check()
    panel.get_by_label("Also parts of the adapter's strength").check()
    page.locator("#tw-evaluate").click()
    expect(page.locator("#tw-evaluate-bar")).to_contain_text("Evaluation 2", timeout=30_000)
    expect(page.locator("#tw-evaluate-bar")).to_contain_text("Finished", timeout=120_000)
    page.locator("#tw-steps > button").click()
    expect(page.locator("#tw-steps tbody")).to_contain_text("the one that was kept")
    page.locator("#tw-strength > button").click()
    expect(page.locator("#tw-strength .js-plotly-plot")).to_be_visible()
    expect(page.locator("#tw-strength tbody tr")).to_have_count(5)
    page.locator("#tw-strength").get_by_text("50 %", exact=True).last.click()
    page.locator("#tw-strength-save").click()
    # The strength is a run of its own.
    expect(page.locator(".tw-checklist")).to_contain_text("2 trained", timeout=120_000)
    page.locator("#tw-compare > button").click()
    expect(page.locator("#tw-compare")).to_contain_text("Evaluation 1")
    open_app(page, app)
    tab(page, "Evaluation")
    expect(page.locator("#tw-gains .js-plotly-plot")).to_be_visible()
    page.locator("#tw-compare > button").click()
    expect(page.locator("#tw-compare tbody tr")).to_have_count(2)


def test_cancelled_and_gone_on(page, app, tiny_model_folder):
    trained(app, tiny_model_folder)
    open_app(page, app)
    tab(page, "Evaluation")
    page.locator("#tw-evaluate-more button").first.click()
    page.get_by_role("tabpanel").filter(visible=True).get_by_label("Longest answer (tokens)").fill("380")
    page.locator("#tw-evaluate").click()
    cancel = page.locator("#tw-evaluate-cancel")
    expect(cancel).to_be_visible()
    cancel.click()
    expect(page.locator("#tw-evaluate-bar")).to_contain_text("Stopped", timeout=60_000)
    page.locator("#tw-evaluate-resume").click()
    expect(page.locator("#tw-evaluate-bar")).to_contain_text("Finished", timeout=120_000)
    expect(page.locator("#tw-evaluate-resume")).not_to_be_visible()
    expect(page.locator("#tw-findings")).to_contain_text("Nothing was measured elsewhere.")


def test_each_answer_of_a_conversation_is_asked_for(page, app, tiny_model_folder):
    trained(app, tiny_model_folder, talk, epochs=1)
    open_app(page, app)
    tab(page, "Evaluation")
    panel = page.get_by_role("tabpanel").filter(visible=True)
    told = page.locator("#tw-effort")
    expect(told).to_contain_text("4 test rows, 4 answers of")
    expect(told).to_contain_text("The headline will be accuracy")  # yes or no
    page.locator("#tw-evaluate-more button").first.click()
    page.locator("#tw-answers").get_by_text("Each trained answer").click()
    expect(told).to_contain_text("4 test rows, 8 answers of")
    expect(told).to_contain_text("The headline will be token F1")
    page.locator("#tw-evaluate").click()
    expect(page.locator("#tw-evaluate-bar")).to_contain_text("Finished", timeout=120_000)

    expect(panel.locator(".tw-lead")).to_contain_text("token F1")
    page.get_by_text("Every finding in words").click()
    expect(page.locator("#tw-findings")).to_contain_text(
        "Each trained answer of a conversation was asked for, 8 answers of 4 rows."
    )
    page.get_by_text("How it was measured").click()
    expect(page.locator("#tw-result")).to_contain_text("--answers all")
    expect(page.locator("#tw-result")).to_contain_text("what is random: your conversations")
    tab(page, "Error review")
    review = page.get_by_role("tabpanel").filter(visible=True)
    expect(review).to_contain_text("1 of 8 · 0 labelled")
    expect(review).to_contain_text("of 2 in its conversation")
