"""The command line, verb by verb, on a tiny model: for people, and as one JSON document."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))

    def call(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def test_the_loop_verb_by_verb(run, rows_file, tiny_model_folder, tmp_path):
    code, out, _ = run("import", str(rows_file), "--json")
    assert code == 0
    assert json.loads(out)["version"]["counts"] == {"train": 32, "validation": 4, "test": 4}
    look_at_rows(run, tiny_model_folder)
    train(run, tiny_model_folder)
    measure_rows(run)
    measure_with_reports(run, tmp_path)
    compare_and_go_on(run, tmp_path)
    read_answers(run)
    take_labels_along(run, tmp_path)
    take_the_adapter_along(run, tmp_path, tiny_model_folder)


def look_at_rows(run, model):
    code, out, _ = run("preview", "--row", "3", "--model", str(model), "--json")
    shown = json.loads(out)
    assert (code, shown["row"], shown["dataset"]["kept"]) == (0, 3, 32)
    assert any(t["trained"] for t in shown["tokens"])

    code, out, _ = run("stats", "--model", str(model), "--max-length", "30", "--json")
    report = json.loads(out)
    assert (code, report["rows"], report["truncated"]) == (0, 32, 32)
    assert report["suggested_because"]
    code, out, _ = run("preview", "--search", "number 7", "--template", "question", "--model", str(model))
    assert code == 0
    assert "Question: Say the number 7." in out
    assert "32 of 32 rows are trained" in out


def train(run, model_folder):
    model = ("--model", str(model_folder), "--epochs", "6", "--max-length", "128")
    code, out, err = run("train", *model, "--json")
    assert (code, json.loads(out)["state"]) == (0, "finished")
    assert "Training on 32 rows" in err  # progress never mixes with the document

    code, out, _ = run("runs")
    assert code == 0
    assert "Run 1 · quick" in out


def measure_rows(run):
    code, out, _ = run("evaluate", "--rows", "3", "--max-new-tokens", "12", "--json")
    report = json.loads(out)
    assert code == 0
    assert {"base", "tuned", "difference"} <= set(report["heldout"])
    assert report["heldout"]["tuned"]["loss"] < report["heldout"]["base"]["loss"]


def measure_with_reports(run, folder):
    """With a benchmark; what cannot be written is said before anything is measured."""
    code, out, err = run("evaluate", "--rows", "2", "--max-new-tokens", "4", "--report", str(folder / "report.pdf"))
    assert code == 1
    assert "not as “report.pdf”" in err  # said before anything is measured
    benchmark = ("--benchmark", "arc_easy", "--size", "quick", "--folder", str(ROOT / "tests" / "samples"))
    files = ("--report", str(folder / "report.html"), "--report", str(folder / "report.md"))
    code, out, err = run("evaluate", "--rows", "3", "--max-new-tokens", "4", *benchmark, *files)
    assert code == 0, err
    assert "ARC-Easy" in out
    assert "can be worse elsewhere" in out
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    report = (folder / "report.md").read_text()
    again = "python -m core evaluate --run 1 --rows 3 --max-new-tokens 4 --benchmark arc_easy --size quick --folder"
    assert again in report
    assert str(folder) not in report  # no folder of this machine leaves with the report


def compare_and_go_on(run, folder):
    code, out, _ = run("compare")
    assert code == 0
    assert "Evaluation 1 · of run 1" in out and "Evaluation 2 · of run 1" in out
    assert json.loads(run("compare", "2", "--json")[1])["columns"][-1] == "ARC-Easy"
    assert run("export", "report", str(folder / "one.json"), "--evaluation", "1")[0] == 0
    assert json.loads((folder / "one.json").read_text())["about"]["evaluation"] == 1
    code, _, err = run("evaluate", "--resume", "1")
    assert code == 1
    assert "only a stopped or failed run can be resumed" in err


def read_answers(run):
    code, out, _ = run("generate", "Say the number 3.", "--max-new-tokens", "5", "--json")
    assert set(json.loads(out)) == {"base", "tuned"}

    code, out, _ = run("review", "--json")
    assert len(json.loads(out)["rows"]) == 3

    code, _, err = run("learn")
    assert code == 1
    assert "no correction that the newest rows lack" in err


def take_labels_along(run, folder):
    code, _, _ = run("export", "labels", str(folder / "labels.jsonl"))
    assert (code, (folder / "labels.jsonl").read_text()) == (0, "")
    code, _, err = run("export", "labels", str(folder / "labels.jsonl"))
    assert code == 1
    assert "nothing was overwritten" in err


def take_the_adapter_along(run, folder, model):
    import zipfile

    assert run("export", "adapter", str(folder / "a.zip"))[0] == 0
    with zipfile.ZipFile(folder / "a.zip") as archive:
        names = set(archive.namelist())
        assert {"adapter_config.json", "adapter_model.safetensors", "README.md", "run.json"} <= names
        texts = b"".join(archive.read(n) for n in ("adapter_config.json", "README.md", "run.json")).decode()
    assert "## Evaluation" in texts and "Evaluation 2: base against tuned" in texts  # the card has the newest
    assert str(folder) not in texts  # no folder of this machine leaves with the adapter
    assert str(model.parent) not in texts


def test_chat_line_by_line(run, rows_file, tiny_model_folder, monkeypatch):
    import io

    run("import", str(rows_file))
    assert run("train", "--model", str(tiny_model_folder), "--epochs", "1", "--max-length", "128")[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("Say the number 3.\n\nAnd 4?\n/new\nHello.\n"))
    code, out, err = run("chat", "1", "--max-new-tokens", "5", "--json")
    assert code == 0, err
    turns = json.loads(out)["turns"]
    assert [t["message"] for t in turns] == ["Say the number 3.", "And 4?", "Hello."]
    assert all(t[side]["tokens"] <= 5 and t[side]["finish"] for t in turns for side in ("base", "tuned"))
    monkeypatch.setattr("sys.stdin", io.StringIO("Say the number 3.\n/quit\nnever read\n"))
    code, out, _ = run("chat", "--max-new-tokens", "5")
    spoken = [line.strip() for line in out.splitlines() if line.startswith(("base:", "tuned:"))]
    assert [s.split(":")[0] for s in spoken] == ["base", "tuned"]
    assert turns[0]["base"]["text"].split("\n")[0].strip() in spoken[0]
    chats = [line for line in run("runs")[1].splitlines() if line.startswith("Chat 1")]
    assert "Ended to free the memory" in chats[0]  # nothing is left running
    code, _, err = run("judge", "--endpoint", "http://127.0.0.1:9/v1", "--model", "m", "--estimate")
    assert (code, "no evaluation yet" in err) == (1, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("runs",), "Import a file first"),
        (("import", "nowhere.jsonl"), "There is no file nowhere.jsonl"),
        (("train", "--epochs", "0"), "Import a file first"),
    ],
)
def test_refusals_are_sentences(run, words, sentence):
    code, out, err = run(*words)
    assert code == 1
    assert sentence in err
    assert "Traceback" not in err + out


def test_an_import_says_what_is_taken_and_what_is_not_trained(run, tmp_path):
    roles = (("user", "hi"), ("assistant", "hello"), ("user", "thanks"))
    chats = [[{"role": role, "content": f"{text} {i}"} for role, text in roles] for i in range(8)]
    rows = [{"messages": chat, "url": f"a/{i}"} for i, chat in enumerate(chats)]
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    code, out, _ = run("import", str(path))
    assert code == 0
    assert "Columns taken: messages ← messages. Not trained, kept beside the rows: “url”." in out
    assert "a message of the user behind the last trained answer, cut off: 8 rows (rows 1, 2, 3, 4, 5 …" in out
    path = tmp_path / "unclear.csv"
    path.write_text("body,gist\n" + "\n".join(f"a long text {i},short text {i}" for i in range(8)), encoding="utf-8")
    code, _, err = run("import", str(path))
    assert code == 1
    assert "body: “a long text 0”, “a long text 1”" in err and "--prompt COLUMN --answer COLUMN" in err
    code, out, _ = run("import", str(path), "--prompt", "body", "--answer", "gist")
    assert (code, "Columns taken: prompt ← body, answer ← gist." in out) == (0, True)


def test_a_refusal_as_json(run):
    code, out, _ = run("review", "--json")
    assert code == 1
    assert "Import a file first" in json.loads(out)["error"]


def test_wrong_settings_are_named(run, rows_file):
    run("import", str(rows_file))
    for words, sentence in (
        (("--epochs", "0"), "Epochs (passes over the rows)"),
        (("--learning-rate", "fast"), "Learning rate: 'fast' is not a number"),
        (("--model", "../x"), "neither the id of a model"),
    ):
        code, _, err = run("train", *words)
        assert code == 1
        assert sentence in err


def test_a_specification_is_printed_and_run_again(run, rows_file, tiny_model_folder, tmp_path):
    run("import", str(rows_file))
    code, out, _ = run("train", "--print-spec", "--preset", "labels", "--method", "ia3", "--objective", "supervised")
    printed = json.loads(out)
    assert (code, printed["preset"], printed["settings"]["batch_size"]) == (0, "labels", 16)
    assert printed["settings"]["learning_rate"] == 5e-3  # the method's own, where none is given
    assert "rows_file" not in printed
    assert run("runs", "--json")[1].strip() == "[]"  # nothing was started

    old_flags = json.loads(run("train", "--print-spec", "--rows-per-step", "4", "--rows-per-forward", "2")[1])[
        "settings"
    ]
    assert (old_flags["batch_size"], old_flags["micro_batch_size"]) == (4, 2)

    path = tmp_path / "spec.json"
    path.write_text(out, encoding="utf-8")
    assert json.loads(run("train", "--spec", str(path), "--print-spec", "--json")[1]) == printed
    here = ("--model", str(tiny_model_folder), "--method", "lora", "--epochs", "1", "--max-length", "100")
    code, out, err = run("train", "--spec", str(path), *here, "--json")
    assert code == 0, err
    spec = json.loads((Path(json.loads(out)["folder"]) / "spec.json").read_text())
    changed = {"method": "lora", "epochs": 1, "max_length": 100}
    assert spec["settings"] == {**printed["settings"], **changed}
    assert spec["dataset_version"] == printed["dataset_version"]

    run("import", str(rows_file))  # a newer version: the specification keeps to its own
    again = json.loads(run("train", "--spec", str(path), "--print-spec", "--json")[1])
    assert again["dataset_version"] == printed["dataset_version"]
    path.write_text(json.dumps({**printed, "dataset_version": "elsewhere", "rows_file": "/etc/passwd"}))
    newest = json.loads(run("train", "--spec", str(path), "--print-spec", "--json")[1])
    assert newest["dataset_version"] != printed["dataset_version"]

    for words, sentence in (
        (("--spec", "nowhere.json"), "There is no file nowhere.json"),
        (("--spec", str(path), "--preset", "quick"), "not both"),
        (("--spec", str(rows_file)), "not a run specification"),
    ):
        code, _, err = run("train", *words)
        assert code == 1
        assert sentence in err


def test_help_explains_every_verb():
    done = subprocess.run(
        [sys.executable, "-m", "core", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for verb in (
        "import",
        "preview",
        "train",
        "runs",
        "evaluate",
        "generate",
        "review",
        "export",
        "demo",
        "stats",
        "chat",
        "judge",
        "learn",
    ):
        assert f"\n    {verb} " in done.stdout, verb
