"""What is made from the code is current: the tree in README.md, docs/commands.md; and the Space's front matter."""

from __future__ import annotations

import re

import pytest

from tests.documents import ROOT, gloss, tree, written


@pytest.mark.parametrize("name", ["README.md", "docs/commands.md"])
def test_documents_are_as_the_code_makes_them(name):
    assert (ROOT / name).read_text(encoding="utf-8") == written()[name], "run: python -m tests.documents"


def test_every_module_says_what_it_is():
    """A sentence that a newcomer reads in the tree; none is empty, none is cut off."""
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "ui").rglob("*.py")]:
        assert gloss(path), path
    for line in tree().split("\n"):
        assert len(line) < 120, f"shorten the first sentence: {line}"


def test_the_space_runs_the_gradio_that_is_tested():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    version = re.search(r"^sdk_version: (\S+)$", readme, re.M).group(1)
    lower = re.search(r"^gradio>=([\d.]+),", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M).group(1)
    assert version.startswith(lower)
    assert re.search(r'^python_version: "?3\.12\.12"?$', readme, re.M)
