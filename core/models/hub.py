"""What became of the catalogue's models on the Hub: asked in the background, once a day, and never waited for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from core.models.catalogue import CATALOGUE
from core.models.starter import STARTER

log = logging.getLogger("tunewright")

FRESH = 24 * 3600.0
"""Seconds that an answer counts for."""
AGAIN = 600.0
"""Seconds until the Hub is asked again where it did not answer."""
Look = Callable[[str], str]


class Checks:
    """Model → what the Hub says: `here`, `gated` or `gone`. One for all visitors."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._found: dict[str, str] = {}
        self._day = ""
        self._next = 0.0

    def now(self) -> tuple[dict[str, str], str]:
        """(model → what the Hub said last, the day on which it did; both empty where it was not reached).

        Returns at once. Where the answers are old, the Hub is asked meanwhile.
        """
        with self._lock:
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + AGAIN
                threading.Thread(target=self._ask, name="hub", daemon=True).start()
            return dict(self._found), self._day

    def _ask(self) -> None:
        checks = {}
        for entry in CATALOGUE:
            if entry.name == STARTER:
                continue
            try:
                checks[entry.name] = self._look(entry.name)
            except Exception as e:  # out of reach, offline by choice, or not in the mood: nothing depends on it
                log.info("The Hub was not reached for the list of models: %s", e)
                return
        with self._lock:
            today = datetime.now(UTC)
            self._found, self._day = checks, f"{today.day} {today:%B %Y}"
            self._next = time.monotonic() + FRESH


def look(model: str) -> str:
    """Ask the Hub about one model. Raises whatever keeps us from it."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return "gated" if HfApi().model_info(model, timeout=6).gated else "here"
    except GatedRepoError:
        return "gated"
    except RepositoryNotFoundError:
        return "gone"


CHECKS = Checks(look)
