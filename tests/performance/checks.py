"""Checks: how many planted faults each finds, and how often it cries wolf: `python -m tests.performance.checks [FILE]`

Real rows (the sample, or a file) are taken as clean; into a seeded twentieth of them one fault each is planted, by
generators that know nothing of the checks (tests/performance/faults.py: encodings of Python, `html.escape`, keyboard
slips, cutting anywhere …). What only several rows show (copies, leaks, contradictions …) is planted as rows beside
others. Printed of each check: false alarms on the clean rows, and precision and recall on the planted ones, with 95 %
intervals. Findings that the clean rows have already count for nobody. Prints, does not assert.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.performance.faults import BETWEEN, FAULTS, Row

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "assets" / "samples" / "marrowby.jsonl"
FEW = 40
"""Faults of each kind that are planted, or a twentieth of the rows."""
LABELS = ("spam", "wanted", "a question", "a complaint")
PART = {"leaks": "test", "benchmarks": "train"}
"""Where a row must stand for its fault; elsewhere in any part."""


def main(path: Path, seed: int) -> None:
    from core.checking import worker
    from core.checking.checks import CHECKS
    from core.data.actions import import_file
    from core.settings import Settings
    from core.statistics.bounds import of_rate
    from core.store.workspace import open_workspace

    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Settings(home=Path(folder), benchmarks=Path(folder) / "benchmarks"))
        project = workspace.create_project("Performance")
        clean, _ = import_file(workspace, project.id, path)
        began = time.perf_counter()
        worker.check(workspace, clean, lambda share, what: None)
        seconds = time.perf_counter() - began
        examples = workspace.examples(clean.id)
        print(f"{path.name}: {len(examples):,} rows, checked in {seconds:.1f} s")
        print(f"  {'check':<15}{'false alarms':>20}{'planted':>9}{'recall':>22}{'precision':>22}")
        figures: dict[str, Any] = {}
        share = lambda k, n: "{:.0%} ({:.0%} to {:.0%})".format(k / n, *of_rate(k, n)) if n else "–"  # noqa: E731
        for name, check in CHECKS.items():
            draw = random.Random(f"{seed} {name}")
            alarms = _found(workspace, clean, name)
            low, high = of_rate(len(alarms), len(examples))
            line = f"  {name:<15}" + f"{len(alarms) / len(examples):.1%} ({low:.1%} to {high:.1%})".rjust(20)
            figures[name] = {"false_alarms": round(len(alarms) / len(examples), 4)}
            if name in FAULTS:
                rows, faulty = plant(name, examples, draw)
                version = workspace.add_version(project.id, name, rows, {"file": path.name})
                known = alarms - faulty
            else:
                version, faulty, known = beside(workspace, project.id, name, examples, draw)
            if faulty:
                worker.check(workspace, version, lambda share, what: None)
                found = _found(workspace, version, name) - known
                hits = len(found & faulty)
                line += f"{len(faulty):>9}{share(hits, len(faulty)):>22}{share(hits, len(found)):>22}"
                figures[name] |= {"recall": round(hits / len(faulty), 3)}
                figures[name] |= {"precision": round(hits / max(1, len(found)), 3)}
            print(line + ("   not shown by default" if check.folded else ""), flush=True)
        print(json.dumps(figures))


def _found(workspace: Any, version: Any, name: str) -> set[int]:
    """Numbers of the rows that a check names."""
    from core.checking import result

    numbers = workspace.rows(version.id).numbers("row")
    return set(numbers[result.places(workspace.rows_file(version.id), name)].tolist())


def plant(name: str, examples: list, draw: random.Random) -> tuple[list, set[int]]:
    """(rows with faults of one kind, numbers of the rows that have one)."""
    rows, faulty = list(examples), set()
    places = list(range(len(rows)))
    draw.shuffle(places)
    wanted = min(FEW, max(5, len(rows) // 20))
    for place in places:
        if len(faulty) == wanted:
            break
        answer = FAULTS[name](rows[place].target, draw)
        if answer and answer != rows[place].target:
            rows[place] = replace(rows[place], target=answer)
            faulty.add(rows[place].row)
    return rows, faulty


def beside(
    workspace: Any, project: str, name: str, examples: list, draw: random.Random
) -> tuple[Any, set[int], set[int]]:
    """(a version with rows beside others, numbers of those that were added, what was found before they were)."""
    from core.checking import worker

    rows: list[Row] = [{"prompt": e.prompt, "answer": e.target, "split": e.split} for e in examples if e.prompt]
    if name in ("label_writings", "rare_labels"):
        rows = [{**row, "answer": LABELS[i % len(LABELS)]} for i, row in enumerate(rows)]
    before = _imported(workspace, project, rows)
    worker.check(workspace, before, lambda share, what: None)
    candidates = [row for row in rows if row["split"] == PART.get(name, row["split"])]
    chosen = draw.sample(candidates, min(FEW, max(5, len(rows) // 20), len(candidates)))
    known = _found(workspace, before, name)
    if name == "benchmarks":  # what the rows beside hold is what the benchmark asks
        rows = [row for row in rows if row not in chosen]
        folder = workspace.settings.benchmarks / "made"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"question": row["prompt"]}) for row in chosen]
        (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
        known = set()
    added = [BETWEEN[name](rows, row, draw) for row in chosen]
    return _imported(workspace, project, rows + added), set(range(len(rows) + 1, len(rows + added) + 1)), known


def _imported(workspace: Any, project: str, rows: list[Row]) -> Any:
    from core.data.actions import import_file

    path = workspace.settings.home / "planted.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return import_file(workspace, project, path)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    main(arguments.file, arguments.seed)
