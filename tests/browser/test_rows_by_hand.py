"""A person changes rows with keys and mouse, loses nothing at a reload, and makes, compares and undoes a version."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.conftest import open_app, tab


def write(path):
    lines = [
        {"prompt": f"What is {i} times {i}?", "answer": f"It is {i * i}.", "customer": f"c{i // 5}"} for i in range(40)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def rows(page):
    return page.locator("#tw-rows tbody tr")


def test_rows_are_changed_by_hand(page, app, tmp_path):
    import_rows(page, write(tmp_path / "rows.jsonl"))
    change_by_keys(page)
    delete_and_add(page)
    reload(page, app)
    make_a_version(page)
    compare(page)
    filter_and_delete_all(page)
    split(page)
    expect(page.locator("body")).not_to_contain_text("Traceback")


def import_rows(page, path):
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name of the new project").fill("By hand")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator(".tw-checklist")).to_contain_text("no rows yet")
    tab(page, "Data")
    page.locator("#tw-file input[type=file]").set_input_files(path)
    page.locator("#tw-import-button").click()
    expect(page.locator(".tw-lead").first).to_contain_text("40 rows: 32 to train")
    page.get_by_role("button", name="Import rows").click()


def change_by_keys(page):
    """The second row, found and changed without the mouse."""
    rows(page).first.click()
    page.keyboard.press("ArrowDown")
    expect(rows(page).nth(1)).to_be_focused()
    page.keyboard.press("e")
    expect(page.locator("#tw-editor")).to_contain_text("Row 2")
    expect(page.locator("#tw-text-1 textarea")).to_be_focused()
    page.locator("#tw-text-2 textarea").fill("It is one. <b>Really</b> ${1}")
    page.keyboard.press("Control+Enter")
    expect(rows(page).nth(1)).to_contain_text("It is one. <b>Really</b> ${1}")
    expect(rows(page).nth(1)).to_contain_text("changed")
    expect(page.locator("#tw-waits")).to_contain_text("1 change, not yet a version: 1 changed.")
    expect(page.locator("#tw-editor")).to_be_hidden()


def delete_and_add(page):
    rows(page).nth(2).click()
    page.keyboard.press("d")
    expect(rows(page).nth(2)).to_contain_text("deleted")
    expect(rows(page).nth(2)).to_be_focused()  # the table was drawn anew, and the place is kept
    page.keyboard.press("d")
    expect(rows(page).nth(2)).not_to_contain_text("deleted")
    page.keyboard.press("d")
    expect(page.locator("#tw-waits")).to_contain_text("1 changed, 1 deleted")
    page.locator("#tw-add-row").click()
    page.locator("#tw-text-2 textarea").fill("What is 41 times 41?")
    page.locator("#tw-text-3 textarea").fill("It is 1681.")
    page.locator("#tw-keep").click()
    expect(rows(page).first).to_contain_text("What is 41 times 41?")
    expect(page.locator("#tw-waits")).to_contain_text("3 changes, not yet a version: 1 changed, 1 added, 1 deleted.")


def reload(page, app):
    open_app(page, app)
    expect(page.locator("#tw-waits")).to_contain_text("3 changes, not yet a version")
    expect(rows(page).first).to_contain_text("What is 41 times 41?")


def make_a_version(page):
    page.get_by_label("Why", exact=True).fill("three small things")
    page.locator("#tw-make-version").click()
    expect(page.locator(".tw-lead").first).to_contain_text("40 rows")
    expect(page.locator(".tw-lead").first).to_contain_text(
        "Version 2: three small things (1 changed, 1 added, 1 deleted)"
    )
    expect(page.locator("#tw-waits")).to_be_hidden()
    expect(page.locator("#tw-undo-version")).to_be_visible()


def compare(page):
    page.locator("#tw-versions > button").click()
    page.locator("#tw-compare-versions").click()
    expect(page.locator("#tw-difference")).to_contain_text(
        "1 with other texts, 1 added, 1 removed; 38 rows are the same."
    )
    expect(page.locator("#tw-different-rows")).to_contain_text("Row 41")


def filter_and_delete_all(page):
    page.get_by_label("Column", exact=True).click()
    page.get_by_role("option", name="customer").click()
    page.get_by_label("Its value holds").fill("c7")
    page.get_by_label("Its value holds").press("Enter")
    expect(page.locator(".tw-place").first).to_contain_text("1–5 of 5")
    page.locator("#tw-chosen > button").click()
    page.locator("#tw-delete-all").click()
    expect(page.locator("#tw-waits")).to_contain_text("5 deleted")
    page.locator("#tw-undo-act").click()
    expect(page.locator("#tw-waits")).to_be_hidden()


def split(page):
    page.locator("#tw-split > button").click()
    page.locator("#tw-split-look").click()
    expect(page.locator("#tw-split-outcome")).to_contain_text("It would come to")
    page.locator("#tw-split-apply").click()
    expect(page.locator(".tw-lead").first).to_contain_text("Version 3: a new split: validation 10%, test 10%, seed 0")
    page.locator("#tw-enough > button").click()
    expect(page.locator("#tw-enough-words")).to_contain_text("Few: a model learns a tone or a format")
