"""The verb `enough`: what the newest rows give for their task, and what the test rows can show."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.cli import common
from core.cli.common import Result
from core.data import enough
from core.store.workspace import Workspace

HELP = "Say what the rows are enough for: how many, how different, how balanced, and what the test can show."


def add(p: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    version = common.version(workspace, args)
    found = enough.look(workspace, version.id)
    marks = {"note": " ", "warning": "!"}
    lines = [f"{version.title}:", *(f"{marks[remark.level]} {remark.text}" for remark in found.remarks)]
    return {**asdict(found), "smallest": found.smallest}, lines
