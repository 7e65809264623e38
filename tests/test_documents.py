"""What is made from the code is current (the README's tree, docs/commands.md), and what is written names what is there:
paths, the Space's front matter, the tested set of packages.
"""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import SLOW
from tests.documents import ROOT, gloss, tree, written

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


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


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_path_and_link_of_a_page_is_there(page):
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:core|ui|tests|assets|docs)/[\w/.]*)`", text)
    links = [target for target in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in target]
    missing = [p for p in paths if not (ROOT / p).exists() and "VERB" not in p]
    missing += [target for target in links if not (page.parent / target).exists()]
    assert not missing
    assert page.name in ("CHANGELOG.md", "LICENSE.md", "commands.md") or paths, "the search above finds nothing"


def test_every_module_of_a_script_that_a_page_names_is_there():
    for page in PAGES:
        for module in re.findall(r"python -m (tests\.[\w.]+)", page.read_text(encoding="utf-8")):
            assert (ROOT / (module.replace(".", "/") + ".py")).is_file(), f"{page.name}: {module}"


def test_tests_named_slow_are_there():
    for name in SLOW:
        path, _, function = name.partition("::")
        assert (ROOT / path).exists(), name
        assert not function or f"def {function}(" in (ROOT / path).read_text(encoding="utf-8"), name


def test_the_lock_holds_what_the_requirements_ask():
    locked = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line and line[0].isalnum():
            name, version = line.split(";")[0].strip().split("==")
            locked[canonicalize_name(name)] = version
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
            if not line or line[0] in "#-":
                continue
            wanted = Requirement(line)
            if wanted.name == "pip":  # each environment keeps its own
                continue
            version = locked.get(canonicalize_name(wanted.name))
            assert version and wanted.specifier.contains(version), f"{line}: run make lock"


def test_the_lock_names_no_place():
    """Neither an index nor a folder: it serves every machine."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text and "--" not in text and " @ " not in text
