"""A person asks a model for more rows, reads the drafts with keys, and adds them to the training rows."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from core.settings import Settings
from core.store.workspace import open_workspace
from tests.browser.conftest import open_app
from tests.browser.test_chat_page import choose_project
from tests.core.augmentation.conftest import make_project
from tests.core.augmentation.writer_server import SECRET, rows, serving, writer
from tests.core.judge.test_actions import everything_in

EVIL = "Where is the <img src=x onerror='window.hit=1'> ${window.hit=2} {{x}} of the old harbour wall?"


@pytest.fixture
def workspace(app, tmp_path):
    opened = open_workspace(Settings(home=app.home))
    opened.create_project("Void")
    make_project(opened, tmp_path, "Mine")
    return opened


def test_sample_review_and_add(page, app, workspace):
    mine = next(p for p in workspace.projects() if p.name == "Mine")
    test = workspace.examples(workspace.versions(mine.id)[-1].id, "test")[0]

    def model(body, n):
        if n == 1:
            return 200, rows((EVIL, "Nowhere <b>at all</b>."))
        return (200, rows((test.prompt, "Copied."))) if n == 2 else writer(body, n)

    open_app(page, app)
    choose_project(page, "Void")
    page.locator("#tw-augment > button").click()
    expect(page.locator("#tw-augment-plan")).to_contain_text("no rows to make more of yet")
    expect(page.locator("#tw-augment-start")).to_be_disabled()
    choose_project(page, "Mine")
    expect(page.locator("#tw-augment-start")).to_be_enabled()
    with serving(model) as (url, sent):
        for name, value in (("endpoint", url), ("model", "writer-1"), ("rows", "7"), ("key", SECRET)):
            page.locator(f"#tw-augment-{name} textarea, #tw-augment-{name} input").fill(value)
        page.locator("#tw-augment-kind input").click()
        page.get_by_role("option", name="Harder variants").click()
        expect(page.locator("#tw-augment-plan")).to_contain_text("7 rows in 7 requests. First 5 as a sample")
        page.locator("#tw-augment-start").click()
        expect(page.locator("#tw-augment-bar")).to_contain_text("The sample is here: 4 of 5", timeout=60_000)
        assert len(sent) == 5
        expect(page.locator("#tw-augment-result")).to_contain_text("Ask what a test or validation row asks")
        page.get_by_role("button", name="Ask for the other 2 rows").click()
        expect(page.locator("#tw-augment-bar")).to_contain_text("7 rows were asked for; 6 of 7", timeout=60_000)
    assert {one["key"] for one in sent} == {f"Bearer {SECRET}"} and len(sent) == 7
    place, prompt = page.locator("#tw-draft-place"), page.locator("#tw-draft-prompt textarea")
    expect(place).to_contain_text("of 6 · 0 accepted, 0 rejected, 6 to read")
    page.locator("#tw-augment-result").click(position={"x": 2, "y": 2})  # keys are not for a field
    seen = {prompt.input_value()}
    page.keyboard.press("e")
    page.keyboard.type(" Edited.")
    page.keyboard.press("a")  # a letter of the answer
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(place).to_contain_text("1 accepted, 0 rejected, 5 to read")
    page.keyboard.press("r")
    expect(place).to_contain_text("1 accepted, 1 rejected, 4 to read")
    page.keyboard.press("u")
    expect(place).to_contain_text("1 accepted, 0 rejected, 5 to read")
    for n in range(2, 5):
        seen.add(prompt.input_value())
        page.keyboard.press("a")
        expect(place).to_contain_text(f"{n} accepted")
    assert EVIL in seen and page.evaluate("window.hit") is None
    page.locator("#tw-draft-export").click()
    expect(page.get_by_role("button", name="Download drafts-1.jsonl")).to_be_visible()
    page.locator("#tw-draft-rest").click()
    expect(page.locator("#tw-draft-sure")).to_contain_text("Accept 2 drafts that passed the filters")
    page.get_by_role("button", name="Not yet").click()
    expect(place).to_contain_text("4 accepted, 0 rejected, 2 to read")
    page.locator("#tw-draft-add").click()
    expect(page.locator(".tw-lead").filter(visible=True).first).to_contain_text("written by a model: 4", timeout=60_000)
    choose_project(page, "Void")
    expect(page.locator("#tw-drafts")).to_be_hidden()
    version = workspace.versions(mine.id)[-1]
    added = [e for e in workspace.examples(version.id) if e.synthetic]
    assert {e.split for e in added} == {"train"} and version.number == 2
    assert sum(e.target.endswith(" Edited.a") for e in added) == 1
    assert SECRET.encode() not in everything_in(workspace.settings.home)
