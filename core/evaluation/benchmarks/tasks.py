"""lm-eval's own task definitions over a folder of files or over the Hub.

A file has one JSON object per line, in the row schema of the data set on the Hub that lm-eval's stock task loads.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.evaluation.benchmarks.result import Source
from core.evaluation.benchmarks.table import BENCHMARKS, Benchmark, Row

if TYPE_CHECKING:
    from datasets import DatasetDict

MOST_MEMBERS = 20
"""Tasks of a group that a refusal names."""


@dataclass(frozen=True)
class Loaded:
    """A benchmark that can be asked: one lm-eval task, or one for each subject."""

    name: str
    benchmark: Benchmark
    tasks: dict[str, Any]
    """lm-eval's name of the task → the task."""
    subjects: dict[str, str]
    """lm-eval's name of the task → the subject; empty where there is but one task."""
    source: Source


def load(name: str, folder: Path | None, shots: int | None = None, revision: str | None = None) -> Loaded:
    """One benchmark of ours, or any other task of lm-eval by its name, over the files below `folder` or over the Hub.

    Tasks that are not ours always come from the Hub. `shots` overrides how many examples come before each question,
    where the task allows it; `revision` is a commit of the data set on the Hub, None its newest, which is then pinned.
    Only the definitions that are asked for are parsed, not lm-eval's registry of 14,000. Raises UserError for a name
    that is unknown or a group's, a task that cannot be asked here, a missing file, a line that is no row of the task,
    or an unreachable Hub. What else a task's own code raises comes through.
    """
    benchmark = BENCHMARKS.get(name) or _other(name)
    ours = name in BENCHMARKS
    shots = benchmark.shots if shots is None else shots
    subjects = mmlu_subjects(folder if ours else None) if benchmark.by_subject else [""]
    specs, named = [], {}
    for subject in subjects:
        spec = _stock(benchmark.yaml.format(subject))
        named[spec["task"]] = subject
        if folder is not None and ours:
            files = {split: file.format(subject) for split, file in benchmark.files.items()}
            spec = _over_files(spec, {split: _read(folder, file, benchmark) for split, file in files.items()})
        specs.append(spec)
    if folder is not None and ours:
        source = Source(folder=folder.name)
    else:
        dataset = specs[0].get("dataset_path")
        source = Source(hub=dataset, revision=revision or _newest(dataset))
        for spec in specs:
            if source.revision:
                spec["dataset_kwargs"] = {**(spec.get("dataset_kwargs") or {}), "revision": source.revision}
    tasks = _tasks(specs, name)
    _compile_templates_once()
    for task in tasks.values():
        # As lm-eval's simple_evaluate does: a number of shots that the task fixes at 0 stays.
        fixed = task.get_config("num_fewshot") == 0
        if not fixed and (shots is not None or task.get_config("num_fewshot") is None):
            task.set_config(key="num_fewshot", value=shots or 0)
        task.set_fewshot_seed(seed=0)
        if process := task.config.process_docs:
            task.config.process_docs = _once(process)
        task.doc_iterator = partial(_documents, task, task.doc_iterator)
    return Loaded(name, benchmark, tasks, named if benchmark.by_subject else {}, source)


