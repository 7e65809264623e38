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
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


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
            assert used & {"gradio", "plotly"} or path.stem in NO_PAGE or path.parent.name == "html", path


FLOORS = [
    *("errors", "version", "questions", "types", "settings", "wording", "reasoning", "disk", "files", "records"),
    *("cells", "statistics", "store", "jobs", "endpoint", "engine", "models", "data", "tokens", "training"),
    *("review", "checking", "chat", "judge", "augmentation", "evaluation", "sharing", "cli", "__main__"),
]
"""Rooms of core/ from the ground up: each may import only from those before it, and from itself."""


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path) -> set[str]:
    """Modules of core/ and ui/ that a file imports, inside functions and for type checkers too."""
    known = {module_name(p) for p in SOURCES}
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {
                f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in known else node.module for a in node.names
            }
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known


def test_rooms_import_only_from_lower_floors():
    rooms = {p.stem for p in (ROOT / "core").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert rooms - {"__init__"} == set(FLOORS)
    for path in SOURCES:
        name = module_name(path).split(".")
        if name[0] != "core" or len(name) == 1:
            continue
        for target in imported_modules(path) - {"core"}:
            if target.startswith("core."):
                assert FLOORS.index(target.split(".")[1]) <= FLOORS.index(name[1]), f"{path}: {target}"


def test_no_circle_of_imports():
    """Neither between rooms nor inside one, pages included."""
    imported = {module_name(p): imported_modules(p) - {module_name(p)} for p in SOURCES if p.stem != "__init__"}
    left = dict(imported)
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"a circle among {sorted(left)}"


NO_PAGE = {
    "__init__",
    "quick_gradio",
    "checklist",
    "text",
    "watching",
    "launch",
    "wall",
    "desk",
    "routes",
    "totals",
    "item",
    "table",
}


def test_heavy_libraries_load_inside_functions():
    """Rule 1: nothing of core pulls in a model library at import, except the callback that subclasses one."""
    # Loaded by the worker, or inside the function that installs them.
    allowed = {f"core/training/{name}.py" for name in ("callbacks", "trainer", "preference")}
    allowed |= {f"core/engine/kernels/{name}.py" for name in ("attention", "linear", "loss", "mlp", "norm", "rotary")}
    allowed.add("core/models/batching.py")
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("core/") and name not in allowed:
            assert not imports(path, top_only=True) & HEAVY, name


def test_core_is_imported_without_model_or_page_libraries():
    """Rule 1, in a fresh interpreter: the command line and the pages' core start light."""
    code = "import core.cli.main, sys; print(sorted(m for m in sys.modules if '.' not in m))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not set(ast.literal_eval(out)) & HEAVY


def test_only_rendering_turns_rows_into_ids():
    """Rule 2: no other module applies a chat template to a person's rows; lm-eval's own prompts are no rows."""
    callers = [p for p in SOURCES if "tokenizer.apply_chat_template(" in p.read_text(encoding="utf-8")]
    names = [p.relative_to(ROOT).as_posix() for p in callers]
    assert names == ["core/engine/templates.py", "core/evaluation/benchmarks/packed_lm.py"]


def test_preview_trainer_scorer_and_generator_see_equal_ids(tiny_tokenizer):
    """Rule 2: one row, four users, the same ids."""
    from core.engine.rendering import prompt_ids, render
    from core.tokens.preview import preview
    from core.tokens.rows import to_rows
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
    turns = (*example.messages, {"role": "assistant", "content": "ran"}, *example.messages)
    several = Example(turns, "sat", 2)
    rendered = render(several, tiny_tokenizer)
    assert len(rendered.spans) == 2
    assert [t.trained for t in preview(several, tiny_tokenizer).tokens] == list(rendered.trained)
    assert to_rows([several], tiny_tokenizer, 512).rows == [(rendered.ids, rendered.trained)]
    assert prompt_ids(several, tiny_tokenizer) == rendered.ids[: rendered.prompt_length]
    whole = render(example, tiny_tokenizer)
    assert prompt_ids(example, tiny_tokenizer) == whole.ids[: whole.prompt_length]


def test_only_the_worker_trains():
    """Rule 3: training is a process of its own; nothing else calls a trainer or an optimizer."""
    pattern = re.compile(r"\.backward\(|Trainer\(|\.train\(resume")
    users = [p.relative_to(ROOT).as_posix() for p in SOURCES if pattern.search(p.read_text(encoding="utf-8"))]
    assert users == [f"core/training/{name}.py" for name in ("preference", "trainer", "worker")]


def test_no_pipe_to_a_worker():
    """Rule 3: a worker's output goes to a file; a pipe that only a page drains would stall it.

    The one process with pipes is no worker: it answers the app's questions and ends with it.
    """
    users = [p.relative_to(ROOT).as_posix() for p in SOURCES if "subprocess.PIPE" in p.read_text(encoding="utf-8")]
    assert users == ["core/models/process.py"]


MODEL_LIBRARIES = {"torch", "transformers", "tokenizers", "peft", "trl", "datasets", "accelerate", "lm_eval"}
OPEN_ALL_TABS = """
import sys
from pathlib import Path
from core.data import actions as data_actions
from core.settings import Settings
from core.store.workspace import open_workspace
from ui import shell

workspace = open_workspace(Settings(home=Path(sys.argv[1])))
data_actions.ensure_sample(workspace)
page = shell.build(workspace)
given = {"Project": workspace.projects()[0].id, "Model": sys.argv[2]}
opened = [f for f in page.fns.values() if any(event == "select" for _, event in f.targets)]
for f in opened:
    f.fn(*[given.get(getattr(i, "label", None), getattr(i, "value", None)) for i in f.inputs])
print(len(opened), sorted(m for m in sys.modules if "." not in m))
"""


def test_the_pages_process_loads_no_model_library(tiny_model_folder, tmp_path):
    """Rule 1, in a fresh interpreter: the page is built and each of its tabs is opened on rows."""
    command = [sys.executable, "-c", OPEN_ALL_TABS, str(tmp_path), str(tiny_model_folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, modules = done.stdout.strip().split("\n")[-1].split(" ", 1)
    assert int(count) >= 12  # each of six tabs at least looks, and says that it is open
    assert not set(ast.literal_eval(modules)) & MODEL_LIBRARIES


@pytest.mark.parametrize("table", ["dataset_versions", "label_events", "project_labels"])
def test_what_a_person_made_is_never_overwritten(table):
    """Rule 4: no statement of ours updates or deletes versions or labels."""
    for path in SOURCES:
        assert not changes(path.read_text(encoding="utf-8"), table), path


def test_a_change_of_a_table_is_seen_in_every_way_of_writing_it():
    """The rule above can fail: the idioms of this code and of SQLAlchemy are all seen."""
    for text in (
        "tables.label_events.update()",
        "table = tables.label_events\ndb.execute(table.update().where(x))",
        "from core.store.tables import label_events\nlabel_events.delete()",
        "from core.store.tables import label_events as made\nmade.delete()",
        "sa.update(tables.label_events)",
        "sa.delete(label_events)",
        "t = u = tables.label_events\nsa.update(u)",
        "(t := tables.label_events).delete()",
        "db.execute(sa.text('DELETE FROM label_events'))",
        "db.exec_driver_sql('update label_events set note = 1')",
    ):
        assert changes(text, "label_events"), text
    for text in (
        "table = tables.jobs\ntable.update()",
        "tables.label_events.insert()",
        "sa.select(tables.label_events)",
    ):
        assert not changes(text, "label_events"), text


def changes(text: str, table: str) -> bool:
    """Does a module update or delete rows of a table: through any name that it gives it, or in SQL?"""
    tree = ast.parse(text)
    names = {table}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {a.asname for a in node.names if a.name == table and a.asname}

    def is_it(node) -> bool:
        if isinstance(node, ast.NamedExpr):
            return is_it(node.value)
        return (isinstance(node, ast.Attribute) and node.attr == table) or (
            isinstance(node, ast.Name) and node.id in names
        )

    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.NamedExpr) and is_it(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {t.id for t in targets if isinstance(t, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.search(rf"\b(update|delete\s+from)\s+[\"'`]?{table}\b", node.value, re.I):
                return True
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            owner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
            if called in ("update", "delete") and any(is_it(n) for n in (*owner, *node.args)):
                return True
    return False


def test_no_code_from_model_repositories():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "trust_remote_code=True" not in text, path
        assert "pickle" not in imports(path), path
