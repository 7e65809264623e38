"""A data set of a Hub on the loopback address becomes a file: some rows of one commit, by the real libraries."""

from __future__ import annotations

import json

import pytest

from tests import hub as hubs

CARD = """---
configs:
- config_name: one
  data_files:
  - split: train
    path: data/a*.jsonl
  - split: test
    path: data/b.jsonl
- config_name: two
  data_files: data/c.csv
---
"""
SCRIPT = """
import json, sys
from pathlib import Path
from core.data import hub
from core.errors import UserError
results = []
for n, asked in enumerate(json.loads(sys.argv[2])):
    verb = asked.pop("verb", "fetch")
    try:
        if verb == "look":
            results.append(hub.look(**asked).splits)
        else:
            target = Path(sys.argv[1]) / f"{n}.jsonl"
            origin = hub.fetch(target=target, **asked)
            rows = [json.loads(line) for line in target.read_text().splitlines()]
            results.append({**origin.to_dict(), "title": str(origin), "found": rows})
    except UserError as e:
        results.append(str(e))
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    (folder / "data").mkdir()
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    for n in range(2):
        lines = (json.dumps({"prompt": f"prompt {n} {i}", "answer": f"answer {i}"}) for i in range(60))
        (folder / f"data/a{n}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "data/b.jsonl").write_text(json.dumps({"prompt": "p", "answer": "a"}), encoding="utf-8")
    (folder / "data/c.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    odd = tmp_path_factory.mktemp("odd")
    (odd / "secret.csv").write_text("prompt,answer\na,b\n", encoding="utf-8")
    (odd / "published").mkdir()
    card = CARD.partition("- config_name: two")[0].replace("data/b.jsonl", "x.csv").replace("data/a*.jsonl", "x.csv")
    (odd / "published" / "README.md").write_text(card.replace("x.csv", f"{odd}/secret.csv") + "---\n", encoding="utf-8")
    with hubs.running() as running:
        running.commit("datasets", "me/odd", odd / "published")
        running.commit("datasets", "me/rows", folder)
        running.commit("datasets", "me/gated", folder)
        running.gated.add("me/gated")
        yield running


def ask(hub, folder, *asked):
    done = hubs.ask(hub, folder, SCRIPT, str(folder), json.dumps(asked))
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_rows_of_one_commit_are_fetched_and_may_be_a_sample(hub, tmp_path):
    of = {"name": "me/rows", "config": "one"}
    address = f"{hub.url}/datasets/me/rows/viewer"
    found, first, drawn, again, whole, test = ask(
        hub,
        tmp_path,
        {"verb": "look", "name": address},
        {**of, "rows": 5},
        {**of, "rows": 5, "seed": 3},
        {**of, "rows": 5, "seed": 3},
        {**of, "rows": 0},
        {**of, "rows": 9, "split": "test"},
    )
    assert found == {"one": ["train", "test"], "two": []}
    assert [row["prompt"] for row in first["found"]] == [f"prompt 0 {i}" for i in range(5)]
    assert (first["split"], first["rows"], first["whole"], first["seed"]) == ("train", 5, False, None)
    [newest] = hub.repositories[("datasets", "me/rows")]
    assert first["revision"] == newest and f"5 rows, the first; commit {newest[:10]}" in first["title"]
    assert drawn["found"] == again["found"] != first["found"] and drawn["seed"] == 3
    assert len({row["prompt"] for row in drawn["found"]}) == 5
    assert (whole["rows"], whole["whole"], len(whole["found"])) == (120, True, 120)
    assert (test["rows"], test["whole"]) == (1, True)


def test_what_cannot_be_fetched_is_a_sentence_and_leaves_no_file(hub, tmp_path):
    asked = [
        ({"name": "me/rows"}, "has 2 configurations: one, two"),
        ({"name": "me/rows", "config": "three"}, "no configuration “three”"),
        ({"name": "me/rows", "config": "one", "split": "dev"}, "no split “dev”. It has: train, test"),
        ({"name": "me/nothing"}, "The Hub has no data set “me/nothing” that everybody may read"),
        ({"name": "me/rows", "revision": "0" * 40}, "no such commit any more"),
        ({"name": "me/gated", "config": "one"}, "is gated"),
        ({"name": "me/odd"}, "Data files don't belong to me/odd"),
        ({"name": "../etc"}, "is no id of a data set"),
        ({"name": "me/rows", "config": "one", "most_bytes": 10}, "Choose fewer rows"),
    ]
    answers = ask(hub, tmp_path, *({"rows": 3, **question} for question, _ in asked))
    for answer, (_, sentence) in zip(answers, asked, strict=True):
        assert isinstance(answer, str) and sentence in answer
    assert not list(tmp_path.glob("*.jsonl*"))
    with hubs.running() as gone:
        pass
    [answer] = ask(gone, tmp_path / "elsewhere", {"name": "me/rows", "rows": 3})
    assert "The Hub does not answer for “me/rows”" in answer
