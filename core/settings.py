"""Where and how we run, read once from the environment and passed down. No module-level paths."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Mode = Literal["local", "space"]


@dataclass(frozen=True)
class Settings:
    home: Path
    """Everything Tunewright writes lives here."""
    mode: Mode = "local"
    host: str = "127.0.0.1"
    port: int | None = None
    """None: 7860 or the next free one."""
    database_url: str = ""
    """Empty: SQLite in `home`."""
    benchmarks: Path | None = None
    """A folder of benchmark files in the Hub's row schema; None: the Hub."""
    max_upload_mb: int = 200
    """Of a file on a Space. Elsewhere the disk is the limit."""

    @property
    def url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'tunewright.db'}"


def from_environment(env: dict[str, str] | None = None) -> Settings:
    """Settings from TUNEWRIGHT_HOME, HOST, PORT, DATABASE_URL, TUNEWRIGHT_BENCHMARKS and the Space's own variables."""
    env = dict(os.environ) if env is None else env
    space = env.get("SYSTEM") == "spaces" or bool(env.get("SPACE_ID"))
    home = env.get("TUNEWRIGHT_HOME")
    if not home:
        from platformdirs import user_data_dir

        home = user_data_dir("tunewright", appauthor=False)
    benchmarks = env.get("TUNEWRIGHT_BENCHMARKS")
    port = env.get("PORT") or env.get("GRADIO_SERVER_PORT")
    return Settings(
        home=Path(home).expanduser().resolve(),
        mode="space" if space else "local",
        host=env.get("HOST") or ("0.0.0.0" if space else "127.0.0.1"),
        port=int(port) if port and port.isdigit() else None,
        database_url=env.get("DATABASE_URL", ""),
        benchmarks=Path(benchmarks).expanduser().resolve() if benchmarks else None,
    )
