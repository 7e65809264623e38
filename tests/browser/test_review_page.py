"""The Error review in a browser: keys, blind sides, marked places, a lost connection; two people who were invited."""

from __future__ import annotations

import json
import re
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import expect

from core.data import actions as data_actions
from core.jobs.status import write_outcome
from core.review import labels
from core.settings import Settings
from core.store.workspace import open_workspace
from core.types import Generation, Suggestion
from tests.browser.conftest import open_app, tab
from tests.core.evaluation.full_report import SPEC, read

AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js"))
HUNDRED_AND_TWENTY = " ".join(["The harbour master keeps a ledger of every vessel."] * 13 + ["Recieve it."])
ODD = (
    "<script>window.hit=1</script><img src=x onerror=window.hit=1>",
    " \n\t ",
    "مرحبا بالعالم",
    "👩‍👩‍👧 ok",
    "long " * 20_000,
)


@pytest.fixture
def review(app):
    """(workspace, evaluation) of 12 rows with two answers each; five of them are odd."""
    workspace = open_workspace(Settings(home=app.home))
    project = workspace.create_project("Harbour")
    rows = app.home / "rows.jsonl"
    lines = [{"instruction": f"What is in ledger {i}?", "output": f"Ships of year {i}."} for i in range(120)]
    rows.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    version, _ = data_actions.import_file(workspace, project.id, rows)
    spec = {**SPEC, "dataset_version": version.id, "rows_file": str(workspace.rows_file(version.id)), "seed": 0}
    job = workspace.add_job(project.id, "evaluate", "of run 1", spec, state="ended")
    folder = workspace.folder(job)
    (folder / "report.json").write_text(json.dumps(read({"spec": spec}).to_dict()))
    with open(folder / "generations.jsonl", "w") as answers, open(folder / "suggestions.jsonl", "w") as hints:
        for i, example in enumerate(workspace.examples(version.id, "test")):
            for side in ("base", "tuned"):
                text = ODD[i] if i < len(ODD) else f"{HUNDRED_AND_TWENTY} {side} {i}"
                answer = Generation(example.id, side, text, 120, "stop", 0.1)
                answers.write(json.dumps(answer.to_dict()) + "\n")
                if i >= len(ODD) and side == "base":
                    at = text.index("Recieve")
                    found = Suggestion(answer.id, "misspelling", 0.9, True, ((at, at + 7),), "No word.", "d-1", 0.5)
                    hints.write(json.dumps(found.to_dict()) + "\n")
    write_outcome(folder, "finished", "Finished.")
    return workspace, job


def desk_of(page):
    expect(page.locator('[data-text="a"]')).not_to_be_empty()
    return page.locator(".tw-desk")


