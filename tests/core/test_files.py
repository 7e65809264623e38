"""Files: a new one of a person's choice is there whole or not at all; what was half written is swept by whose it is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import UserError
from core.files import check_new, new_file, partial_of, sweep
from tests.small_disk import fill, largest_file, mounted


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("labels.xlsx", "A file of labels is written as .jsonl, .csv, not as “labels.xlsx”"),
        ("labels", "not as “labels”"),
        ("there.csv", "exists already; nothing was overwritten"),
        ("THERE.CSV", ""),
        ("link.csv", "exists already"),
        ("a folder", "is a folder. Name a file in it"),
        ("folder.csv", "is a folder. Name a file in it"),
        ("nowhere/labels.csv", "There is no folder"),
        ("there.csv/labels.csv", "There is no folder"),
        ("x" * 300 + ".csv", "cannot be written there: File name too long"),
        ("x" * 245 + ".csv", "cannot be written there: File name too long"),
    ],
)
def test_where_no_file_can_be_written_is_said_before_the_work(tmp_path, name, said):
    (tmp_path / "there.csv").write_text("theirs")
    (tmp_path / "link.csv").symlink_to(tmp_path / "nothing")
    (tmp_path / "a folder").mkdir()
    (tmp_path / "folder.csv").mkdir()
    target = tmp_path / name
    if said:
        with pytest.raises(UserError, match=said):
            check_new(target, (".jsonl", ".csv"), "a file of labels")
    else:
        check_new(target, (".jsonl", ".csv"), "a file of labels")
    assert (tmp_path / "there.csv").read_text() == "theirs"


def test_a_folder_that_this_user_may_not_write():
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    closed = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others as a whole
    closed.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(UserError, match="may not write into"):
            check_new(closed / "a.csv", (".csv",), "a table")
        with pytest.raises(UserError, match="was not written. This user has no permission for it"):
            _write(closed / "a.csv")
    finally:
        os.seteuid(0)
        closed.rmdir()


def test_a_new_file_is_whole_or_not_there(tmp_path):
    with new_file(tmp_path / "a.csv") as partial:
        partial.write_text("mine")
        assert not (tmp_path / "a.csv").exists()
    with suppress(ZeroDivisionError), new_file(tmp_path / "b.csv") as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    mine = new_file(tmp_path / "c.csv")
    mine.__enter__().write_text("mine")
    (tmp_path / "c.csv").write_text("somebody was first")
    with pytest.raises(UserError, match="exists already"):
        mine.__exit__(None, None, None)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.csv": "mine", "c.csv": "somebody was first"}


def test_a_disk_without_links_takes_it_too(tmp_path, monkeypatch):
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # as FAT says it

    monkeypatch.setattr(os, "link", no_links)
    with new_file(tmp_path / "a.csv") as partial:
        partial.write_text("mine")
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_full_disk_of_another_kind(tmp_path):
    with mounted(tmp_path / "stick", 200) as stick:
        fill(stick, leave=8000)
        with pytest.raises(UserError, match="a.zip was not written. The disk is full.*a folder on another disk"):
            _write(stick / "a.zip")
        assert [p.name for p in stick.iterdir()] == ["junk"]


def test_a_file_that_may_not_grow(tmp_path):
    with largest_file(10_000), pytest.raises(UserError, match=r"was not written.*takes no file as large"):
        _write(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def _write(target: Path) -> None:
    with new_file(target) as partial:
        partial.write_bytes(b"\0" * 100_000)


def test_what_a_process_left_is_swept_and_what_a_living_one_writes_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    datasets = tmp_path / "projects" / "p" / "datasets"
    job = tmp_path / "projects" / "p" / "jobs" / "j"
    for folder in (datasets / "v", job, tmp_path / "models"):
        folder.mkdir(parents=True)
    left = [
        tmp_path / f".v2.{gone.pid}.partial",
        datasets / "v" / f".rows-3.{gone.pid}.partial",
        job / f".adapter.{gone.pid}.partial",
        job / f".outcome.json.{gone.pid}.partial",
        job.parent / f".new.{gone.pid}.partial",
        tmp_path / "models" / f".smollm2.{gone.pid}.partial",
    ]
    living = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    stays = [
        partial_of(tmp_path / "v3"),
        tmp_path / f".v4.{living.pid}.partial",
        job / "answers.partial.jsonl",
        tmp_path / ".a.partial",
        tmp_path / ".person.name.partial",
        datasets / "v" / "rows.parquet",
    ]
    for i, path in enumerate([*left, *stays]):
        if i % 2 or path.suffix != ".partial":
            path.write_text("half")
        else:
            path.mkdir()
            (path / "rows.parquet").write_text("half")
    (tmp_path / f".link.{gone.pid}.partial").symlink_to(datasets)
    try:
        assert set(sweep(tmp_path)) == {*left, tmp_path / f".link.{gone.pid}.partial"}
        assert all(path.exists() for path in stays) and not any(path.exists() for path in left)
        long_ago = 1_000_000_000  # the number of a process that is gone was given to this one
        os.utime(stays[1], (long_ago, long_ago))
        assert sweep(tmp_path) == [stays[1]]
    finally:
        living.communicate()
