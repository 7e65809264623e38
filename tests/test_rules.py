"""The four rules that the code is built on (core/, ui/ and what they may know), as tests."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [ROOT / "app.py", *sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "ui").rglob("*.py"))]
HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "accelerate", "lm_eval", "gradio", "plotly", "pandas"}


def imports(path: Path, top_only: bool = False) -> set[str]:
    """Names of the packages a file imports; `top_only`: outside functions and TYPE_CHECKING blocks."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _top_level(tree) if top_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def _top_level(tree: ast.Module):
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node


def test_imports_point_one_way():
    """Rule 1: app → ui → core; core knows no page library, ui no model library."""
    for path in SOURCES:
        room, used = path.relative_to(ROOT).parts[0], imports(path)
        if room == "core":
            assert not used & {"gradio", "plotly", "ui", "app"}, path
        if room == "ui":
            assert not used & {"torch", "transformers", "peft", "trl", "lm_eval", "app"}, path
            assert "gradio" in used or "plotly" in used or path.stem in NO_PAGE, path


NO_PAGE = {"__init__", "markup", "text", "watching", "launch"}


def test_heavy_libraries_load_inside_functions():
    """Rule 1: nothing of core pulls in a model library at import, except the callback that subclasses one."""
    # Loaded by the worker, or inside the function that installs them.
    allowed = {f"core/training/{name}.py" for name in ("reporting", "trainer", "preference")}
    allowed |= {f"core/kernels/{name}.py" for name in ("attention", "linear", "loss", "mlp", "norm", "rotary")}
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("core/") and name not in allowed:
            assert not imports(path, top_only=True) & HEAVY, name


def test_core_is_imported_without_model_or_page_libraries():
    """Rule 1, in a fresh interpreter: the command line and the pages' core start light."""
    code = "import core.loop, core.__main__, sys; print(sorted(m for m in sys.modules if '.' not in m))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not set(ast.literal_eval(out)) & HEAVY


def test_only_rendering_turns_rows_into_ids():
    """Rule 2: no other module applies a chat template to a person's rows; lm-eval's own prompts are no rows."""
    callers = [p for p in SOURCES if "tokenizer.apply_chat_template(" in p.read_text(encoding="utf-8")]
    names = [p.relative_to(ROOT).as_posix() for p in callers]
    assert names == ["core/evaluation/packed_lm.py", "core/rendering.py"]


def test_preview_trainer_scorer_and_generator_see_equal_ids(tiny_tokenizer):
    """Rule 2: one row, four users, the same ids."""
    from core.rendering import prompt_ids, render
    from core.tokens.preview import preview
    from core.training.rows import to_rows
    from core.types import Example

    example = Example(({"role": "user", "content": "the cat <|im_end|> sat"},), "on the mat", 1)
    for max_length in (None, 20):
        rendered = render(example, tiny_tokenizer, max_length)
        shown = preview(example, tiny_tokenizer, max_length)
        assert [t.id for t in shown.tokens if not t.cut] == list(rendered.ids)
        assert [t.trained for t in shown.tokens if not t.cut] == list(rendered.trained)
        if rendered.trainable:
            trained = to_rows([example], tiny_tokenizer, max_length or 512)
            assert trained.rows == [(rendered.ids, rendered.trained)]
    whole = render(example, tiny_tokenizer)
    assert prompt_ids(example, tiny_tokenizer) == whole.ids[: whole.prompt_length]


def test_only_the_worker_trains():
    """Rule 3: training is a process of its own; nothing else calls a trainer or an optimizer."""
    pattern = re.compile(r"\.backward\(|Trainer\(|\.train\(resume")
    users = [p.relative_to(ROOT).as_posix() for p in SOURCES if pattern.search(p.read_text(encoding="utf-8"))]
    assert users == [f"core/training/{name}.py" for name in ("preference", "trainer", "worker")]


def test_no_pipe_to_a_worker():
    """Rule 3: a worker's output goes to a file; a pipe that only a page drains would stall it."""
    for path in SOURCES:
        assert "subprocess.PIPE" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("table", ["dataset_versions", "label_events"])
def test_what_a_person_made_is_never_overwritten(table):
    """Rule 4: no statement of ours updates or deletes versions or labels."""
    pattern = re.compile(rf"{table}(\.c)?[\w.()]*\.(update|delete)\(|(delete|update)\((tables\.)?{table}\b")
    for path in SOURCES:
        assert not pattern.search(path.read_text(encoding="utf-8")), path
    aliased = [p for p in SOURCES if re.search(r"table\.delete\(", p.read_text(encoding="utf-8"))]
    assert not aliased


def test_no_code_from_model_repositories():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "trust_remote_code=True" not in text, path
        assert "pickle" not in imports(path), path


def test_readme_names_what_is_there():
    """The tree in README.md and the Space's front matter tell the truth."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"^([\w./]+\.py|\w+/)\s{2,}", readme, re.M):
        assert (ROOT / path).exists(), path
    version = re.search(r"^sdk_version: (\S+)$", readme, re.M).group(1)
    lower = re.search(r"^gradio>=([\d.]+),", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M).group(1)
    assert version.startswith(lower)
    assert re.search(r'^python_version: "?3\.12\.12"?$', readme, re.M)
