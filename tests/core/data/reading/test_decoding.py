"""Text of any encoding: recognised where that is sure, else offered with words of it, and never guessed in silence."""

from __future__ import annotations

import pytest

from core.cli.main import main
from core.data import actions as data_actions
from core.data import worker
from core.data.reading import table as pieces
from core.data.reading.decoding import UnknownEncoding, flag, recognised, require_encoding
from core.data.reading.files import read
from core.errors import UserError

TEXT = "prompt;answer\nGrüße aus Köln?;Schön, 10 €\n你好;再见\n"


def written(tmp_path, data: bytes, name: str = "rows.csv"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"],
)
def test_unicode_is_recognised_with_and_without_a_mark(tmp_path, monkeypatch, encoding, size):
    monkeypatch.setattr(pieces, "PIECE", size)
    rows = read(written(tmp_path, TEXT.encode(encoding))).rows
    assert rows[0] == {"prompt": "Grüße aus Köln?", "answer": "Schön, 10 €"}
    assert rows[1] == {"prompt": "你好", "answer": "再见"}


def test_text_of_few_latin_letters_in_utf_16(tmp_path):
    text = '{"问":"今天天气怎么样?","答":"天气很好。"}\n' * 3
    for encoding in ("utf-16-le", "utf-16-be"):
        assert read(written(tmp_path, text.encode(encoding), "rows.jsonl")).rows[0]["答"] == "天气很好。"
    assert recognised("中文文字很多".encode() * 10) == "utf-8-sig"


SEEN = {
    "cp1252": ("prompt;answer\nGrüße aus Köln;schön\nStraße;Öl\n", "“Grüße”, “Köln”, “schön”"),
    "cp1251": ("prompt;answer\nПривет, как дела?;Хорошо, спасибо\n" * 3, "“Привет”, “как”, “дела?”"),
    "gb18030": ("prompt,answer\n你好世界很大,你好吗\n今天天气怎么样,天气很好\n" * 3, "“你好世界很大”, “你好吗”"),
    "cp932": ("prompt,answer\nこんにちは世界,はいそうです\n" * 3, "“こんにちは世界”"),
}


@pytest.mark.parametrize("encoding", SEEN)
def test_another_encoding_is_offered_with_its_words_and_read_when_chosen(tmp_path, encoding):
    text, words = SEEN[encoding]
    path = written(tmp_path, text.encode(encoding))
    with pytest.raises(UnknownEncoding) as refusal:
        read(path)
    assert "line 2 holds the byte 0x" in str(refusal.value)
    assert "It seems to be " in str(refusal.value) and f"--encoding {flag(encoding)}" in str(refusal.value)
    assert refusal.value.offered[encoding].startswith(words) and next(iter(refusal.value.offered)) == encoding
    first = list(read(path, encoding=encoding).rows[0].values())
    assert first == text.split("\n")[1].split(";" if ";" in text else ",")


def test_the_likely_ones_are_few_and_windows_is_among_them(tmp_path):
    polish = "prompt;answer\nZażółć gęślą jaźń;łódź\n".encode("cp1250")
    with pytest.raises(UnknownEncoding) as refusal:
        read(written(tmp_path, polish))
    assert "“Zażółć”, “gęślą”, “jaźń”" in refusal.value.offered["cp1250"]
    assert len(refusal.value.offered) <= 6


def test_one_wrong_byte_among_utf_8_is_named_rather_than_all_reinterpreted(tmp_path):
    data = "prompt,answer\nGrüße,schön\nÄpfel,Öl\n".encode() + b"M\xfcll,ja\n"
    with pytest.raises(UserError) as refusal:
        read(written(tmp_path, data))
    assert not isinstance(refusal.value, UnknownEncoding)
    assert "line 4 holds the byte 0xFC" in str(refusal.value) and "while most of it is" in str(refusal.value)


def test_what_stands_for_nothing_in_the_chosen_encoding_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not Windows-1252 text: line 2 holds the byte 0x81"):
        read(written(tmp_path, b"prompt,answer\n\x81,x\n"), encoding="cp1252")
    with pytest.raises(UserError, match="There is no text encoding “klingon”"):
        require_encoding("klingon")
    for name in ("rot13", "base64", "undefined", "idna"):
        with pytest.raises(UserError, match="no text encoding"):
            require_encoding(name)
    assert require_encoding("Windows-1252") == "cp1252"
    assert require_encoding("shift-jis") == "shift_jis"


@pytest.mark.parametrize("large", [False, True])
def test_a_person_chooses_and_the_version_knows_it(workspace, tmp_path, monkeypatch, large):
    if large:
        monkeypatch.setattr(worker, "LARGE", 0)
    lines = "".join(f"Größe {i}?;Höhe {i}\n" for i in range(12))
    path = written(tmp_path, f"prompt;answer\n{lines}".encode("cp1252"))
    *_, step = worker.run(workspace, path, {"chosen": None}, lambda: False)
    assert step.draft.there == () and "seems to be Windows-1252" in step.draft.refused
    assert step.draft.encodings["cp1252"].startswith("“Größe”, “Höhe”")
    *_, step = worker.run(workspace, path, {"chosen": None, "encoding": "cp1252"}, lambda: False)
    assert step.draft.first.target == "Höhe 0" and not step.draft.encodings
    project = workspace.create_project("p")
    request = {"project_id": project.id, "encoding": "cp1252", "validation": 0.1, "test": 0.1}
    list(worker.run(workspace, path, request, lambda: False))
    [version] = workspace.versions(project.id)
    assert version.manifest["encoding"] == "cp1252"
    assert sum(version.counts.values()) == 12


def test_what_was_taken_for_missing_is_in_the_summary(workspace, tmp_path):
    lines = "".join(f'{{"prompt": "Q {i}", "answer": "A {i}", "input": NaN}}\n' for i in range(12))
    path = written(tmp_path, lines.encode(), "rows.jsonl")
    draft = data_actions.inspect(path, workspace)
    sentence = "12 values “NaN” of the column “input” were taken for missing, the first in row 1."
    assert [p.what for p in draft.problems] == [sentence] and draft.problem_count == 1
    version, problems = data_actions.import_file(workspace, workspace.create_project("p").id, path)
    assert [p.what for p in problems] == [sentence]
    assert [p["what"] for p in version.manifest["problems"]] == [sentence]
    assert version.manifest["problem_counts"] == {sentence: 1}


def test_the_command_line_says_which_and_takes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    lines = "".join(f"Größe {i}?;Höhe {i}\n" for i in range(12))
    path = written(tmp_path, f"prompt;answer\n{lines}".encode("cp1252"))
    assert main(["import", str(path)]) == 1
    assert "“Größe”, “Höhe”" in (refusal := capsys.readouterr().err) and "--encoding windows-1252" in refusal
    assert main(["import", str(path), "--encoding", "windows-1252"]) == 0
    assert "10 train" in capsys.readouterr().out
    assert main(["import", str(path), "--encoding", "klingon"]) == 1
    assert "There is no text encoding “klingon”" in capsys.readouterr().err
