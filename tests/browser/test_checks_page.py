"""Checks in the Data tab, driven: found, seen as a difference, applied, undone."""

from __future__ import annotations

from playwright.sync_api import expect

from core.settings import Settings
from core.store.workspace import open_workspace
from core.types import Example
from tests.browser.conftest import tab

PROCESS = 120_000
"""Milliseconds that a process has to start and do its work, on a machine that does much else."""


def test_what_is_found_is_mended_and_the_mending_undone(page, app):
    workspace = open_workspace(Settings(home=app.home))
    project = workspace.create_project("checked")
    rows = [Example(({"role": "user", "content": f"Say {i}."},), f"It is {i}, as asked.", i) for i in range(1, 30)]
    rows.append(Example(({"role": "user", "content": "How do I say <b>and</b>?"},), "One &amp; two, both of them.", 30))
    rows.append(Example(({"role": "user", "content": "Whom do I ask?"},), "Ask anna@acme-widgets.co.uk for it.", 31))
    version = workspace.add_version(project.id, "rows", rows, {"file": "rows.jsonl"})
    page.reload()
    tab(page, "Data")
    page.locator("#tw-checks > button").click()
    page.locator("#tw-check-button").click()
    checks = page.locator("#tw-checks")
    expect(checks).to_contain_text("31 rows checked.", timeout=PROCESS)
    expect(page.locator("#tw-check-personal")).to_contain_text("an…uk")
    page.locator("#tw-check-markup").get_by_role("button", name="Turn it into text").click()
    expect(page.locator("#tw-mending del").first).to_be_visible(timeout=PROCESS)
    page.locator("#tw-apply").click()
    undo = page.locator("#tw-undo-version")
    expect(undo).to_have_text("Undo the mending of version 2", timeout=PROCESS)
    expect(page.locator("#tw-check-markup")).to_be_hidden()
    made = workspace.versions(project.id)[-1]
    assert (made.number, made.parent_id) == (2, version.id)
    assert [e.target for e in workspace.examples(made.id)][-2] == "One & two, both of them."
    undo.click()
    expect(page.locator("#tw-check-markup")).to_be_visible(timeout=PROCESS)
    assert workspace.examples(workspace.versions(project.id)[-1].id) == rows