def _once(process: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """lm-eval processes a whole split again each time that it looks at one of its documents."""
    results: list[tuple[Any, Any]] = []

    def processed(docs: Any) -> Any:
        known = next((result for given, result in results if given is docs), None)
        if known is None:
            results.append((docs, known := process(docs)))
        return known

    return processed


def _documents(task: Any, own: Callable[..., Any], *, samples: list[int] | None = None, **how: Any) -> Any:
    """The documents that are asked, numbered. lm-eval reads a whole split to find them, twice for each evaluation."""
    if not samples or how.get("world_size", 1) != 1:
        return own(samples=samples, **how)
    docs = task.eval_docs
    return enumerate(docs[i] for i in sorted(set(samples)))


def _compile_templates_once() -> None:
    """lm-eval compiles a task's template again for each document and for each of its shots."""
    from lm_eval.utils import env

    if not hasattr(env.from_string, "cache_info"):
        env.from_string = lru_cache(maxsize=1024)(env.from_string)


def _tasks(specs: list[dict[str, Any]], name: str) -> dict[str, Any]:
    from lm_eval.tasks import TaskManager

    try:
        return TaskManager(include_defaults=False).load(specs)["tasks"]
    except (OSError, ConnectionError) as e:  # what huggingface_hub and datasets raise without a network
        raise UserError(
            f"The questions of {name} could not be loaded from the Hub: {first_line(e)} Connect to the internet, or "
            "put the files into a folder and name it as the benchmark folder."
        ) from e


def mmlu_subjects(folder: Path | None) -> list[str]:
    """MMLU's 57 subjects; of a folder those that it has."""
    definitions = (_definitions() / "mmlu" / "default").glob("mmlu_*.yaml")
    names = sorted(path.stem.removeprefix("mmlu_") for path in definitions)
    if folder is None:
        return names
    here = [name for name in names if os.path.isfile(folder / "mmlu" / name / "test.jsonl")]  # False, too, of no right
    if not here:
        raise UserError(
            f"MMLU needs files as mmlu/anatomy/test.jsonl in the benchmark folder {folder}, which has none. Put them "
            "there, or leave the folder empty to load from the Hub."
        )
    return here


def newest_revisions(names: Sequence[str], folder: Path | None) -> dict[str, str]:
    """Benchmark → the newest commit of its data set, of those that `load` takes from the Hub.

    Without those that the Hub says nothing of: loading them says why.
    """
    datasets: dict[str | None, str | None] = {}
    revisions: dict[str, str] = {}
    for name in names:
        if name in BENCHMARKS and folder is not None:
            continue
        try:
            benchmark = BENCHMARKS.get(name) or _other(name)
        except UserError:
            continue
        dataset = _stock(benchmark.yaml.format(mmlu_subjects(None)[0]), functions=False).get("dataset_path")
        if dataset not in datasets:
            datasets[dataset] = _newest(dataset)
        if newest := datasets[dataset]:
            revisions[name] = newest
    return revisions


def _newest(dataset: str | None) -> str | None:
    """The data set's newest commit on the Hub; None where it does not answer (then loading it says why)."""
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(dataset, timeout=10).sha if dataset else None
    except Exception:  # no network, or no data set of the Hub (a builder as "json")
        return None


def _definitions() -> Path:
    # Found and not imported: a page looks for subjects too.
    package = importlib.util.find_spec("lm_eval")
    assert package is not None and package.origin is not None  # it is among the requirements
    return Path(package.origin).parent / "tasks"


def _stock(yaml: str, functions: bool = True) -> dict[str, Any]:
    """lm-eval's own definition of a task, as a dict; without its functions none of its code is run, which may fail."""
    from lm_eval.tasks._yaml_loader import load_yaml  # resolves `include:` and `!function`; there is no public one

    return load_yaml(_definitions() / yaml, resolve_func=functions)


def _over_files(spec: dict[str, Any], rows: dict[str, list[Row]]) -> dict[str, Any]:
    """A definition over local rows, by split."""
    spec["custom_dataset"] = lambda **_: _dataset(rows)
    for split in ("training", "validation", "test"):
        key = {"training": "train"}.get(split, split)
        spec[f"{split}_split"] = key if key in rows else None
    if spec.get("fewshot_split") not in rows:
        spec.pop("fewshot_split", None)
    return spec


def _other(name: str) -> Benchmark:
    """Any single task of lm-eval. Raises UserError for a group, an unknown name, and what cannot be asked here."""
    yaml = _yamls().get(name)
    if yaml is None:
        raise UserError(_no_task(name))
    spec = _stock(yaml, functions=False)
    if spec.get("unsafe_code", False) is not False:
        raise UserError(f"{name} runs programs that the model writes, which is not done here. Leave it out.")
    if spec.get("doc_to_image") or spec.get("doc_to_audio"):
        raise UserError(f"{name} asks about pictures or sound, which cannot be asked here. Leave it out.")
    one_answer = spec.get("output_type") == "multiple_choice"
    return Benchmark(name, "", None, yaml, {}, {}, lambda row: True, metric="", question="", one_answer=one_answer)


@lru_cache(maxsize=1)
def _yamls() -> dict[str, str]:
    """Each single task of lm-eval → its definition, by the line `task: name`: to parse them all takes far longer."""
    line = re.compile(r"""^["']?task["']?\s*:\s*["']?([^\s"'#]+)["']?\s*(?:#.*)?$""", re.MULTILINE)
    yamls: dict[str, str] = {}
    for path in sorted(_definitions().rglob("*.yaml")):
        for task in line.findall(path.read_text(encoding="utf-8", errors="replace")):
            yamls.setdefault(task, str(path.relative_to(_definitions())))
    return yamls


def _no_task(name: str) -> str:
    """Why a name is not that of a single task, and what to name instead."""
    members = _groups().get(name)
    if members is None:
        ours = ", ".join(BENCHMARKS)
        return f"There is no benchmark “{name}”. Choose from {ours}, or the name of one task of lm-eval."
    refused = f"“{name}” is a group of lm-eval, and only single tasks can be asked."
    if not members:  # they are defined within the group and have no names of their own
        return f"{refused} It has none with a name of its own. Choose another."
    more = f" and {len(members) - MOST_MEMBERS:,} more" if len(members) > MOST_MEMBERS else ""
    listed = ", ".join(members[:MOST_MEMBERS])
    return f"{refused} Name those of its {len(members):,} tasks that you want: {listed}{more}."


@lru_cache(maxsize=1)
def _groups() -> dict[str, list[str]]:
    """Each group and tag of lm-eval → its single tasks. All definitions are parsed for it, which takes seconds."""
    from lm_eval.tasks import TaskManager

    index = TaskManager().task_index

    def singles(member: Any, above: tuple[str, ...] = ()) -> list[str]:
        if isinstance(member, dict):  # with settings of its own, or a group that is defined within its group
            member = member.get("task") or member.get("group")
        if isinstance(member, list):
            return [single for each in member for single in singles(each, above)]
        entry = index.get(member)
        if entry is None or member in above:
            return []
        if entry.kind.name not in ("GROUP", "TAG"):
            return [member]
        return singles(sorted(entry.tags) if entry.kind.name == "TAG" else entry.cfg.get("task"), (*above, member))

    groups = [name for name, entry in index.items() if entry.kind.name in ("GROUP", "TAG")]
    return {name: list(dict.fromkeys(singles(name))) for name in groups}


def _dataset(rows: dict[str, list[Row]]) -> DatasetDict:
    import datasets

    return datasets.DatasetDict({split: datasets.Dataset.from_list(of_split) for split, of_split in rows.items()})


def _read(folder: Path, file: str, benchmark: Benchmark) -> list[Row]:
    """Rows of a file with the fields of the task's schema only. Raises UserError with the line's number."""
    try:
        text = (folder / file).read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as e:
        raise UserError(
            f"{benchmark.title} needs the file {file} in the benchmark folder {folder}, which has none. "
            "Put it there, or leave the folder empty to load from the Hub."
        ) from e
    except OSError as e:
        raise UserError(
            f"{benchmark.title} needs the file {file} in the benchmark folder {folder}, which cannot be read: "
            f"{e.strerror}. Put a file there that you may read, or leave the folder empty to load from the Hub."
        ) from e
    except UnicodeDecodeError as e:
        raise UserError(f"{file} is not UTF-8 text (byte {e.start:,}). Save it as UTF-8.") from e
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise UserError(f"{file} is empty. Put the questions of {benchmark.title} into it.")
    return [_row(line, f"Line {n} of {file}", benchmark) for n, line in lines]


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
            missing = _missing(raw.get(field), kind, f"{path}{field}.")
            if missing:
                return missing
        elif isinstance(kind, list):
            values = raw.get(field)
            if not isinstance(values, list) or not all(isinstance(v, kind[0]) and v != "" for v in values):
                return path + field
        elif not isinstance(raw.get(field), kind):
            return path + field
    return None


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200].rstrip('.')}."
