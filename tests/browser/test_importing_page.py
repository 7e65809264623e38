"""Rows are brought as a workbook, pasted, and from a Hub on the loopback address; a template shows what it makes."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests import hub as hubs
from tests.browser.conftest import App, choose, tab
from tests.files import workbook


@pytest.fixture
def app(tmp_path, starter_models, monkeypatch):
    """The app of all browser tests, but with a Hub that answers."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(starter_models)
    repository = tmp_path / "repository"
    repository.mkdir()
    lines = (json.dumps({"prompt": f"Ask {i}?", "answer": f"Say {i}."}) for i in range(40))
    (repository / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with hubs.running() as hub:
        hub.commit("datasets", "me/rows", repository)
        for name, value in hub.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        started = App(home)
        started.start(offline=False)
        yield started
        started.kill()


def test_rows_are_brought_in_three_ways(page, tmp_path):
    tab(page, "Data")
    page.locator("#tw-import > button").first.click()
    lines = [["text", "language", "output"], *([f"word {i}", "French", f"mot {i}"] for i in range(12))]
    book = tmp_path / "book.xlsx"
    book.write_bytes(workbook({"Words": lines, "More": lines[:4]}))
    found = page.locator("#tw-import-findings")

    page.locator("#tw-file input[type=file]").set_input_files(str(book))
    expect(found).to_contain_text("has 2 sheets with rows")
    choose(page, "Sheet", "Words:")
    template = page.locator("#tw-template textarea, #tw-template input").first
    expect(found).to_contain_text("12 of 12 rows can be trained.")
    template.press_sequentially("Say {text} in {langu")
    expect(page.locator("#tw-template-preview")).to_contain_text("single “{” near")
    template.press_sequentially("age}.")
    expect(page.locator("#tw-template-preview")).to_contain_text("Say word 2 in French.")
    system = page.locator("#tw-system textarea, #tw-system input").first
    system.fill("Be brief.")
    system.blur()
    expect(found).to_contain_text("12 rows that brought no system prompt got the project's.")
    expect(found).to_contain_text("prompt ← “Say {text} in {language}.”, answer ← output")
    page.locator("#tw-import-button").click()
    lead = page.locator(".tw-lead").filter(visible=True).first
    expect(lead).to_contain_text("From book.xlsx")
    expect(page.locator("#tw-rows")).to_contain_text("Say word 3 in French.")

    if not page.locator("#tw-bring").is_visible():
        page.locator("#tw-import > button").first.click()
    tab(page, "Paste")
    page.locator("#tw-paste textarea").fill("prompt\tanswer\n" + "\n".join(f"P {i}\tA {i}" for i in range(7)))
    page.locator("#tw-paste-read").click()
    expect(found).to_contain_text("7 of 7 rows can be trained.")

    tab(page, "From the Hub")
    name = page.locator("#tw-hub textarea, #tw-hub input").first
    name.fill("me/nothing")
    page.locator("#tw-hub-look").click()
    expect(page.locator("#tw-brought")).to_contain_text("The Hub has no data set “me/nothing”", timeout=120_000)
    name.fill("me/rows")
    page.locator("#tw-hub-look").click()
    page.get_by_label("Rows (0: all)").fill("10")
    choose(page, "Which", "Drawn at random")
    page.locator("#tw-hub-fetch").click()
    expect(page.locator("#tw-brought")).to_contain_text("10 rows, drawn with seed 0", timeout=120_000)
    expect(found).to_contain_text("10 of 10 rows can be trained.")
    page.locator("#tw-import-button").click()
    expect(lead).to_contain_text("From me/rows on the Hub (default, train; 10 rows, drawn with seed 0; commit")
