"""A person talks to base and tuned, saves what was said, and has the answers judged by an endpoint of this machine."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from core.settings import Settings
from core.store.workspace import open_workspace
from tests.browser.conftest import open_app, tab
from tests.core.chat.test_actions import make_run
from tests.core.conftest import tiny_adapter  # noqa: F401 (a fixture)
from tests.core.evaluation.full_report import full_report
from tests.core.judge.judge_server import SECRET, fair, serving
from tests.core.judge.test_actions import everything_in, make_evaluation

EVIL = "Say the number <img src=x onerror='window.hit=1'> ${window.hit=2} {{x}}"


@pytest.fixture
def project(app, rows_file, tiny_model_folder, tiny_adapter):  # noqa: F811
    """The app's home with a trained run of the tiny model and a finished evaluation, in projects of their own."""
    workspace = open_workspace(Settings(home=app.home))
    make_evaluation(workspace, rows_file, "Judged")
    return workspace, make_run(workspace, rows_file, tiny_model_folder, tiny_adapter)


def measured(workspace, evaluation) -> None:
    """Give the evaluation a report with numbers, so that the page has something to show before it is judged."""
    report = {key: value for key, value in full_report().items() if key not in ("about", "judge")}
    path = workspace.folder(evaluation) / "report.json"
    path.write_text(json.dumps(report | {"spec": report["spec"] | evaluation.spec}), encoding="utf-8")


def choose_project(page, name: str) -> None:
    page.locator("#tw-header").get_by_label("Project").click()
    page.get_by_role("option", name=name).click()


def test_chat_and_save(page, app, project):
    workspace, run = project
    open_app(page, app)
    choose_project(page, "Mine")
    tab(page, "Evaluation")
    page.get_by_role("button", name="Chat: ask both").click()
    expect(page.locator("#tw-said")).to_contain_text("Nothing asked yet.")
    page.get_by_role("button", name="How they answer").click()
    page.get_by_label("Longest answer (tokens)").last.fill("400")
    page.get_by_label("Longest answer (tokens)").last.press("Tab")
    page.locator("#tw-message textarea").fill(EVIL)
    page.locator("#tw-message textarea").press("Enter")
    said = page.locator("#tw-said")
    expect(said.locator(".tw-side-base")).to_contain_text(re.compile(r"\d\d tokens"), timeout=90_000)
    page.locator("#tw-chat-stop").click()
    expect(said.locator(".tw-side-tuned")).to_contain_text("stopped")
    expect(said).to_contain_text(EVIL)
    assert page.evaluate("window.hit") is None
    expect(page.locator("#tw-message textarea")).to_have_value("")

    open_app(page, app)  # what was said is still there
    choose_project(page, "Mine")
    tab(page, "Evaluation")
    page.get_by_role("button", name="Chat: ask both").click()
    expect(said).to_contain_text(EVIL)
    page.locator("#tw-wished textarea").fill("The number is none.")
    page.locator("#tw-to-test").click()
    expect(page.locator("#tw-chat-saved")).to_contain_text("version 2")
    assert workspace.versions(run.project_id)[-1].counts["test"] == 5
    page.locator("#tw-to-review").click()
    expect(page.locator("#tw-chat-saved")).to_contain_text("Chat 1 · with run 1")
    tab(page, "Error review")
    expect(page.locator('[data-text="prompt"]')).to_have_text(EVIL)
    expect(page.locator("[data-count]")).to_have_text("1 of 1 · 0 labelled")


def test_judge(page, app, project):
    workspace, _ = project
    judged = next(p for p in workspace.projects() if p.name == "Judged")
    measured(workspace, workspace.jobs(judged.id, "evaluate")[0])
    open_app(page, app)
    choose_project(page, "Judged")
    tab(page, "Evaluation")
    page.get_by_role("button", name="Let a model judge the answers").click()
    expect(page.locator("#tw-judge-cost")).to_contain_text("4 pairs. 8 comparisons")
    with serving(fair) as (url, asked):
        page.locator("#tw-judge-endpoint textarea, #tw-judge-endpoint input").fill(url)
        page.locator("#tw-judge-model textarea, #tw-judge-model input").fill("judge-1")
        page.locator("#tw-judge-key input").fill(SECRET)
        page.locator("#tw-judge-start").click()
        expect(page.locator("#tw-judge-result")).to_contain_text("prefers tuned in 4 of 4 pairs", timeout=60_000)
    assert {a["key"] for a in asked} == {f"Bearer {SECRET}"}
    # The result that is shown has it at once, and so has the report to download.
    page.locator("#tw-result").get_by_text("What the judge said").click()
    expect(page.locator("#tw-result")).to_contain_text("prefers tuned in 4 of 4 pairs")
    with page.expect_download() as download:
        page.locator("#tw-report-md").click()
    assert "prefers tuned in 4 of 4 pairs" in download.value.path().read_text(encoding="utf-8")
    expect(page.locator("#tw-judge-cost")).to_contain_text("nothing to ask")
    assert SECRET.encode() not in everything_in(workspace.settings.home)
