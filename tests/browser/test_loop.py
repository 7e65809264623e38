"""A person walks the whole loop in a browser: rows, tokens, training (with a reload in it), evaluation, labels."""

from __future__ import annotations

import json
import re
import sqlite3

from playwright.sync_api import expect

from tests.browser.conftest import idle, open_app, resident, tab, unfold

HOSTILE = (
    "<script>window.hit=1</script> ${window.hit=2} {{window.hit}} "
    '<img src=x onerror="window.hit=3"> **bold** <|im_end|>'
)


def write_rows(path, hostile: bool = True):
    lines = [{"instruction": f"Say the number {i}.", "output": f"The number is {i}."} for i in range(40)]
    if hostile:
        lines[0] = {"instruction": HOSTILE, "output": HOSTILE}
        lines.append({"instruction": "unanswered", "output": ""})
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


def import_rows(page, path, project: str = "Mine"):
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name of the new project").fill(project)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.locator(".tw-checklist")).to_contain_text("no rows yet")
    tab(page, "Data")
    page.locator("#tw-file input[type=file]").set_input_files(path)
    button = page.locator("#tw-import-button")
    expect(button).to_contain_text("Import 40 rows")
    button.click()
    expect(page.locator(".tw-lead").first).to_contain_text("40 rows: 32 to train, 4 to validate, 4 to test.")


def set_training(page, model, epochs: int, length: str = ""):
    """The tiny model and so many passes."""
    tab(page, "Training")
    expect(page.locator(".tw-lead").filter(visible=True).first).to_contain_text("32 rows × 3 epochs")
    box = page.get_by_role("tabpanel").filter(visible=True).get_by_label("Model").first
    box.fill(str(model))
    box.press("Enter")
    unfold(page, "group-basic")
    if length:
        expect(page.locator("#tw-set-max_length input")).to_have_value(length)
    field = page.locator("#tw-set-epochs input")
    field.fill(str(epochs))
    field.press("Tab")
    expect(page.locator(".tw-lead").filter(visible=True).first).to_contain_text(f"32 rows × {epochs} epochs")


def test_the_sample_project_is_there(page):
    expect(page.locator(".tw-lead").first).to_contain_text("403 rows: 323 to train, 40 to validate, 40 to test.")
    expect(page.locator("#tw-rows")).to_contain_text("Marrowby")
    expect(page.locator(".tw-hint")).to_contain_text("Next: look at a row in Tokens")
    page.get_by_label("Search").fill("M-17")
    page.get_by_label("Search").press("Enter")
    expect(page.locator("#tw-rows tbody tr").first).to_contain_text("M-17")


