"""Files on their way, in the home's folder `temporary`: what was brought and not imported yet, what is taken along.

The page's server puts uploads there and serves files from there. Nothing of it is anybody's work, so it is swept by
age; on a Space it is bounded, too.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from core.errors import UserError
from core.settings import Settings
from core.store import quota
from core.store.workspace import Workspace

log = logging.getLogger("tunewright")

AT_HOME_MINUTES = 24 * 60
EVERY = 120.0
"""Seconds between two looks."""
MOST_GIVEN = 12
"""Folders to be taken along that a visitor of a Space has at a time."""
_given: dict[str, list[Path]] = {}
"""Owner → folders of what they were given, oldest first."""
_giving = threading.Lock()


def folder(home: Path) -> Path:
    return home / "temporary"


def folder_for_download(workspace: Workspace, size: int = 0) -> Path:
    """A new folder with a name that nobody guesses, for a file of about `size` bytes to be taken along.

    A visitor of a Space has a quarter of the room; their oldest folders make way. Raises UserError where there is no
    room for a file that takes some.
    """
    settings = workspace.settings
    if workspace.bounded:
        share = settings.limits.uploads_mb * 1_000_000 / 4
        with _giving:
            mine = _given.setdefault(workspace.owner, [])
            while mine and (len(mine) >= MOST_GIVEN or size + sum(map(quota.size_of, mine)) > share):
                shutil.rmtree(mine.pop(0), ignore_errors=True)
        if size and (full := why_full(settings, size)):
            raise UserError(full)
    made = folder(settings.home) / f"given-{secrets.token_hex(16)}"
    made.mkdir(parents=True)
    if workspace.bounded:
        with _giving:
            _given.setdefault(workspace.owner, []).append(made)
    return made


def why_full(settings: Settings, more: int) -> str:
    """Why a Space takes no further file of so many bytes; empty where it does."""
    kept, limits = quota.size_of(folder(settings.home)), settings.limits
    if kept + more <= limits.uploads_mb * 1_000_000:
        return ""
    return (
        f"{quota.megabytes(kept)} of {limits.uploads_mb:,} MB on this Space are taken by files that were brought or "
        f"made to be taken along. They are deleted after {limits.uploads_minutes} minutes: try again then."
    )


def sweep(settings: Settings) -> None:
    """Delete what is older than its time, and the empty folders that are left."""
    minutes = settings.limits.uploads_minutes if settings.shared else AT_HOME_MINUTES
    before = time.time() - 60 * minutes
    for path, _, changed in list(quota.files_below(folder(settings.home))):
        if changed < before:
            with suppress(OSError):
                path.unlink()
    for path in sorted(folder(settings.home).rglob("*"), reverse=True):  # those within others first
        with suppress(OSError):
            if path.is_dir() and path.stat().st_mtime < before:
                path.rmdir()  # fails for one that is not empty
    with _giving:
        for owner in list(_given):
            _given[owner] = [made for made in _given[owner] if made.is_dir()]
            if not _given[owner]:
                del _given[owner]


def keep_sweeping(settings: Settings) -> threading.Thread:
    """Sweep in the background for as long as this process lives, at once for the first time."""

    def again_and_again() -> None:
        while True:
            try:
                sweep(settings)
            except Exception:  # a full disk must not end it
                log.exception("Old files could not be deleted; trying again.")
            time.sleep(EVERY)

    thread = threading.Thread(target=again_and_again, name="sweeper", daemon=True)
    thread.start()
    return thread
