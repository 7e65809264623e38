"""The loop with model and questions from the Hub, verb by verb; the Hub is ours (tests/hub.py), its clients real."""

from __future__ import annotations

import json

from tests.core.evaluation.benchmarks.test_hub import publish, rows_of
from tests.hub import ROOT, ask, running

VERB = "import sys; from core.__main__ import main; sys.exit(main(sys.argv[1:]))"
EVALUATE = ("evaluate", "--rows", "2", "--max-new-tokens", "4", "--benchmark", "arc_easy", "--json")


def test_a_run_and_its_evaluation_are_of_the_commits_they_began_with(rows_file, tiny_model_folder, tmp_path):
    rows, name = rows_of(ROOT / "tests" / "samples"), "somebody/tiny"

    def run(*words: str) -> str:
        done = ask(hub, tmp_path / "home", VERB, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def questions(folder: str, chosen: list[dict]) -> str:
        parts = {"train": rows[:1], "validation": rows[:1], "test": chosen}
        return publish(hub, tmp_path / folder, "allenai/ai2_arc", {"ARC-Easy": parts})

    with running() as hub:
        model, old = hub.commit("models", name, tiny_model_folder), questions("old", rows[:6])
        run("import", str(rows_file))
        run("train", "--model", name, "--epochs", "1", "--max-length", "128")
        hub.commit("models", name, tmp_path / "old")  # the Hub moves on, to what is no model at all
        report = json.loads(run(*EVALUATE))
        assert report["spec"]["revision"] == model
        task = report["benchmarks"]["arc_easy"]
        assert (task["source"], task["n"]) == ({"hub": "allenai/ai2_arc", "revision": old}, 6)

        new = questions("new", rows[6:10])
        task = json.loads(run(*EVALUATE))["benchmarks"]["arc_easy"]
        assert (task["source"]["revision"], task["n"]) == (new, 4)
