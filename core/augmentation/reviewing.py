"""People read the drafts, one at a time or in a file, and say which become rows: accepted, edited, rejected, undone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.augmentation import decisions
from core.augmentation.decisions import Choice, Decision
from core.augmentation.result import Draft, Drafts, replies_in
from core.errors import UserError
from core.files import json_object
from core.store.workspace import Job, Workspace
from core.types import content_hash


@dataclass(frozen=True)
class Review:
    """How far the drafts of an augmentation are read."""

    ids: tuple[str, ...]
    """Of the drafts that passed the filters, in the order in which they came."""
    decided: dict[str, Decision]
    added: dict[str, int]
    """Draft → version that it became a row of."""
    waiting: int
    """Accepted drafts that are to become rows."""

    @property
    def accepted(self) -> int:
        return sum(decision.accepts for decision in self.decided.values())

    @property
    def rejected(self) -> int:
        return len(self.decided) - self.accepted

    @property
    def open(self) -> int:
        """Drafts that nobody decided on."""
        return len(self.ids) - len(self.decided)

    def next_open(self, at: int) -> int:
        """The place of the next draft that nobody decided on: behind `at`, else from the first on; else `at`."""
        order = [*range(at + 1, len(self.ids)), *range(0, min(at, len(self.ids)))]
        return next((i for i in order if self.ids[i] not in self.decided), at)


def review(workspace: Workspace, job: Job) -> Review:
    folder = workspace.folder(workspace.job(job.id))
    ids = tuple(Drafts(folder).ids)
    known = set(ids)
    decided = {draft: d for draft, d in decisions.current(folder).items() if draft in known}
    return Review(ids, decided, decisions.added(folder), len(decisions.waiting(folder).keys() & known))


def draft(workspace: Workspace, job: Job, draft_id: str) -> Draft:
    """Raises UserError where there is no such draft among those that passed the filters."""
    found = Drafts(workspace.folder(workspace.job(job.id))).of(draft_id)
    if found is None:
        raise UserError(f"{job.title} has no draft {draft_id} to decide on.")
    return found


def decide(
    workspace: Workspace, job: Job, draft_id: str, choice: Choice, prompt: str = "", answer: str = ""
) -> Decision:
    """Store one word on one draft. A text that was changed makes an edit of an acceptance."""
    found = draft(workspace, job, draft_id)
    folder = workspace.folder(job)
    if draft_id in decisions.added(folder):
        raise UserError(
            f"Draft {draft_id} is a row of version {decisions.added(folder)[draft_id]} already. What is in a version "
            "stays; change the row there."
        )
    if choice in ("accept", "edit"):
        written = (prompt.strip() or found.row.prompt, answer.strip() or found.row.target)
        choice = "accept" if written == (found.row.prompt, found.row.target) else "edit"
        prompt, answer = written if choice == "edit" else ("", "")
    else:
        prompt = answer = ""
    workspace.require_room(len(prompt) + len(answer), "Another decision")
    decision = Decision(draft_id, choice, workspace.owner, prompt, answer)
    decisions.append(folder, [decision])
    return decision


def undo(workspace: Workspace, job: Job) -> str:
    """Take the newest decision back that is not a row yet; returns its draft. Raises UserError where there is none."""
    folder = workspace.folder(workspace.job(job.id))
    known, rows = decisions.current(folder), decisions.added(folder)
    last = next(
        (d for d in reversed(decisions.history(folder)) if known.get(d.draft) == d and d.draft not in rows), None
    )
    if last is None:
        raise UserError("There is no decision to take back.")
    decisions.append(folder, [Decision(last.draft, "undo", workspace.owner)])
    return last.draft


def accept_rest(workspace: Workspace, job: Job) -> int:
    """Accept, unread, every draft that passed the filters and that nobody decided on; returns how many."""
    read = review(workspace, job)
    left = [Decision(draft_id, "accept", workspace.owner) for draft_id in read.ids if draft_id not in read.decided]
    decisions.append(workspace.folder(job), left)
    return len(left)


def export(workspace: Workspace, job: Job) -> Iterator[str]:
    """The drafts as JSON lines, to read elsewhere: those that a filter holds, too. Lines with another word under
    `decision`, or other texts, are decisions again: see `import_decisions`.
    """
    folder = workspace.folder(workspace.job(job.id))
    decided = decisions.current(folder)
    for reply in replies_in(folder):
        for one in reply.drafts:
            decision = decided.get(one.id)
            row = decision.row(one) if decision and one.example else one.row if one.example else None
            line = {
                "draft": one.id,
                "decision": decision.choice if decision else "",
                "prompt": row.prompt if row else "",
                "answer": row.target if row else one.text,
                "made_of": one.source.prompt,
                "filter": one.filter,
                "why": one.why,
            }
            yield json.dumps(line, ensure_ascii=False)


def import_decisions(workspace: Workspace, job: Job, data: bytes) -> int:
    """Decisions of a file of JSON lines with `draft`, `decision` and, of edits, `prompt` and `answer`; returns how many
    are new.

    Lines without a decision are left alone. Raises UserError, and takes none, where a line is none.
    """
    folder = workspace.folder(workspace.job(job.id))
    known, drafts, rows = decisions.current(folder), Drafts(folder), decisions.added(folder)
    taken = []
    for n, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        raw = json_object(line)
        if raw is None or not isinstance(raw.get("draft"), str):
            raise UserError(f"Line {n} is no decision: it is no JSON object with a “draft”. Nothing was taken.")
        try:
            decision = _imported(workspace, raw, drafts)
        except UserError as e:
            raise UserError(f"Line {n}: {e} Nothing was taken.") from e
        if decision is None or decision.draft in rows:
            continue
        old = known.get(decision.draft)
        if old is None or _said(old) != _said(decision):
            taken.append(decision)
    workspace.require_room(len(data), "Other decisions")
    decisions.append(folder, taken)
    return len(taken)


def _said(decision: Decision) -> str:
    return content_hash([decision.choice, decision.prompt, decision.answer])


def _imported(workspace: Workspace, raw: dict[str, Any], drafts: Drafts) -> Decision | None:
    """None for a line that decides nothing. Raises UserError."""
    choice: Any = raw.get("decision") or ""
    if not choice:
        return None
    one = drafts.of(raw["draft"])
    if one is None:
        raise UserError(f"there is no draft {raw['draft'][:40]} that passed the filters.")
    texts = [raw.get(name) for name in ("prompt", "answer")]
    prompt, answer = (text if isinstance(text, str) else "" for text in texts)
    if choice in ("accept", "edit"):
        prompt, answer = prompt or one.row.prompt, answer or one.row.target
        choice = "accept" if (prompt, answer) == (one.row.prompt, one.row.target) else "edit"
    texts_kept = (prompt, answer) if choice == "edit" else ("", "")
    return decisions.checked(Decision(one.id, choice, workspace.owner, *texts_kept))
