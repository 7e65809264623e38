"""Files on their way are swept by age, bounded on a Space, and in nobody's way."""

from __future__ import annotations

import os
import threading
import time

import pytest

from core.errors import UserError
from core.settings import Limits, Settings
from core.store import temporary
from core.store.places import Places
from core.store.workspace import open_workspace


def put(home, name: str, minutes: float, size: int = 10) -> os.PathLike:
    path = temporary.folder(home) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    for place in (path, path.parent):
        os.utime(place, (time.time() - 60 * minutes,) * 2)
    return path


@pytest.mark.parametrize(("mode", "kept"), [("space", 120), ("local", 24 * 60)])
def test_what_nobody_imported_is_swept(tmp_path, mode, kept):
    settings = Settings(home=tmp_path, mode=mode)
    old, new = put(tmp_path, "a/rows.jsonl", kept + 1), put(tmp_path, "b/rows.jsonl", kept - 1)
    inside = put(tmp_path, "c/d/rows.jsonl", kept + 1)
    temporary.sweep(settings)
    assert not old.exists()
    assert new.exists()
    assert not inside.exists()
    for folder in (old.parent, inside.parent):  # which was just emptied, and may just have been made
        assert folder.exists()
        os.utime(folder, (time.time() - 60 * (kept + 1),) * 2)
    temporary.sweep(settings)
    assert not old.parent.exists()
    assert not inside.parent.exists()
    assert new.exists()


def test_nothing_else_is_swept(tmp_path):
    settings = Settings(home=tmp_path, mode="space")
    outside = tmp_path / "projects" / "rows"
    outside.parent.mkdir()
    outside.write_text("kept")
    os.utime(outside, (0, 0))
    temporary.folder(tmp_path).mkdir()
    (temporary.folder(tmp_path) / "link").symlink_to(outside.parent)
    temporary.sweep(settings)
    assert outside.read_text() == "kept"


def test_a_visitors_oldest_files_make_way_for_what_is_taken_along_next(tmp_path):
    limits = Limits(uploads_mb=4)
    ann = open_workspace(Settings(home=tmp_path, mode="space", limits=limits), "visitor-ann")
    made = []
    for _ in range(5):
        folder = temporary.folder_for_download(ann, 300_000)
        (folder / "adapter.zip").write_bytes(b"x" * 300_000)
        made.append(folder)
    assert [folder.exists() for folder in made] == [False, False, True, True, True]  # a quarter of all is theirs
    bob = ann.as_owner("visitor-bob")
    put(tmp_path, "a/rows.jsonl", 1, 3_000_000)
    with pytest.raises(UserError, match="4 of 4 MB|4 MB of 4 MB on this Space are taken by files that were brought"):
        temporary.folder_for_download(bob, 300_000)
    assert temporary.folder_for_download(bob).is_dir()  # a specification is nothing


def test_places_are_given_back_and_one_owner_does_not_take_all():
    places = Places(1, 2, 0.05, "All places are taken.")
    with places.one("ann"):
        with pytest.raises(UserError, match="All places are taken"), places.one("ann"):
            pass
        with places.one("bob"), pytest.raises(UserError), places.one("carl"):
            pass
        with places.one("carl"):
            pass
    with pytest.raises(ZeroDivisionError), places.one("ann"):
        1 / 0  # noqa: B018
    with places.one("ann"):
        pass


def test_who_waits_is_given_a_place_as_soon_as_one_is_free():
    places = Places(1, 1, 5.0, "All places are taken.")
    left = threading.Event()

    def stay() -> None:
        with places.one("ann"):
            left.wait(5)

    first = threading.Thread(target=stay)
    first.start()
    time.sleep(0.05)
    threading.Timer(0.1, left.set).start()
    began = time.monotonic()
    with places.one("ann"):
        assert time.monotonic() - began < 3
    first.join()
