"""The Training form in a browser: settings come and go with the method, the rate follows, a run can be saved."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import expect

from core.cli.main import main
from tests.browser.conftest import choose, tab, unfold
from tests.browser.test_loop import import_rows, write_rows


def rate(page):
    return page.locator("#tw-set-learning_rate input")


def load(page, path):
    with page.expect_file_chooser() as chooser:
        page.locator("#tw-spec-load").click()
    chooser.value.set_files(path)


def test_the_form_follows_the_method(page):
    tab(page, "Training")
    expect(page.locator("#tw-takes")).to_contain_text("LoRA trains 4.9 M of 134.5 M parameters", timeout=120_000)
    expect(page.locator("#tw-methods > button")).to_contain_text("Methods compared: LoRA, about ")
    unfold(page, "methods")
    table = page.locator(".tw-methods")
    expect(table.locator("tbody tr")).to_have_count(9)
    expect(table.locator(".tw-chosen")).to_contain_text("LoRA")
    expect(page.locator("#tw-set-rank")).not_to_be_visible()
    unfold(page, "group-basic")
    unfold(page, "group-method")
    expect(page.locator("#tw-set-rank")).to_be_visible()
    expect(page.locator("#tw-set-virtual_tokens")).not_to_be_visible()

    choose(page, "Method", "Prompt tuning")
    expect(page.locator("#tw-set-virtual_tokens")).to_be_visible()
    expect(page.locator("#tw-set-rank")).not_to_be_visible()
    expect(rate(page)).to_have_value("0.03")
    expect(table.locator(".tw-chosen")).to_contain_text("Prompt tuning")
    choose(page, "What is learnt", "Preferred over rejected answers")
    expect(page.locator("#tw-set-preference_beta")).to_be_visible()
    expect(rate(page)).to_have_value("0.0015")

    rate(page).fill("0.02")
    rate(page).press("Tab")
    expect(page.locator("#tw-group-basic > button")).to_contain_text("learning rate 0.02,")
    choose(page, "Method", "LoRA")
    expect(page.locator("#tw-set-rank")).to_be_visible()
    expect(rate(page)).to_have_value("0.02")  # typed, so it stays
    page.get_by_label("Thorough").check()
    expect(page.locator("#tw-set-rank input")).to_have_value("32")
    expect(rate(page)).to_have_value("0.000015")  # of this preset, for preferences
    expect(page.locator("#tw-set-preference_beta")).to_be_visible()
    expect(page.locator("#tw-group-method > button")).to_contain_text("Method: LoRA, adapter rank 32")
    expect(page.locator("#tw-train-form > button")).to_contain_text(
        "New run: SmolLM2 135M Instruct (starter), thorough"
    )


def test_a_saved_specification_runs_on_the_command_line(page, app, tmp_path, tiny_model_folder, monkeypatch, capsys):
    import_rows(page, write_rows(tmp_path / "rows.jsonl", hostile=False))
    tab(page, "Training")
    box = page.get_by_role("tabpanel").filter(visible=True).get_by_label("Model").first
    box.fill(str(tiny_model_folder))
    box.press("Enter")
    unfold(page, "group-basic")
    unfold(page, "methods")
    expect(page.locator(".tw-methods tbody tr")).to_have_count(9, timeout=120_000)
    page.get_by_label("Labels").check()
    expect(page.locator("#tw-set-batch_size input")).to_have_value("16")
    page.locator("#tw-set-epochs input").fill("2")
    page.locator("#tw-set-epochs input").press("Tab")
    unfold(page, "spec")
    expect(page.locator("#tw-spec .cm-content")).to_contain_text('"epochs": 2')
    with page.expect_download() as download:
        page.locator("#tw-spec-save").click()
    assert download.value.suggested_filename == "run-spec.json"
    path = download.value.path()
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert saved["model"] == str(tiny_model_folder)
    assert (saved["settings"]["epochs"], saved["settings"]["batch_size"]) == (2, 16)

    monkeypatch.setenv("TUNEWRIGHT_HOME", str(app.home))
    assert main(["train", "--spec", str(path), "--json", "--project", "Mine"]) == 0
    folder = json.loads(capsys.readouterr().out)["folder"]
    run = json.loads(Path(folder, "spec.json").read_text(encoding="utf-8"))
    assert run["settings"] == saved["settings"]
    assert run["dataset_version"] == saved["dataset_version"]

    # Back into the form, with a change; and what is no specification is refused
    saved["settings"] |= {"method": "dora", "epochs": 9, "learning_rate": 0.002}
    other = tmp_path / "other.json"
    other.write_text(json.dumps(saved), encoding="utf-8")
    load(page, other)
    expect(page.locator("#tw-set-epochs input")).to_have_value("9")
    expect(rate(page)).to_have_value("0.002")
    expect(page.locator(".tw-methods .tw-chosen")).to_contain_text("DoRA")
    other.write_text('{"model": "starter", "settings": {"speed": 9}}', encoding="utf-8")
    load(page, other)
    expect(page.locator("body")).to_contain_text("There is no setting “speed”")
    expect(page.locator("#tw-set-epochs input")).to_have_value("9")
