"""Where and how we run, read once from the environment and passed down. No module-level paths."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from core.errors import UserError

Mode = Literal["local", "space"]


@dataclass(frozen=True)
class Limits:
    """What one visitor of a Space may take of it, and all together. Elsewhere nothing of this is read.

    Each is set by its name in capitals behind TUNEWRIGHT_: TUNEWRIGHT_MAX_EPOCHS=3.
    """

    max_epochs: int = 10
    max_steps: int = 5_000
    """Optimizer steps of one run."""
    max_length: int = 4_096
    """Tokens of a row."""
    max_hours: float = 3.0
    """Of one job; then it is told to stop, and keeps what it has."""
    max_projects: int = 20
    """Of one visitor."""
    owner_mb: int = 2_000
    """On disk, of one visitor: datasets, runs, evaluations, chats and labels."""
    total_mb: int = 20_000
    """The same of all visitors together."""
    models_mb: int = 20_000
    """Of all models and benchmarks that were fetched from the Hub."""
    upload_mb: int = 200
    """Of one file."""
    uploads_mb: int = 2_000
    """Of all files that were brought and not imported yet, and of those that were made to be taken along."""
    uploads_minutes: int = 120
    """Until such a file is deleted."""


@dataclass(frozen=True)
class Settings:
    home: Path
    """Everything Tunewright writes lives here."""
    mode: Mode = "local"
    host: str = "127.0.0.1"
    port: int | None = None
    """None: 7860 or the next free one."""
    label_port: int | None = None
    """On all interfaces: invited people label there, and nothing else is. None: at the address of the page."""
    database_url: str = ""
    """Empty: SQLite in `home`."""
    benchmarks: Path | None = None
    """A folder of benchmark files in the Hub's row schema; None: the Hub."""
    limits: Limits = Limits()
    """On a Space. Elsewhere the machine is the limit."""

    @property
    def shared(self) -> bool:
        """Do people use it who do not know each other?"""
        return self.mode == "space"

    @property
    def url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'tunewright.db'}"


def from_environment(env: dict[str, str] | None = None) -> Settings:
    """Settings from TUNEWRIGHT_HOME, HOST, PORT, LABEL_PORT, DATABASE_URL, TUNEWRIGHT_BENCHMARKS, those of `Limits`,
    and the Space's own variables. Raises UserError for a limit that is no number.
    """
    env = dict(os.environ) if env is None else env
    space = env.get("SYSTEM") == "spaces" or bool(env.get("SPACE_ID"))
    home = env.get("TUNEWRIGHT_HOME")
    if not home:
        from platformdirs import user_data_dir

        home = user_data_dir("tunewright", appauthor=False)
    benchmarks = env.get("TUNEWRIGHT_BENCHMARKS")
    port = env.get("PORT") or env.get("GRADIO_SERVER_PORT")
    label_port = env.get("LABEL_PORT", "")
    return Settings(
        home=Path(home).expanduser().resolve(),
        mode="space" if space else "local",
        host=env.get("HOST") or ("0.0.0.0" if space else "127.0.0.1"),
        port=int(port) if port and port.isdigit() else None,
        label_port=int(label_port) if label_port.isdigit() else None,
        database_url=env.get("DATABASE_URL", ""),
        benchmarks=Path(benchmarks).expanduser().resolve() if benchmarks else None,
        limits=Limits(**{f.name: _limit(f.name, f.type == "int", env) for f in fields(Limits) if _name(f.name) in env}),
    )


def _name(limit: str) -> str:
    return f"TUNEWRIGHT_{limit.upper()}"


def _limit(limit: str, whole: bool, env: dict[str, str]) -> Any:
    text = env[_name(limit)]
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):  # neither is NaN
        raise UserError(f"{_name(limit)} is “{text}”. Give a {'whole ' if whole else ''}number from 0 on.")
    return number
