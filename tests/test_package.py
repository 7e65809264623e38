"""`pip install .` brings what the checkout has (modules, migrations, style, samples), and it runs from anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from core.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("app.py", "core", "ui", "assets", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")
USED = """
import sys
from pathlib import Path
import app
from core.data.actions import ensure_sample
from core.jobs.kinds import WORKERS
from core.settings import Settings
from core.store.workspace import open_workspace
from ui import shell
workspace = open_workspace(Settings(home=Path("home").absolute()))
ensure_sample(workspace)
assert workspace.versions(workspace.projects()[0].id)[0].counts["train"]
assert shell.launch_options()["favicon_path"].is_file()
assert Path(sys.argv[1]) in Path(app.__file__).parents
"""


def test_the_wheel_holds_the_tree_and_runs_from_anywhere(tmp_path):
    tree, empty = tmp_path / "tree", tmp_path / "empty"
    tree.mkdir()
    empty.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tree / part)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(tree)], check=True)
    (wheel,) = tmp_path.glob(f"tunewright-{VERSION}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        names = set(archive.namelist())
        points = archive.read(f"tunewright-{VERSION}.dist-info/entry_points.txt").decode()
    ours = [p for part in ("core", "ui", "assets") for p in (ROOT / part).rglob("*") if p.is_file()]
    wanted = {
        p.relative_to(ROOT).as_posix() for p in ours if "__pycache__" not in p.parts and "screenshots" not in p.parts
    }
    assert wanted | {"app.py"} <= names
    assert "tunewright = app:main" in points
    site = str(tmp_path / "site")
    subprocess.run([sys.executable, "-c", USED, site], cwd=empty, env={**os.environ, "PYTHONPATH": site}, check=True)
