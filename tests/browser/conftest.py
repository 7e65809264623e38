"""A real server, a real Chromium. Without a browser these tests are skipped, and say so; CI demands one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
# The shell without Chromium's own window opens a page in a third of the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser():
    expect.set_options(timeout=30_000)
    if CHROMIUM is None:
        if os.environ.get("TUNEWRIGHT_REQUIRE_BROWSER"):
            pytest.fail(
                "Chromium is missing, and TUNEWRIGHT_REQUIRE_BROWSER is set. Install “chromium-headless-shell”."
            )
        pytest.skip(
            "Chromium is not installed: the pages are not driven. Install “chromium-headless-shell” to run this."
        )

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


class App:
    """The app as a process of its own, over one home folder; it can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen | None = None
        self.url = ""

    def start(self, offline: bool = True) -> None:
        """`offline`: ask no Hub, as tests do that have none of their own."""
        port = _free_port()
        environment = {**os.environ, "TUNEWRIGHT_HOME": str(self.home), "PORT": str(port)}
        environment["HF_HUB_OFFLINE"] = str(int(offline))
        environment.pop("DISPLAY", None)
        with open(self.home / "app.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, stdout=log, stderr=log, env=environment
            )
        self.url = f"http://127.0.0.1:{port}"
        until = time.time() + 90
        while time.time() < until:
            try:
                urllib.request.urlopen(self.url, timeout=2)
                return
            except OSError:
                assert self.process.poll() is None, (self.home / "app.log").read_text()
                time.sleep(0.2)
        raise AssertionError(f"The app did not answer within 90 seconds: {(self.home / 'app.log').read_text()[-2000:]}")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def app(tmp_path, starter_models):
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(starter_models)
    started = App(home)
    started.start()
    yield started
    started.kill()


@pytest.fixture
def page(browser, app):
    """A page of the app. Errors of its scripts fail the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 950}, accept_downloads=True)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.set_default_timeout(60_000)
    open_app(opened, app)
    yield opened
    context.close()
    assert not [e for e in errors if "abort" not in e.lower()], errors


def open_app(page, app) -> None:
    page.goto(app.url)
    page.wait_for_selector("#tw-tabs button[role=tab]")
    page.wait_for_selector(".tw-checklist b")


def tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def unfold(page, name: str) -> None:
    """Open a fold of the Training form."""
    page.locator(f"#tw-{name} > button").click()


def choose(page, label: str, option: str) -> None:
    """Pick an option of one of Gradio's dropdowns by its visible text."""
    page.get_by_label(label, exact=True).last.click()
    page.get_by_role("option", name=option).first.click()


def resident(app) -> int:
    """Bytes of the page's process. What is loaded into it is looked at, too: none of it is a model library."""
    import psutil

    process = psutil.Process(app.process.pid)
    if hasattr(process, "memory_maps"):
        loaded = {Path(m.path).name for m in process.memory_maps() if m.path}
        assert not [name for name in loaded if name.startswith(("libtorch", "libc10", "libcuda"))]
    return process.memory_info().rss


def idle(app, seconds: float = 10) -> float:
    """Share of a core that the page's process takes while nobody looks. The first moments are its tidying up."""
    import psutil

    process = psutil.Process(app.process.pid)
    time.sleep(3)
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - before) / seconds
