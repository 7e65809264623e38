"""The frame stands still: one width for every tab, text within its button, no questions while nothing goes on."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from core.settings import Settings
from core.store.workspace import open_workspace
from tests.browser.conftest import tab
from ui.text import TABS

BOX = "element => { const b = element.getBoundingClientRect(); return [Math.round(b.left), Math.round(b.width)] }"
CUT = """() => [...document.querySelectorAll("button")]
    .filter(b => b.offsetParent && b.scrollWidth > b.clientWidth)
    .map(b => `${b.textContent.trim()}: ${b.scrollWidth} > ${b.clientWidth}`)"""


def go_to(page, name: str) -> None:
    """By the tab, or by its entry in the menu of a narrow window."""
    entries = '#tw-tabs button[role="tab"], #tw-tabs .overflow-dropdown button'
    press = (
        "([entries, name]) => [...document.querySelectorAll(entries)].find(b => b.textContent.trim() === name).click()"
    )
    page.evaluate(press, [entries, name])
    expect(page.locator(".tw-lead").filter(visible=True).first).not_to_contain_text("Loading")


def until_quiet(page, asked: list[str], seconds: int = 60) -> None:
    """Until the page, which has just been opened, has had its answers: four seconds without a question."""
    for _ in range(seconds // 4):
        asked.clear()
        page.wait_for_timeout(4000)
        if not asked:
            return


@pytest.mark.parametrize("width", [1280, 900])
def test_every_tab_is_as_wide_and_no_text_leaves_its_button(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    boxes, cut = {}, {}
    for name in TABS:
        go_to(page, name)
        boxes[name] = page.locator("#tw-tabs").evaluate(BOX)
        if page.evaluate(CUT):
            page.wait_for_timeout(1000)  # the arrow of a fold that is opening reaches out of it while it turns
        cut[name] = page.evaluate(CUT)
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide"
    assert len(set(map(tuple, boxes.values()))) == 1, boxes
    assert boxes["Data"][1] > 0.65 * width
    assert not any(cut.values()), cut


def test_the_decision_is_in_sight_and_the_rest_is_folded(page):
    page.set_viewport_size({"width": 1280, "height": 900})
    tab(page, "Training")
    expect(page.locator("#tw-takes")).to_contain_text("LoRA trains 4.9 M of 134.5 M parameters", timeout=120_000)
    start = page.locator("#tw-start").bounding_box()
    assert start["y"] + start["height"] < 900
    takes = page.locator("#tw-takes").bounding_box()
    assert takes["y"] + takes["height"] < 900
    primary = page.locator("button.primary").filter(visible=True)
    assert primary.all_inner_texts() == ["Start training"]
    for setting in ("epochs", "rank", "optimizer", "packing"):
        expect(page.locator(f"#tw-set-{setting}")).not_to_be_visible()
    expect(page.locator("#tw-group-method > button")).to_contain_text("LoRA, adapter rank 16, adapter alpha 32")
    expect(page.locator("#tw-methods > button")).to_contain_text("LoRA, about ")


def test_a_page_at_rest_asks_for_nothing_and_looks_when_it_is_looked_at(page, app):
    tab(page, "Sharing")
    expect(page.locator(".tw-lead").filter(visible=True)).to_contain_text("Nothing to share yet.")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    until_quiet(page, asked)
    page.wait_for_timeout(9000)  # longer than any timer of the page
    assert not asked

    # A job that another window or the command line queued.
    workspace = open_workspace(Settings(home=app.home))
    [project] = workspace.projects()
    workspace.add_job(project.id, "train", "quick", {}, state="started")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".tw-checklist .tw-now")).to_contain_text("running …")
