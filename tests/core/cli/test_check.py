"""The verbs `check` and `clean`: what is found is told, shown mended, mended, and taken back."""

from __future__ import annotations

import json

import pytest

from core.cli.main import main


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    path = tmp_path / "rows.jsonl"
    lines = [{"prompt": f"question {i}", "answer": f"The answer is {i}."} for i in range(30)]
    lines += [{"prompt": "where is it?", "answer": "Ask sk-proj-abcdefghij0123456789xyz in the cafÃ©."}]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert main(["import", str(path)]) == 0


def test_check_and_clean(rows, capsys):
    capsys.readouterr()
    assert main(["check"]) == 0
    told = capsys.readouterr().out
    assert "Personal data and keys: 1 row of 31   [personal]" in told and "Damaged letters" in told
    assert main(["check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["found"]
    assert {f["check"] for f in found if f["rows"]} == {"personal", "encoding"}
    assert main(["check", "--only", "encoding"]) == 0 and "row     31  answer" in capsys.readouterr().out
    assert main(["clean", "personal", "encoding", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "+ Ask [KEY] in the cafÃ©." in shown and "in the café." in shown and "abcdefghij" not in told + shown
    assert main(["clean", "personal", "encoding"]) == 0
    assert "1 row changed, 0 left out." in capsys.readouterr().out
    assert main(["check"]) == 0 and "Nothing was found" in capsys.readouterr().out
    assert main(["clean", "--undo"]) == 0 and "those of version 1" in capsys.readouterr().out
    assert main(["clean"]) == 1 and "Say what to mend" in capsys.readouterr().err
    assert main(["clean", "nothing"]) == 1 and "no check “nothing”" in capsys.readouterr().err
