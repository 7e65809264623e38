"""Which process is a job's, does it live, and signals to it and all that it started.

A process is named by its pid, by when it began, and (where the system tells) by that in ticks since the machine was
started: clocks are set, ticks are not.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    """What `is_alive` knows this process by."""
    return named(os.getpid())


def named(pid: int) -> dict[str, Any]:
    """What `is_alive` knows a process by. Raises psutil.NoSuchProcess where it is gone."""
    name: dict[str, Any] = {"pid": pid, "started": psutil.Process(pid).create_time()}
    ticks = _ticks(pid)
    return name if ticks is None else {**name, "ticks": ticks, "boot": boot()}


def is_alive(process: dict[str, Any]) -> bool:
    """Is the process with that `pid`, which began at the time `started` (or at those `ticks`), still running?"""
    try:
        running = psutil.Process(process["pid"])
        if "ticks" in process:
            same = (_ticks(running.pid), boot()) == (process["ticks"], process.get("boot"))
        else:  # of an earlier version, or a system that does not tell
            same = abs(running.create_time() - process["started"]) < 1.0
        return same and running.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, OverflowError):  # no pid is as large
        return False


def is_suspended(process: dict[str, Any], several: bool = False) -> bool:
    """Is it stopped by a signal (SIGSTOP, SIGTSTP) or a debugger? `several`: it, or any that it started."""
    for one in family(process) if several else _only(process):
        with suppress(psutil.Error):
            if one.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
                return True
    return False


def let_go_on(process: dict[str, Any]) -> None:
    """Continue it and all that it started, where they are suspended: no signal but SIGKILL reaches them before."""
    _each(family(process), psutil.Process.resume)


def tell_to_end(process: dict[str, Any]) -> None:
    """SIGTERM to it and all that it started."""
    _each(family(process), psutil.Process.terminate)


def kill(process: dict[str, Any]) -> None:
    """SIGKILL to it and all that it started, its whole process group included."""
    members = family(process)
    with suppress(OSError, AttributeError):  # no such group, or a system without them
        if members and os.getpgid(members[0].pid) == members[0].pid:
            os.killpg(members[0].pid, signal.SIGKILL)
    _each(members, psutil.Process.kill)


def family(process: dict[str, Any]) -> list[psutil.Process]:
    """It and all that it started; nothing where it is gone. Never this process or one that it was started by."""
    if not is_alive(process) or process["pid"] in _own():
        return []
    try:
        first = psutil.Process(process["pid"])
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def cpu_seconds(members: list[psutil.Process]) -> float:
    """What they have computed so far, together."""
    total = 0.0
    for one in members:
        with suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def moved_bytes(members: list[psutil.Process]) -> int:
    """What they have read and written so far, together; 0 where the system does not tell."""
    total = 0
    for one in members:
        with suppress(psutil.Error, AttributeError):
            counters = one.io_counters()
            total += getattr(counters, "read_chars", counters.read_bytes)
            total += getattr(counters, "write_chars", counters.write_bytes)
    return total


@cache
def boot() -> str:
    """Names the time since the machine was started: ticks and the monotonic clock mean nothing beyond it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # another system
        return ""


def _ticks(pid: int) -> int | None:
    """When a process began, in the kernel's ticks; None where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])  # its name may hold spaces and brackets


def _only(process: dict[str, Any]) -> list[psutil.Process]:
    try:
        return [psutil.Process(process["pid"])]
    except psutil.Error:
        return []


def _own() -> set[int]:
    return {os.getpid(), *(one.pid for one in psutil.Process().parents())}


def _each(members: list[psutil.Process], do: Callable[[psutil.Process], None]) -> None:
    for one in members:
        with suppress(psutil.Error):
            do(one)