def problems(page, where: str) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("where => axe.run(where)", where)["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]


def select(page, side: str, start: int, end: int) -> None:
    page.evaluate(
        """([side, start, end]) => {
            const text = document.querySelector(`[data-text="${side}"]`).firstChild, range = document.createRange();
            range.setStart(text, start); range.setEnd(text, end);
            getSelection().removeAllRanges(); getSelection().addRange(range);
        }""",
        [side, start, end],
    )


def test_one_person_at_the_desk(page, app, review):
    workspace, job = review
    page.set_viewport_size({"width": 1280, "height": 800})
    open_app(page, app)
    tab(page, "Error review")
    desk = desk_of(page)
    saved, key = page.locator("[data-saved]"), page.keyboard

    # An item of 120 words fits the screen, and no text of it scrolls.
    box = desk.bounding_box()
    assert box["y"] + box["height"] <= 800 and page.evaluate("scrollY") == 0
    for side in "ab":
        assert page.locator(f'[data-text="{side}"]').evaluate("e => e.scrollHeight <= e.clientHeight + 1")

    # Labels by keys, three states; a marked place; the names after the verdict alone.
    key.press("2")
    key.press("Shift+Digit3")
    key.press("Shift+Digit3")
    select(page, "b", 4, 11)
    key.press("5")
    expect(saved).to_contain_text("stored")
    expect(page.locator('[data-side="a"] h2')).to_have_text(r"A 120 tokens")
    expect(page.locator('[data-side="b"] [data-spans]')).to_contain_text("Wrong fact “harbour”")
    assert problems(page, ".tw-desk") == []
    key.press("b")
    expect(page.locator('[data-side="a"] h2 span')).to_have_text(re.compile("Base|Tuned"))

    # A correction begun from an answer, with its difference; a note.
    key.press("c")
    page.locator('[data-start="b"]').click()
    key.press("ControlOrMeta+Home")
    key.type("Indeed: ")
    expect(page.locator("[data-edits] ins").first).to_contain_text("Indeed")
    key.press("Escape")
    key.press("m")
    key.type("a wrong name")
    key.press("Escape")
    expect(saved).to_contain_text("stored")

    # The next is there within a tenth of a second; U takes back.
    taken = page.evaluate(
        """async () => {
            const count = () => document.querySelector("[data-count]").textContent, before = count();
            const began = performance.now(), wait = () => new Promise((next) => setTimeout(next, 1));
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "n", code: "KeyN", bubbles: true }));
            while (count() === before && performance.now() - began < 5000) await wait();
            return performance.now() - began;
        }"""
    )
    print(f"the next item after {taken:.0f} ms")
    assert taken < 100
    key.press("4")
    expect(saved).to_contain_text("stored")
    expect(page.locator("[data-count]")).to_contain_text("2 labelled")
    key.press("u")
    expect(saved).to_contain_text("taken back")
    expect(page.locator("[data-count]")).to_contain_text("1 labelled")

    # Without the server nothing is lost, not even by a reload.
    page.route("**/label/store", lambda route: route.abort())
    key.press("4")
    expect(saved).to_contain_text("not stored: trying again")
    page.unroute("**/label/store")
    open_app(page, app)
    tab(page, "Error review")
    desk_of(page)
    expect(saved).to_contain_text("stored")
    standing = labels.current(workspace.engine, job.id)
    assert len(standing) == 2
    first = next(e for e in standing.values() if e.note)
    left, right = first.shown_order
    assert first.blind and first.verdict == right and first.note == "a wrong name"
    assert first.labels[left]["repetition"] == "present" and first.labels[right]["too_long"] == "unsure"
    assert first.spans == {right: {"wrong_fact": [(4, 11)]}} and first.correction.startswith("Indeed: The harbour")

    # Odd texts are shown as they are.
    page.locator("[data-filter]").select_option("all")
    page.locator("[data-search]").fill("onerror")
    page.locator("[data-search]").press("Enter")
    expect(page.locator('[data-text="a"]')).to_have_text(ODD[0])
    page.locator("[data-search]").fill("long long")
    page.locator("[data-search]").press("Enter")
    expect(page.locator('[data-text="b"]')).to_have_text(ODD[4])
    assert page.evaluate("window.hit") is None

    # What came of it, and every word of the tab for a screen reader.
    page.locator("#tw-totals > button").click()
    expect(page.locator("#tw-totals")).to_contain_text("2 of 12 rows are labelled")
    assert problems(page, "#tw-totals") == []


def test_two_people_who_were_invited(page, app, review, browser):
    workspace, job = review
    open_app(page, app)
    tab(page, "Error review")
    desk_of(page)
    page.locator("#tw-together > button").click()
    page.get_by_label("People who may come").fill("2")
    page.locator("#tw-invite").click()
    link = page.locator("#tw-invited code").inner_text()
    assert link.startswith(f"{app.url}/label#")

    people = []
    for name, width in (("Ada", 1280), ("Bob", 390)):
        opened = browser.new_context(viewport={"width": width, "height": 844}).new_page()
        opened.goto(link)
        opened.get_by_label("Your name").fill(name)
        opened.get_by_role("button", name="Begin").click()
        desk_of(opened)
        people.append(opened)
    ada, bob = people
    assert problems(bob, "body") == [] and problems(ada, "body") == []
    assert bob.evaluate("document.documentElement.scrollWidth") <= 390  # a phone: nothing sticks out
    for button in bob.locator("[data-verdict], [data-act=done]").all():
        box = button.bounding_box()
        assert box["height"] >= 44 and box["y"] + box["height"] <= 844

    # Both at once, until nothing is left: no item twice, none lost.
    for turn in range(12):
        for opened in people:
            if opened.locator(".tw-desk-bare").count() == 0 and opened.locator("[data-notice]").is_hidden():
                opened.locator(f'[data-verdict="{"ab"[turn % 2]}"]').click()
                opened.locator('[data-act="done"]').click()
                opened.wait_for_timeout(150)
    for opened in people:
        expect(opened.locator("[data-notice]")).to_contain_text("No further answer waits")
        expect(opened.locator("[data-saved]")).to_contain_text("stored")
    events = labels.of_each(labels.history(workspace.engine, job.id))
    assert len({e.example_id for e in events}) == len(events) == 12
    assert {e.annotator for e in events} == {"Ada", "Bob"}

    # They go on in their browser; taken back, the link opens nothing.
    ada.reload()
    expect(ada.locator("[data-notice]")).to_contain_text("Every answer is labelled")
    page.locator("#tw-revoke").click()
    expect(page.locator("#tw-invitations")).to_contain_text("revoked")
    ada.reload()
    expect(ada.get_by_role("alert")).to_contain_text("Your invitation was taken back")
    for opened in people:
        opened.context.close()