def test_bad_files_are_a_sentence(page, tmp_path):
    page.get_by_role("button", name="Import rows").click()
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "a", "answer": "b"}\n{"prompt": <script>alert(1)</script>', encoding="utf-8")
    page.locator("#tw-file input[type=file]").set_input_files(bad)
    note = page.locator(".tw-note.tw-error")
    expect(note).to_contain_text("line 2, character 12: broken JSON")
    expect(note).to_contain_text("<script>")
    expect(page.locator("body")).not_to_contain_text("Traceback")


def test_the_whole_loop(page, app, tmp_path, tiny_model_folder):
    import_rows(page, write_rows(tmp_path / "rows.jsonl"))
    see_rows_as_text(page)
    look_at_tokens(page, tiny_model_folder)
    train_with_a_reload(page, app, tiny_model_folder)
    measure(page)
    label_by_keys_and_mouse(page, app)
    learn_from_the_correction(page)
    rest(page, app)


def see_rows_as_text(page):
    """Hostile text is text, the empty answer is reported."""
    expect(page.locator("#tw-rows")).to_contain_text("<script>window.hit=1</script> ${window.hit=2} {{window.hit}}")
    page.get_by_role("button", name=re.compile("What import found")).click()
    expect(page.locator(".tw-problems").filter(visible=True)).to_contain_text("The answer is empty.")


def look_at_tokens(page, model):
    """Tokens, of the same row."""
    tab(page, "Tokens")
    panel = page.get_by_role("tabpanel").filter(visible=True)
    box = panel.get_by_label("Model").first
    box.fill(str(model))
    box.press("Enter")
    expect(panel.locator(".tw-lead")).to_contain_text("32 of 32 rows are trained")
    expect(panel.locator("#tw-token-view .tw-trained").first).to_be_visible()
    expect(panel.locator("#tw-token-view .tw-trained.tw-special")).to_have_count(1)
    assert re.search(r"id \d+ · piece", panel.locator("#tw-token-view .tw-token").first.get_attribute("title"))
    expect(panel.locator(".tw-problems")).to_contain_text("<|im_end|>")
    length = page.locator("#tw-max-length input[type=number]")
    length.fill("30")
    length.press("Enter")
    length.blur()
    expect(panel.locator("#tw-token-view .tw-cut").first).to_be_visible()
    expect(panel.locator("#tw-cut")).to_contain_text("At 30 tokens")
    length.fill("300")
    length.blur()
    expect(panel.locator("#tw-token-view .tw-cut")).to_have_count(0)
    row = page.locator("#tw-token-row input")
    expect(row).to_have_value("1")
    panel.locator(".tw-legend").click()
    page.keyboard.press("n")
    expect(row).to_have_value("2")
    page.keyboard.press("ArrowLeft")
    expect(row).to_have_value("1")
    page.get_by_role("button", name="Compare with another").click()
    expect(page.locator("#tw-token-other .tw-token").first).to_be_visible()
    page.locator("#tw-use-length").click()
    expect(panel.locator("#tw-cut")).to_contain_text("The Training tab now has a maximum length of 300 tokens.")


def train_with_a_reload(page, app, model):
    """Training, with a reload in its middle."""
    set_training(page, model, 50, length="300")
    page.locator("#tw-start").click()
    expect(page.locator("#tw-train-bar")).to_contain_text(re.compile(r"Step \d+ of 200"), timeout=90_000)
    see_the_curve_alone(page)
    open_app(page, app)
    tab(page, "Training")
    expect(page.locator("#tw-train-bar")).to_contain_text(re.compile(r"Step \d+ of 200|Finished"), timeout=30_000)
    expect(page.locator("#tw-train-bar")).to_contain_text("Finished.", timeout=120_000)
    expect(page.locator("#tw-loss .js-plotly-plot")).to_be_visible()
    expect(page.locator("#tw-train-log")).to_contain_text("validation loss")

    expect(page.locator(".tw-checklist")).to_contain_text("not measured yet")
    expect(page.locator(".tw-hint")).to_contain_text("Next: measure base against tuned")


def measure(page):
    """Base against tuned, on the test rows."""
    tab(page, "Evaluation")
    page.locator("#tw-evaluate").click()
    expect(page.locator("#tw-evaluate-bar")).to_contain_text("Finished", timeout=120_000)
    expect(page.locator("#tw-result")).to_contain_text("Token F1")
    expect(page.locator("#tw-result")).to_contain_text("logits differ from the plain model's by 0;")


def label_by_keys_and_mouse(page, app):
    """Error review, by keys and by mouse; what was stored outlives a reload."""
    tab(page, "Error review")
    expect(page.locator('[data-text="a"]')).not_to_be_empty()
    page.locator("[data-blind]").uncheck()
    expect(page.locator('[data-side="b"] h2')).to_contain_text("Tuned")
    offtopic = page.locator('[data-side="b"] [data-label="off_topic"]')
    expect(offtopic).to_have_attribute("aria-pressed", "false")
    page.locator('[data-text="prompt"]').click()
    page.keyboard.press("4")
    expect(offtopic).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-saved]")).to_contain_text("stored")
    page.keyboard.press("b")
    page.keyboard.press("c")
    page.locator("[data-correction]").fill("As it should be: ${window.hit=4} <b>x</b>")
    page.locator("[data-correction]").press("Escape")
    expect(page.locator("[data-count]")).to_contain_text("1 labelled")
    wait_for(lambda: "As it should be" in stored(app)[-1]["correction"])
    open_app(page, app)
    tab(page, "Error review")
    expect(page.locator("[data-count]")).to_contain_text("1 labelled")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export the labels").click()
        page.locator("#tw-download-labels").click()
    [row] = [json.loads(line) for line in download.value.path().read_text(encoding="utf-8").splitlines()]
    assert row["verdict"] == "tuned"
    assert row["tuned_off_topic"] == "present"
    assert row["correction"] == "As it should be: ${window.hit=4} <b>x</b>"


