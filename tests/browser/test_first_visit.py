"""On a fresh machine everybody opens every tab while the starter model is still being fetched: nothing breaks."""

from __future__ import annotations

import shutil
import time

import pytest
from filelock import FileLock
from playwright.sync_api import expect

from core.models import starter
from tests.browser.conftest import App, open_app, tab
from ui import text


@pytest.mark.starter
def test_all_tabs_at_once_on_an_empty_home(browser, tmp_path, starter_models):
    home = tmp_path / "home"
    models = home / "models"
    models.mkdir(parents=True)
    app = App(home)
    try:
        visit(browser, app, models, starter_models)
    finally:
        app.kill()
    log = (home / "app.log").read_text()
    assert "Traceback" not in log, log[-3000:]


def visit(browser, app, models, starter_models):
    pages = [browser.new_page() for _ in text.TABS]
    # Whoever holds this lock is fetching the model: all others wait for it.
    with FileLock(models / "starter.lock"):
        app.start()
        for page, name in zip(pages, text.TABS, strict=True):
            open_app(page, app)
            tab(page, name)
        waiting = pages[text.TABS.index("Tokens")]
        expect(waiting.locator("body")).to_contain_text("Waiting for the starter model, which is being fetched …")
        training = pages[text.TABS.index("Training")]
        expect(training.locator("#tw-takes")).to_contain_text("134.5 M parameters", timeout=120_000)
        shutil.copytree(starter.folder(starter_models), starter.folder(models))
    expect(waiting.locator("#tw-token-view .tw-trained").first).to_be_visible(timeout=120_000)
    tab(training, "Tokens")
    tab(training, "Training")
    time.sleep(2)
    for page in pages:
        assert page.get_by_text("A bug").count() == 0
        page.close()
