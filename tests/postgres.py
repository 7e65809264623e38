"""A PostgreSQL of the tests' own: a cluster in a temporary folder, reached by a socket in it, gone when they end.

The server refuses to run as root, so root starts it as the user `postgres`, whom Debian's package makes.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FAST = "-c fsync=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=32MB -c listen_addresses="
SAFE = FAST.replace("fsync=off", "fsync=on").replace("full_page_writes=off", "full_page_writes=on")
"""As a server is run: for what is measured."""


def programs() -> Path | None:
    """The folder of the server's programs, of the newest version; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def cluster(options: str = FAST) -> Iterator[str]:
    """A server; gives the address of its database `postgres`."""
    folder = Path(tempfile.mkdtemp(prefix="tunewright-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["runuser", "-u", "postgres", "--"]
    data, bin_ = folder / "data", programs()
    assert bin_ is not None
    control = [*as_user, str(bin_ / "pg_ctl"), "--pgdata", str(data), "--silent", "--wait"]
    initdb = [*as_user, str(bin_ / "initdb"), "--pgdata", str(data), "--username=postgres", "--auth=trust"]
    try:
        subprocess.run([*initdb, "--encoding=UTF8", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd="/")
        began = [*control, "--log", str(folder / "log"), "--options", f"{options} -c unix_socket_directories={folder}"]
        subprocess.run([*began, "start"], check=True, stdout=subprocess.DEVNULL, cwd="/")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            subprocess.run([*control, "--mode=immediate", "stop"], check=False, stdout=subprocess.DEVNULL, cwd="/")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
