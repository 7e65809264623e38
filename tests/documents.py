"""What of README.md and docs/ is made from the code: the tree, and the help of every command.

`python -m tests.documents` writes it anew; tests/test_documents.py fails where it is stale.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
OTHERS = {"assets": "style, shortcuts, samples, screenshots", "docs": "architecture, statistics, experiments, commands"}


def written() -> dict[str, str]:
    """File → what it should hold."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.compile(r"(## What is where\n\n```\n).*?(\n```)", re.S)
    return {
        "README.md": block.sub(lambda found: found[1] + tree() + found[2], readme),
        "docs/commands.md": commands(),
    }


def tree() -> str:
    """Rooms and modules with the first sentence of each docstring."""
    lines = [("app.py", gloss(ROOT / "app.py"))]
    for top in ("core", "ui"):
        lines.append((f"{top}/", gloss(ROOT / top / "__init__.py")))
        for path in sorted((ROOT / top).iterdir()):
            if path.suffix == ".py" and path.stem != "__init__":
                lines.append((f"  {path.name}", gloss(path)))
            elif (path / "__init__.py").is_file():
                lines.append((f"  {path.name}/", gloss(path / "__init__.py")))
    lines += [(f"{folder}/", text) for folder, text in OTHERS.items()]
    lines.append(("tests/", "the same paths as core/ and ui/; browser tests; performance (prints, does not assert)"))
    return "\n".join(f"{name:<20}{text}".rstrip() for name, text in lines)


def gloss(path: Path) -> str:
    """The first sentence of a module's docstring, without its full stop."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[a-z`)\"])\. |\.$", text)[0]


def commands() -> str:
    """The help of every command, as `--help` prints it in a terminal of 102 columns, whatever this one has."""
    from core.cli.main import parsers

    with mock.patch.dict(os.environ, COLUMNS="102"):
        parts = {name: parser.format_help().rstrip() for name, parser in parsers().items()}
    return "# The command line\n\nMade by `python -m tests.documents`.\n" + "".join(
        f"\n## {name}\n\n```\n{text}\n```\n" for name, text in parts.items()
    )


if __name__ == "__main__":
    for name, text in written().items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
        print(f"Wrote {name}.")
