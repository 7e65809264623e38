"""A file goes from upload to a cleaned, split version: its quirks are found, and not over-reported."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from core.settings import Settings
from core.store.workspace import open_workspace
from tests.browser.conftest import tab

PROCESS = 120_000
"""Milliseconds that a process has to start and do its work, on a machine that does much else."""
ROWS = [
    *({"instruction": f"What is {i} times {i}?", "input": "", "output": f"It is {i * i}."} for i in range(40)),
    {"instruction": "What is 3 times 3?", "input": "", "output": "It is 9."},  # a copy
    {"instruction": "Which way is the best?", "input": "", "output": "It is definately the one by the sea."},
    {"instruction": "Correct the spelling.", "input": "freind", "output": "“freind” should be “friend”."},
    {"instruction": "Whom do I ask?", "input": "", "output": "Ask anna@acme-widgets.co.uk about it."},
    {"instruction": "Whom do I ask for help?", "input": "", "output": ""},
]


def test_from_upload_to_a_cleaned_split_version(page, app, tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS), encoding="utf-8")
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name of the new project").fill("Clean")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator(".tw-checklist")).to_contain_text("no rows yet")
    tab(page, "Data")
    page.locator("#tw-file input[type=file]").set_input_files(path)
    page.locator("#tw-import-button").click()
    lead = page.locator(".tw-lead").first
    expect(lead).to_contain_text("43 rows", timeout=PROCESS)
    page.locator("#tw-checks > button").click()
    page.locator("#tw-check-button").click()
    found = page.locator("[data-mend]")
    expect(page.locator("#tw-check-misspelling")).to_contain_text("1 row of 43", timeout=PROCESS)
    expect(page.locator("#tw-check-misspelling")).to_contain_text("definately")
    assert {one.get_attribute("data-mend").split()[0] for one in found.all()} == {"personal", "misspelling"}
    for check, leave, version in (("misspelling", "mend", 2), ("personal", "leave", 3)):
        page.locator(f"[data-mend='{check} {leave}']").click()
        expect(page.locator("#tw-mending del").first).to_be_visible(timeout=PROCESS)
        page.locator("#tw-apply").click()
        expect(lead).to_contain_text(f"Version {version}: ", timeout=PROCESS)
    expect(page.locator("#tw-checks")).to_contain_text("nothing found")
    page.locator("#tw-split > button").click()
    page.locator("#tw-split").get_by_label("Seed").fill("7")
    page.locator("#tw-split-look").click()
    expect(page.locator("#tw-split-outcome")).to_contain_text("It would come to")
    page.locator("#tw-split-apply").click()
    expect(lead).to_contain_text("Version 4: a new split")
    expect(page.locator("#tw-undo-version")).to_have_text("Undo the split of version 4")
    workspace = open_workspace(Settings(home=app.home))
    project = next(p for p in workspace.projects() if p.name == "Clean")
    rows = {row.row: row.target for row in workspace.examples(workspace.versions(project.id)[-1].id)}
    assert rows[42] == "It is definitely the one by the sea." and rows[43] == "“freind” should be “friend”."
    assert rows.keys() == {*range(1, 41), 42, 43}
