"""Rows from a model: what the page and the command `augment` do.

An endpoint is asked by a job that waits in no queue; a model of this machine writes when its turn comes. Five rows are
asked for first. The endpoint's key comes from the environment or is typed; it goes to the process in its environment
and is written nowhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.augmentation.asking import sizes
from core.augmentation.result import Summary, summary_in
from core.augmentation.spec import GOAL, KINDS, MATERIAL, OF_MATERIAL, SAMPLE, AugmentSpec, Kind, goal_in, spec_in
from core.augmentation.worker import KEY
from core.data import unanswered
from core.endpoint.client import Price, checked_model, checked_price, checked_url, key_of, money
from core.errors import UserError
from core.files import write_atomically
from core.jobs import launch, queue
from core.jobs.status import status_of, write_outcome
from core.models import catalogue, loading
from core.store.datasets import KINDS as ROW_KINDS
from core.store.workspace import Job, Workspace
from core.training import actions as training_actions
from core.training import limits
from core.training.settings import TrainSettings
from core.wording import count

MOST = 10_000
"""Rows that one augmentation asks for; on a Space, of a visitor, SPACE_MOST."""
SPACE_MOST = 500
AT_ONCE = 4
"""Augmentations at a time on a Space."""
MOST_MATERIAL = 1_000_000
"""Characters of the prompts or texts that a person brings."""
MOST_WISH = 2_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asks for."""

    kind: Kind = "paraphrase"
    rows: int = 100
    model: str
    endpoint: str = ""
    """Empty: `model` is one of this machine."""
    wish: str = ""
    material: str = ""
    """Prompts, one a line, for `answer`, or empty for those of the file that had no answer; texts with empty lines
    between them, for `document`.
    """
    price: Price | None = None
    temperature: float = 0.8
    max_tokens: int = 1024


def material_of(kind: Kind, text: str) -> list[str]:
    """The prompts or texts that a person brings, each once. Raises UserError for more than can be taken."""
    if len(text) > MOST_MATERIAL:
        raise UserError(
            f"The texts have {len(text):,} characters, and {MOST_MATERIAL:,} are taken at a time. Bring fewer."
        )
    if kind == "document":
        lines = "\n".join("" if not line.strip() else line for line in text.splitlines())
        parts = (part.strip() for part in lines.split("\n\n"))
    else:
        parts = (line.strip() for line in text.splitlines())
    return list(dict.fromkeys(part for part in parts if part))


def start(workspace: Workspace, project_id: str, asked: Request, key: str = "", sample: bool = True) -> Job:
    """Begin to ask: for a sample of five, or at once for all. Raises UserError for what cannot be."""
    spec, material = _checked(workspace, project_id, asked)
    key = key_of(workspace, KEY, key) if spec.endpoint else ""
    going = next((job for job in of_project(workspace, project_id) if not status_of(workspace, job).over), None)
    if going is not None:
        raise UserError(f"{going.title} is going on. Wait, or cancel it.")
    with workspace.locked():
        _require_place(workspace, spec)
        name = KINDS[spec.kind].lower()
        job = workspace.add_job(project_id, "augment", name, spec.to_dict(), state="beside")
        folder = workspace.folder(job)
        write_atomically(folder / MATERIAL, json.dumps({"texts": material}, ensure_ascii=False))
        _set_goal(folder, SAMPLE if sample else spec.rows)
        _launch(workspace, job, spec, key)
    queue.tick(workspace)
    return workspace.job(job.id)


def go_on(workspace: Workspace, job: Job, key: str = "") -> Job:
    """Ask for what is left: after the sample, or after what broke it off; a broken sample is made whole first.

    Raises UserError where nothing is left.
    """
    job = workspace.job(job.id)
    folder, now = workspace.folder(job), status_of(workspace, job)
    spec = spec_in(folder)
    if not now.over:
        raise UserError(f"{job.title} is going on. Wait, or cancel it.")
    if now.state == "finished":
        raise UserError(f"{job.title} has asked for all its rows. Begin another one for more.")
    key = key_of(workspace, KEY, key) if spec.endpoint else ""
    workspace.require_room(0, "Going on")
    whole = sample_is_whole(workspace, job)
    with workspace.locked():
        _require_place(workspace, spec)
        if whole:
            _set_goal(folder, spec.rows)
        _launch(workspace, job, spec, key)
    queue.tick(workspace)
    return workspace.job(job.id)


def sample_is_whole(workspace: Workspace, job: Job) -> bool:
    """Were all rows of the sample asked for? Only then the others are."""
    return summary(workspace, job).asked >= min(SAMPLE, goal_in(workspace.folder(job), spec_in(workspace.folder(job))))


def _launch(workspace: Workspace, job: Job, spec: AugmentSpec, key: str) -> None:
    if spec.endpoint:
        launch.end(workspace, job)  # one that has said how it ended may still be on its way out
        launch.start_beside(workspace, job, **{KEY: key})
        return
    try:
        queue.enqueue(workspace, job)
    except UserError as e:
        write_outcome(workspace.folder(job), "stopped", str(e))
        raise


def _require_place(workspace: Workspace, spec: AugmentSpec) -> None:
    """Raise UserError where a visitor of a Space has one going on, or a job that waits."""
    launch.require_place_beside(workspace, "augment", "augmentation", AT_ONCE)
    if not spec.endpoint:
        with workspace.engine.begin() as db:
            workspace.require_turn(db)


def _set_goal(folder: Path, rows: int) -> None:
    write_atomically(folder / GOAL, json.dumps({"rows": rows}))


