"""The verb `augment`: a sample, the rest, drafts out and decisions in, all against a real endpoint."""

from __future__ import annotations

import json

import pytest

from core.augmentation.worker import KEY
from core.cli.main import main
from tests.core.augmentation.writer_server import SECRET, serving, writer


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(KEY, SECRET)
    path = tmp_path / "rows.jsonl"
    lines = [{"prompt": f"Where is the {i}th house of the long street?", "answer": f"Behind {i}."} for i in range(30)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert main(["import", str(path)]) == 0
    return tmp_path


def test_from_a_sample_to_rows_of_a_version(home, capsys):
    with serving(writer) as (url, sent):
        asked = ["augment", "--kind", "new", "--rows", "10", "--model", "m", "--endpoint", url]
        assert main([*asked, "--sample", "--price", "1", "2"]) == 0
        told = capsys.readouterr().out
        assert "5 of 10 rows asked for, 5 passed" in told and "[0.4]" in told and "The other 5 rows will take" in told
        assert main(["augment", "--go-on", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["summary"]["passed"] == 10
    assert len(sent) == 2 and {one["key"] for one in sent} == {f"Bearer {SECRET}"}
    drafts = home / "drafts.jsonl"
    assert main(["augment", "--export", str(drafts)]) == 0
    lines = [json.loads(line) for line in drafts.read_text(encoding="utf-8").splitlines()]
    for line, word in zip(lines, ("accept", "edit", "reject"), strict=False):
        line["decision"] = word
    lines[1]["answer"] = "By hand."
    drafts.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    capsys.readouterr()
    assert main(["augment", "--decisions", str(drafts)]) == 0
    assert "Version 2 has 2 synthetic rows more to train, 1 of them edited." in capsys.readouterr().out
    assert main(["augment", "--accept-all"]) == 0
    assert "Version 3 has 7 synthetic rows more to train. They were accepted unread." in capsys.readouterr().out


def test_what_cannot_be_asked(home, capsys):
    for words, sentence in (
        ([], "No rows were asked for yet"),
        (["--go-on"], "No rows were asked for yet"),
        (["--kind", "new"], "Say who writes the rows"),
        (["--kind", "new", "--model", "m", "--from", "nowhere.txt"], "There is no file nowhere.txt"),
        (["--kind", "new", "--model", "m", "--from", __file__], "--from is for"),
        (["--kind", "answer", "--model", "m", "--endpoint", "ftp://x"], "no prompts to answer"),
        (["--kind", "new", "--model", "m", "--endpoint", "ftp://x"], "begins with http"),
    ):
        assert main(["augment", *words]) == 1
        assert sentence in capsys.readouterr().err
