"""All checks, in the order in which they are shown: what spoils the measurement first, then what spoils the model."""

from __future__ import annotations

from core.checking import answers, benchmarks, between, language, letters, personal, remnants
from core.checking.finding import Check
from core.errors import UserError

_ALL = (
    *(*personal.CHECKS, *between.CHECKS, *benchmarks.CHECKS, *answers.CHECKS, *letters.CHECKS, *remnants.CHECKS),
    *language.CHECKS,
)
_RANK = {"error": 0, "warning": 1, "note": 2}
CHECKS = {check.name: check for check in sorted(_ALL, key=lambda check: (check.folded, _RANK[check.level]))}
"""Name → check."""


def named(name: str) -> Check:
    """Raises UserError where there is no such check."""
    if name not in CHECKS:
        raise UserError(f"There is no check “{name}”. Choose one of: {', '.join(CHECKS)}.")
    return CHECKS[name]