def _checked(workspace: Workspace, project_id: str, asked: Request) -> tuple[AugmentSpec, list[str]]:
    """The specification of what is asked for, and the texts it is made of. Raises UserError."""
    if asked.kind not in KINDS:
        raise UserError(f"There is no kind “{asked.kind}”. Choose one of: {', '.join(KINDS)}.")
    most = SPACE_MOST if workspace.bounded else MOST
    if not 1 <= asked.rows <= most:
        raise UserError(f"{asked.rows:,} rows cannot be asked for. Give a number from 1 to {most:,}.")
    if len(asked.wish) > MOST_WISH:
        raise UserError(f"Your wish has {len(asked.wish):,} characters. Shorten it to {MOST_WISH:,}.")
    if not 0 <= asked.temperature <= 2:
        raise UserError(f"The temperature is {asked.temperature:g}. Give a number from 0 to 2.")
    if not 16 <= asked.max_tokens <= 16_384:
        raise UserError(f"A reply of {asked.max_tokens:,} tokens cannot be asked for. Give 16 to 16,384.")
    versions = workspace.versions(project_id)
    if not versions:
        raise UserError("There are no rows in this project yet. Import a file first.")
    material = material_of(asked.kind, asked.material) if asked.kind in OF_MATERIAL else []
    if asked.kind == "answer" and not material:
        material = unanswered.of(workspace, versions[-1].id)
    rows = min(asked.rows, len(material)) if asked.kind == "answer" else asked.rows
    if asked.kind == "answer" and not material:
        raise UserError(
            "There are no prompts to answer: none of the file was left without an answer. Bring them, one a line."
        )
    public_only = workspace.settings.mode != "local"
    endpoint = checked_url(asked.endpoint, public_only) if asked.endpoint.strip() else ""
    model = checked_model(asked.model, "writes the rows") if endpoint else _local_model(workspace, asked.model)
    price = checked_price(asked.price)
    workspace.take_sample()
    newest = workspace.versions(project_id)[-1]
    path = workspace.rows_file(newest.id)
    _require_kind(workspace, newest.id, asked.kind, bool(material))
    return AugmentSpec(
        kind=asked.kind,
        rows=rows,
        dataset_version=newest.id,
        rows_file=str(path),
        model=model,
        endpoint=endpoint,
        revision=None if endpoint else loading.newest_revision(model),
        wish=asked.wish.strip(),
        price=price if endpoint else None,
        temperature=asked.temperature,
        max_tokens=asked.max_tokens,
        # Another augmentation of the same rows takes them in another order.
        seed=len(of_project(workspace, project_id)),
        public_only=public_only,
        hours=workspace.settings.limits.max_hours if workspace.bounded else None,
    ), material


def _local_model(workspace: Workspace, model: str) -> str:
    """Raises UserError for what is no model, or none that a visitor of a Space may load."""
    if not (model or "").strip():
        raise UserError("Choose the model that writes the rows, or give the address of an endpoint.")
    model = catalogue.checked_name(model, workspace.settings)
    if workspace.bounded:
        limits.check_model(workspace, model, TrainSettings(), None)
    training_actions.check_model(workspace, model)
    return model


def _require_kind(workspace: Workspace, version_id: str, kind: Kind, material: bool) -> None:
    """Raise UserError where the training rows are not what more of this kind could be made of."""
    rows = workspace.rows(version_id)
    there = set(np.unique(rows.kinds[rows.of_split("train")]).tolist())
    judged = {ROW_KINDS.index("preference"), ROW_KINDS.index("marked")} & there
    if judged and kind != "paraphrase":
        raise UserError(
            "People judged the answers of these rows, and nobody judged a new one: only “Prompts in other words” keeps "
            "the answers as they are. Choose that, or take a project of rows with plain answers."
        )
    text = ROW_KINDS.index("text")
    if kind == "document" and not material and text not in there:
        raise UserError(
            "There are no texts to ask about. Bring them, with empty lines between their parts, or import rows of "
            "plain text."
        )
    if kind in ("paraphrase", "new", "harder") and there <= {text}:
        raise UserError(
            "The training rows are plain text and hold no prompts. Choose “Questions and answers from texts”."
        )


def of_project(workspace: Workspace, project_id: str) -> list[Job]:
    """The project's augmentations, newest first."""
    return workspace.jobs(project_id, "augment")


def summary(workspace: Workspace, job: Job) -> Summary:
    """What came so far."""
    folder = workspace.folder(workspace.job(job.id))
    return summary_in(folder, spec_in(folder))


def plan_sentence(kind: Kind, rows: int) -> str:
    """What will be asked, before anything is."""
    if kind == "answer":
        return f"An answer to each prompt, {rows:,} at most. First {SAMPLE} as a sample: it shows what they are like."
    requests = len(sizes(kind, max(0, rows)))
    sample = sum(sizes(kind, min(SAMPLE, max(0, rows))))
    return (
        f"{count(rows, 'row')} in {count(requests, 'request')}. First {sample:,} as a sample: it shows what the "
        "rows are like and what the others will cost."
    )


def cost_sentence(spec: AugmentSpec, done: Summary) -> str:
    """What was used so far and what the rest will take, measured by what came."""
    used = f"{done.prompt_tokens:,} tokens of prompts and {done.completion_tokens:,} of replies so far"
    if done.money is not None:
        used += f", {done.money:,.4f} at the price given"
    if done.unreported:
        used += f"; {done.unreported:,} of {done.replies:,} replies did not say theirs, so it was more"
    left = spec.rows - done.asked
    if left <= 0 or not done.asked:
        return f"{used}."
    share = left / done.asked
    prompts, replies = round(done.prompt_tokens * share), round(done.completion_tokens * share)
    costs = money(prompts, replies, spec.price)
    rest = f"about {prompts:,} and {replies:,} tokens" + (f", {costs:,.4f}" if costs is not None else "")
    return f"{used}. The other {count(left, 'row')} will take {rest}."
