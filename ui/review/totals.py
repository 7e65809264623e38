"""What came of a review, in tables."""

from __future__ import annotations

from collections.abc import Mapping

from core.jobs import answers
from core.store.workspace import Job, Workspace
from core.types import SIDES, LabelEvent
from ui import html


def counts(workspace: Workspace, job: Job, events: Mapping[str, LabelEvent], titles: Mapping[str, str]) -> str:
    """How often each error was found, by people and by detectors. `titles`: label → what people call it."""
    flagged = answers.flag_counts(workspace, job)
    lines = []
    for name, title in titles.items():
        people = [str(sum(e.labels.get(side, {}).get(name) == "present" for e in events.values())) for side in SIDES]
        machine = [str(flagged[side].get(name, "–")) for side in SIDES]
        lines.append([title, *people, *machine])
    return html.table(["Error", "Base, labelled", "Tuned, labelled", "Base, flagged", "Tuned, flagged"], lines)
