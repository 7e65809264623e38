"""Benchmarks and models from the Hub, by the real clients over HTTP; the Hub itself is ours (tests/hub.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.evaluation.benchmarks import tasks
from core.evaluation.benchmarks.table import BENCHMARKS
from tests.hub import Hub, ask, running

LOAD = """
import json, sys
from core.errors import UserError
from core.evaluation.benchmarks import tasks
from core.records import plain
name, revision = sys.argv[1], (sys.argv[2:] or [None])[0]
try:
    loaded = tasks.load(name, None, revision=revision)
except UserError as e:
    sys.exit(f"UserError: {e}")
asked = {name: [dict(d) for d in task.eval_docs] for name, task in loaded.tasks.items()}
print(json.dumps({"source": plain(loaded.source), "asked": asked, "subjects": len(loaded.subjects)}))
"""


@pytest.fixture
def hub():
    with running() as made:
        yield made


def publish(hub: Hub, folder: Path, name: str, parts: dict[str, dict[str, list[dict]]]) -> str:
    """Rows by configuration and split, as Parquet files that a data set's README lists."""
    import datasets

    configurations = []
    for configuration, splits in parts.items():
        files = []
        for split, rows in splits.items():
            file = f"{configuration}/{split}-00000-of-00001.parquet"
            (folder / configuration).mkdir(parents=True, exist_ok=True)
            datasets.Dataset.from_list(rows).to_parquet(folder / file)
            files.append(f"  - split: {split}\n    path: {file}")
        configurations.append(f"- config_name: {configuration}\n  data_files:\n" + "\n".join(files))
    (folder / "README.md").write_text("---\nconfigs:\n" + "\n".join(configurations) + "\n---\n", encoding="utf-8")
    return hub.commit("datasets", name, folder)


def rows_of(samples: Path) -> list[dict]:
    return [json.loads(line) for line in (samples / "arc_easy" / "test.jsonl").read_text().splitlines()]


def test_the_newest_commit_is_pinned_and_an_older_one_can_be_had(hub, samples, tmp_path):
    rows = rows_of(samples)
    splits = {"train": rows[:1], "validation": rows[:1]}
    old = publish(hub, tmp_path / "old", "allenai/ai2_arc", {"ARC-Easy": {**splits, "test": rows[:3]}})
    new = publish(hub, tmp_path / "new", "allenai/ai2_arc", {"ARC-Easy": {**splits, "test": rows[3:8]}})
    for given, revision, asked in (((), new, rows[3:8]), ((old,), old, rows[:3])):
        done = ask(hub, tmp_path / "home", LOAD, "arc_easy", *given)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["source"] == {"hub": "allenai/ai2_arc", "revision": revision}
        assert [d["question"] for d in found["asked"]["arc_easy"]] == [r["question"] for r in asked]
    done = ask(hub, tmp_path / "home", LOAD, "arc_easy", "0" * 40)
    assert "UserError: The questions of arc_easy could not be loaded from the Hub" in done.stderr


@pytest.mark.parametrize("name", ["hellaswag", "truthfulqa_mc2", "mmlu_5_shots"])
def test_each_data_set_as_the_hub_has_it(name, hub, own_benchmarks, tmp_path):
    """Another configuration for each subject of MMLU, one for TruthfulQA's choices, none for HellaSwag."""
    benchmark = BENCHMARKS[name]
    subjects = tasks.mmlu_subjects(None) if benchmark.by_subject else [""]
    spec = tasks._stock(benchmark.yaml.format(subjects[0]))
    parts = {}
    for subject in subjects:
        made = {}
        for split, file in benchmark.files.items():
            path = own_benchmarks / file.format("anatomy")
            made[split] = [json.loads(line) for line in path.read_text().splitlines()]
        if name == "hellaswag":
            made["train"] = made["validation"]
        configuration = tasks._stock(benchmark.yaml.format(subject))["dataset_name"] or "default"
        parts[configuration] = made
    sha = publish(hub, tmp_path / "rows", spec["dataset_path"], parts)
    done = ask(hub, tmp_path / "home", LOAD, name)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["source"] == {"hub": spec["dataset_path"], "revision": sha}
    assert found["subjects"] == (57 if benchmark.by_subject else 0)
    assert len(found["asked"]) == len(subjects) and all(found["asked"].values())


PIN = """
import json, sys
from pathlib import Path
from core.evaluation.benchmarks.asking import pinned_revisions
folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
print(json.dumps(pinned_revisions(Path(sys.argv[1]), ["arc_easy", "arc_challenge", "sciq"], folder)))
"""


def test_an_evaluation_that_goes_on_asks_the_same_commit(hub, samples, tmp_path):
    def pinned(*given) -> dict:
        done = ask(hub, tmp_path / "home", PIN, str(tmp_path / "revisions.json"), *map(str, given))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    splits = {"train": rows_of(samples), "validation": rows_of(samples), "test": rows_of(samples)}
    assert pinned() == {}  # nothing there yet; loading says so
    old = publish(hub, tmp_path / "old", "allenai/ai2_arc", {"ARC-Easy": splits})
    assert pinned(samples) == {}  # ours come from the folder, sciq from a data set that is not there
    assert pinned() == {"arc_easy": old, "arc_challenge": old}
    publish(hub, tmp_path / "new", "allenai/ai2_arc", {"ARC-Easy": splits})
    assert pinned() == {"arc_easy": old, "arc_challenge": old}
