"""Make the pictures of README.md from the running app: python -m tests.screenshots [home folder]

The home folder should hold a project whose loop has been walked once, e.g. after `make demo`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from core.settings import from_environment
from tests.browser.conftest import CHROMIUM, App, open_app, tab

TARGET = Path(__file__).resolve().parents[1] / "assets" / "screenshots"
PICTURES = {"Tokens": "tokens", "Training": "training", "Evaluation": "evaluation", "Error review": "review"}


def main(home: Path) -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    os.environ.pop("PORT", None)
    app = App(home)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=["--no-sandbox"], viewport={"width": 1400, "height": 900}
        )
        app.start()
        try:
            page = context.new_page()
            open_app(page, app)
            for title, name in PICTURES.items():
                tab(page, title)
                page.wait_for_timeout(5000)
                page.screenshot(path=TARGET / f"{name}.png")
        finally:
            app.kill()
            context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else from_environment().home)
