"""Which benchmarks there are, and lm-eval's own task definitions over a folder of files or over the Hub.

A file has one JSON object per line, in the row schema of the data set on the Hub that lm-eval's stock task loads.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.types import UserError

Row = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    title: str
    yaml: str
    """lm-eval's own definition, below its `tasks` folder."""
    files: dict[str, str]
    """Split → file below the benchmark folder."""
    schema: dict[str, Any]
    """The fields that the task reads and their types; [str] is a list of texts, none of them empty."""
    has_answer: Callable[[Row], bool]
    """Does the row say which of its choices is right?"""
    metric: str
    """The metric of lm-eval by which items are called lost or gained, and the one to report."""
    question: str = "question"
    """Field of lm-eval's document that holds what is asked."""
    one_answer: bool = True
    """False where the metric weighs several right answers, so that no item is simply right or wrong."""


_ARC = {"question": str, "choices": {"text": [str], "label": [str]}, "answerKey": str}
_HELLASWAG = {"activity_label": str, "ctx_a": str, "ctx_b": str, "endings": [str], "label": str}
_TRUTHFULQA = {
    "question": str,
    "mc1_targets": {"choices": [str], "labels": [int]},
    "mc2_targets": {"choices": [str], "labels": [int]},
}


def _arc_answer(row: Row) -> bool:
    labels = row["choices"]["label"]
    return row["answerKey"] in labels and len(labels) == len(row["choices"]["text"])


def _hellaswag_answer(row: Row) -> bool:
    return row["label"].isdigit() and int(row["label"]) < len(row["endings"])


def _truthfulqa_answer(row: Row) -> bool:
    return row["mc1_targets"]["labels"][:1] == [1] and 1 in row["mc2_targets"]["labels"]


_HELLASWAG_FILES = {"validation": "hellaswag/validation.jsonl"}
_TRUTHFULQA_FILES = {"validation": "truthfulqa/validation.jsonl"}


def _arc(title: str, name: str, metric: str) -> Benchmark:
    return Benchmark(title, f"arc/{name}.yaml", {"test": f"{name}/test.jsonl"}, _ARC, _arc_answer, metric)


def _truthfulqa(title: str, name: str, one_answer: bool) -> Benchmark:
    yaml = f"truthfulqa/{name}.yaml"
    return Benchmark(title, yaml, _TRUTHFULQA_FILES, _TRUTHFULQA, _truthfulqa_answer, "acc", "question", one_answer)


def _hellaswag() -> Benchmark:
    yaml = "hellaswag/hellaswag.yaml"
    return Benchmark("HellaSwag", yaml, _HELLASWAG_FILES, _HELLASWAG, _hellaswag_answer, "acc_norm", "query")


BENCHMARKS: dict[str, Benchmark] = {
    "arc_easy": _arc("ARC-Easy", "arc_easy", "acc"),
    "arc_challenge": _arc("ARC-Challenge", "arc_challenge", "acc_norm"),
    "hellaswag": _hellaswag(),
    "truthfulqa_mc1": _truthfulqa("TruthfulQA MC1", "truthfulqa_mc1", True),
    "truthfulqa_mc2": _truthfulqa("TruthfulQA MC2", "truthfulqa_mc2", False),
}
"""By the name of lm-eval's task. Later: MMLU, a group of 57 such entries."""


def load_tasks(names: list[str], folder: Path | None) -> dict[str, Any]:
    """lm-eval's tasks by name, over the files below `folder` or over the Hub where it is None. No shots.

    Raises UserError for an unknown name, a missing file, a line that is no row of the task, or an unreachable Hub.
    """
    from lm_eval.tasks import TaskManager

    specs = [_spec(name, folder) for name in names]
    try:
        tasks = TaskManager(include_defaults=False).load(specs)["tasks"]
    except (OSError, ConnectionError) as e:  # what huggingface_hub and datasets raise without a network
        raise UserError(
            f"The questions of {', '.join(names)} could not be loaded from the Hub: {_first_line(e)} Connect to the "
            "internet, or put the files into a folder and name it as the benchmark folder."
        ) from e
    for task in tasks.values():
        # As lm-eval's simple_evaluate does where nobody asks for shots.
        if task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=0)
    return tasks


def _spec(name: str, folder: Path | None) -> dict[str, Any]:
    """lm-eval's stock definition of a task, as a dict; over local rows where a folder is given."""
    import lm_eval
    from lm_eval.tasks._yaml_loader import load_yaml  # resolves `include:` and `!function`; there is no public one

    if name not in BENCHMARKS:
        raise UserError(f"There is no benchmark “{name}”. Choose from {', '.join(BENCHMARKS)}.")
    spec = load_yaml(Path(lm_eval.__file__).parent / "tasks" / BENCHMARKS[name].yaml)
    if folder is None:
        return spec
    rows = {split: _read(folder / file, BENCHMARKS[name]) for split, file in BENCHMARKS[name].files.items()}
    spec["custom_dataset"] = lambda **_: _dataset(rows)
    for split in ("training", "validation", "test"):
        key = {"training": "train"}.get(split, split)
        spec[f"{split}_split"] = key if key in rows else None
    return spec


def _dataset(rows: dict[str, list[Row]]):
    import datasets

    return datasets.DatasetDict({split: datasets.Dataset.from_list(found) for split, found in rows.items()})


def _read(path: Path, benchmark: Benchmark) -> list[Row]:
    """Rows of a file with the fields of the task's schema only. Raises UserError with the line's number."""
    where = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as e:
        raise UserError(
            f"{benchmark.title} needs the file {where} in the benchmark folder {path.parent.parent}, which has none. "
            "Put it there, or leave the folder empty to load from the Hub."
        ) from e
    except UnicodeDecodeError as e:
        raise UserError(f"{where} is not UTF-8 text (byte {e.start:,}). Save it as UTF-8.") from e
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise UserError(f"{where} is empty. Put the questions of {benchmark.title} into it.")
    return [_row(line, f"Line {n} of {where}", benchmark) for n, line in lines]


def _row(line: str, where: str, benchmark: Benchmark) -> Row:
    try:
        raw = json.loads(line)
    except json.JSONDecodeError as e:
        raise UserError(f"{where} is not JSON: {e.msg} at character {e.colno}. Put one object on each line.") from e
    missing = _missing(raw, benchmark.schema)
    if missing:
        raise UserError(f"{where} lacks “{missing}”, or it has another type than {benchmark.title} has on the Hub.")
    if not benchmark.has_answer(raw):
        raise UserError(f"{where} does not say which of its choices is right. Correct its answer or leave it out.")
    return {field: raw[field] for field in benchmark.schema}


def _missing(raw: Any, schema: dict[str, Any], path: str = "") -> str | None:
    """Path of the first field that is absent or of another type."""
    if not isinstance(raw, dict):
        return path.rstrip(".") or "{ }"
    for field, kind in schema.items():
        if isinstance(kind, dict):
            found = _missing(raw.get(field), kind, f"{path}{field}.")
            if found:
                return found
        elif isinstance(kind, list):
            values = raw.get(field)
            if not isinstance(values, list) or not all(isinstance(v, kind[0]) and v != "" for v in values):
                return path + field
        elif not isinstance(raw.get(field), kind):
            return path + field
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200].rstrip('.')}."