def learn_from_the_correction(page):
    """The correction becomes a training row of version 2, and the tabs show that version."""
    expect(page.locator("#tw-learn")).to_contain_text("1 corrected answer is not trained yet.")
    expect(page.locator("#tw-learn")).to_contain_text("3 of 4 test rows remain.")
    page.locator("#tw-learn-button").click()
    expect(page.locator("#tw-learn")).to_be_hidden()
    expect(page.locator("#tw-aside")).to_contain_text("version 2")
    tab(page, "Data")
    expect(page.locator(".tw-lead").filter(visible=True).first).to_contain_text("Corrected in the Error review: 1.")
    page.get_by_label("Search").fill("As it should be")
    page.get_by_label("Search").press("Enter")
    expect(page.locator("#tw-rows tbody tr")).to_have_count(1)
    expect(page.locator("#tw-rows tbody tr .tw-train")).to_be_visible()
    assert page.evaluate("window.hit") is None


def rest(page, app):
    """After all that the page's process is light, and rests when nobody looks."""
    page.goto("about:blank")
    memory, share = resident(app), idle(app)
    print(f"resident after the loop: {memory / 1e6:.0f} MB; idle: {share:.1%} of a core")
    assert memory < 300e6
    assert share < 0.03  # below 0.01 on a quiet machine


def see_the_curve_alone(page):
    """While a run goes on the form is one line that can be opened, and the curve takes the whole width."""
    expect(page.locator("#tw-start")).not_to_be_visible()
    expect(page.locator("#tw-train-form > button")).to_contain_text("New run: ")
    curve, whole = page.locator("#tw-loss").bounding_box(), page.locator("#tw-tabs").bounding_box()
    assert curve["width"] > 0.97 * whole["width"]
    stop = page.locator("button#tw-stop, #tw-stop button").first
    assert stop.evaluate("b => b.scrollWidth <= b.clientWidth")
    page.locator("#tw-train-form > button").click()
    expect(page.locator("#tw-start")).to_be_visible()
    page.locator("#tw-train-form > button").click()


def test_killing_the_app_leaves_the_run_training(page, app, tmp_path, tiny_model_folder, browser):
    import_rows(page, write_rows(tmp_path / "rows.jsonl", hostile=False))
    set_training(page, tiny_model_folder, 50)
    page.locator("#tw-start").click()
    expect(page.locator("#tw-train-bar")).to_contain_text(re.compile(r"Step \d+ of 200"), timeout=90_000)
    page.goto("about:blank")  # the page would complain of the server it lost
    app.kill()
    [log] = app.home.glob("projects/*/jobs/*/events.jsonl")
    before = log.stat().st_size
    wait_for(lambda: log.stat().st_size > before)
    app.start()
    again = browser.new_page()
    open_app(again, app)
    tab(again, "Training")
    expect(again.locator("#tw-train-bar")).to_contain_text(re.compile(r"Step \d+ of 200|Finished"), timeout=30_000)
    expect(again.locator("#tw-train-bar")).to_contain_text("Finished.", timeout=120_000)
    again.close()


def stored(app) -> list[dict]:
    database = sqlite3.connect(app.home / "tunewright.db")
    database.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in database.execute("select * from label_events order by id")]
    finally:
        database.close()


def wait_for(condition, seconds: float = 30) -> None:
    import time

    until = time.time() + seconds
    while not condition():
        assert time.time() < until, "it did not happen in time"
        time.sleep(0.1)
