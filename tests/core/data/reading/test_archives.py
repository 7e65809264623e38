"""Several files at once: their rows follow one another and say where they are from; what is odd is told or refused."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from core.data import actions
from core.data.reading.decoding import UnknownEncoding
from core.data.reading.files import batches
from core.data.reading.table import Reading, Source
from core.errors import UserError
from tests.files import pdf, workbook, zipped

CSV = "prompt,answer\na,b\nc,d\n"


def written(tmp_path, files: dict[str, str | bytes], folder: bool):
    if not folder:
        path = tmp_path / "rows.zip"
        path.write_bytes(zipped(files))
        return path
    for name, data in files.items():
        path = tmp_path / "rows" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return tmp_path / "rows"


def read(path, **how):
    reading = Reading()
    tables = list(batches(Source(path, path.name, reading=reading, **how)))
    rows = [(n, row) for table in tables for n, row in zip(table.numbers, table.rows, strict=True)]
    return rows, [str(notice) for notice in reading.notices]


@pytest.mark.parametrize("folder", [False, True])
def test_files_of_several_kinds_are_read_one_after_the_other(tmp_path, folder):
    files = {
        **{"a/train.csv": CSV, "b/test.jsonl": '{"prompt": "e", "answer": "f"}\n'},
        **{"c/train.xlsx": workbook({"S": [["prompt", "answer"], ["g", "h"]]}), "README.md": "# About"},
        **{"a/picture.png": b"\x89PNG\r\n\x1a\n\0\0", "__MACOSX/._x": b"x", ".DS_Store": b"x", "none.csv": b""},
    }
    rows, told = read(written(tmp_path, files, folder))
    assert [(n, row["prompt"], row["file"], row["split"]) for n, row in rows] == [
        (1, "a", "a/train.csv", "train"),
        (2, "c", "a/train.csv", "train"),
        (3, "e", "b/test.jsonl", "test"),
        (4, "g", "c/train.xlsx", "train"),
    ]
    [read_, left] = told
    assert "“a/train.csv” 1–2; “b/test.jsonl” 3–3" in read_
    assert all(name in left for name in ("README.md", "picture.png", "none.csv")) and "DS_Store" not in left


def test_what_all_files_unpack_to_is_known_for_the_limits_of_disk_and_space(tmp_path):
    packed = gzip.compress(CSV.encode() * 100)
    path = written(tmp_path, {"a.csv": CSV, "b.csv": CSV, "c.csv.gz": packed}, False)
    reading = Reading()
    assert len([row for table in batches(Source(path, path.name, reading=reading)) for row in table.rows]) == 303
    assert reading.bytes == 102 * len(CSV)


def test_different_columns_are_told_and_a_scan_among_documents_is_left(tmp_path):
    other = "question;reply\nx;y\n"
    _, told = read(written(tmp_path, {"a.csv": CSV, "b.csv": other}, False))
    assert "“a.csv”: answer, prompt; “b.csv”: question, reply" in " ".join(told)
    rows, told = read(written(tmp_path / "in", {"a.pdf": pdf([["Some text."]]), "b.pdf": pdf([[]])}, True))
    assert len(rows) == 1 and any("“b.pdf”" in sentence and "no text" in sentence for sentence in told)


def test_an_encoding_is_chosen_for_the_files_that_do_not_show_theirs(tmp_path):
    rows = "prompt,answer\nGrüße,schön\n"
    path = written(tmp_path, {"a.csv": rows.encode("cp1252"), "b.csv": rows}, False)
    with pytest.raises(UnknownEncoding, match="rows.zip/a.csv” is not UTF-8 text"):
        read(path)
    assert [row["prompt"] for _, row in read(path, encoding="cp1252")[0]] == ["Grüße", "Grüße"]


def test_a_broken_file_refuses_all_and_is_named(tmp_path):
    with pytest.raises(UserError, match="rows.zip/b.jsonl”, line 1"):
        read(written(tmp_path, {"a.csv": CSV, "b.jsonl": '{"prompt": '}, False))


def locked() -> bytes:
    """The flag that says that a file is encrypted, in both places where it stands."""
    data = bytearray(zipped({"a.csv": CSV}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    return bytes(data)


def lying() -> bytes:
    """An archive that states less than it holds."""
    data = bytearray(zipped({"a.csv": "prompt,answer\n" + "a,b\n" * 5000}))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + place
        data[at : at + 4] = (20).to_bytes(4, "little")
    return bytes(data)


def misplaced() -> bytes:
    """An archive whose table says that its file begins before the archive does."""
    data = bytearray(zipped({"a.csv": CSV}))
    data[-6:-2] = (200).to_bytes(4, "little")
    return bytes(data)


BAD = {
    "out.zip": (zipped({"../../out.csv": CSV}), "a path that leads out of the archive"),
    "root.zip": (zipped({"/etc/rows.csv": CSV}), "a path that leads out of the archive"),
    "locked.zip": (locked(), "protected by a password"),
    "lying.zip": (lying(), "broken or cut off"),
    "misplaced.zip": (misplaced(), "broken or cut off (["),
    "bomb.zip": (zipped({"a.csv": b"a" * 210_000_000}), "unpacks to 210 MB"),
    "cut.zip": (zipped({"a.csv": CSV})[:40], "broken or cut off"),
    "none.zip": (zipped({}), "holds no file with rows"),
    "nested.zip": (zipped({"in.zip": zipped({"a.csv": CSV})}), "an archive within an archive"),
}


@pytest.mark.parametrize("name", BAD)
def test_archives_that_are_not_safe_are_refused(tmp_path, workspace, name):
    data, sentence = BAD[name]
    path = tmp_path / name
    path.write_bytes(data)
    project = workspace.create_project("p")
    with pytest.raises(UserError) as refusal:
        actions.import_file(workspace, project.id, path)
    assert sentence in str(refusal.value)
    assert not workspace.versions(project.id)
    assert not (tmp_path.parent / "out.csv").exists()


def test_a_folder_is_kept_beside_the_rows_as_it_was_brought(tmp_path, workspace):
    lines = "".join(f"Ask {i}?,Say {i}\n" for i in range(6))
    folder = written(tmp_path, {"a.csv": f"prompt,answer\n{lines}", "b.csv": CSV}, True)
    project = workspace.create_project("p")
    version, _ = actions.import_file(workspace, project.id, folder)
    [kept] = workspace.rows_file(version.id).parent.glob("source*")
    with zipfile.ZipFile(io.BytesIO(kept.read_bytes())) as archive:
        assert sorted(archive.namelist()) == ["a.csv", "b.csv"]
    assert {e.meta["file"] for e in workspace.examples(version.id)} == {"a.csv", "b.csv"}
    assert version.counts["train"] + version.counts["validation"] + version.counts["test"] == 8
