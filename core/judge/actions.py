"""Having an evaluation's answers judged by a model: what the page and the command `judge` do.

A judgement is a job of kind `judge` that waits in no queue, since it needs neither memory nor cores. The endpoint's key
comes from the environment or is typed; it goes to the process in its environment and is written nowhere.
"""

from __future__ import annotations

from pathlib import Path

from core.endpoint.client import Price, checked_model, checked_price, checked_url, host_of, key_of
from core.errors import UserError
from core.jobs import launch
from core.jobs.status import status_of
from core.judge import verdicts, worker
from core.judge.pairs import Pair, pairs_of
from core.judge.result import Judgement, comparisons_of, judgement_in
from core.judge.spec import JudgeSpec
from core.judge.worker import KEY, Estimate
from core.records import read
from core.store.workspace import Job, Workspace
from core.training.answering import Answering
from core.wording import count

MOST = 4
"""Judgements at a time on a Space."""


def estimate(
    workspace: Workspace,
    evaluation: Job,
    endpoint: str = "",
    model: str = "",
    max_pairs: int | None = None,
    price: Price | None = None,
) -> Estimate:
    """What judging will cost before it begins; see core.judge.worker.estimate. Finished verdicts cost nothing."""
    folder = workspace.folder(workspace.job(evaluation.id))
    known = comparisons_of(folder / "verdicts.jsonl", host_of(endpoint or ""), (model or "").strip())
    return worker.estimate(_pairs(workspace, evaluation, max_pairs), checked_price(price), known)


def start(
    workspace: Workspace,
    evaluation: Job,
    endpoint: str,
    model: str,
    key: str = "",
    max_pairs: int | None = None,
    price: Price | None = None,
) -> Job:
    """Begin to judge, or go on with what has no verdict of the same judge yet. Raises UserError for what cannot be."""
    model = checked_model(model, "judges")
    public_only = workspace.settings.mode != "local"
    endpoint, key = checked_url(endpoint, public_only), key_of(workspace, KEY, key)
    _pairs(workspace, evaluation, max_pairs)
    newest = of_evaluation(workspace, evaluation)
    if newest is not None and not status_of(workspace, newest).over:
        raise UserError(f"{newest.title} is going on. Wait, or cancel it.")
    limits = workspace.settings.limits
    spec = JudgeSpec(
        evaluation_folder=str(workspace.folder(evaluation)),
        endpoint=endpoint,
        model=model,
        max_pairs=max_pairs,
        price=checked_price(price),
        public_only=public_only,
        hours=limits.max_hours if workspace.bounded else None,
    )
    name = f"of evaluation {evaluation.number}"
    with workspace.locked():
        _require_place(workspace)
        job = workspace.add_job(evaluation.project_id, "judge", name, spec.to_dict(), evaluation.id, state="beside")
        launch.start_beside(workspace, job, **{KEY: key})
    return job


def _require_place(workspace: Workspace) -> None:
    launch.require_place_beside(workspace, "judge", "judgement", MOST)


def of_evaluation(workspace: Workspace, evaluation: Job) -> Job | None:
    """The newest judgement of an evaluation."""
    jobs = workspace.jobs(evaluation.project_id, "judge")
    return next((job for job in jobs if job.run_id == evaluation.id), None)


def result(workspace: Workspace, evaluation: Job) -> Judgement | None:
    """judge.json of an evaluation with the agreement with the labels there are now; None where there is none."""
    from core.review import labels

    judgement = judgement_in(workspace.folder(workspace.job(evaluation.id)))
    if judgement is None:
        return None
    current = labels.current(workspace.engine, evaluation.id)
    return verdicts.with_agreement(judgement, {i: e for i, e in current.items() if e.verdict != "none"})


def cost_sentence(expected: Estimate) -> str:
    """The estimate in words."""
    n = expected.comparisons
    if not n:
        return f"All {expected.pairs:,} pairs are judged already, or are the same answer twice: nothing to ask."
    money = "" if not expected.money else f", about {expected.money:,.4f} at the price given"
    same = f" {expected.identical:,} are the same answer twice and cost nothing." if expected.identical else ""
    again = f" ({expected.again:,} again: the reply was no verdict)" if expected.again else ""
    return (
        f"{count(expected.pairs, 'pair')}.{same} {count(n, 'comparison')}{again}, each pair in both orders: about "
        f"{expected.prompt_tokens:,} tokens of prompts and {expected.completion_tokens:,} of replies{money}. "
        "A token is taken for four bytes of text."
    )


def _pairs(workspace: Workspace, evaluation: Job, most: int | None) -> list[Pair]:
    if most is not None and most < 1:
        raise UserError(f"{most} pairs cannot be judged. Give 1 or more, or none for all.")
    folder = workspace.folder(workspace.job(evaluation.id))
    if evaluation.kind != "evaluate" or not (folder / "generations.jsonl").is_file():
        raise UserError(f"{evaluation.title} has no answers to judge yet. Wait until it has finished.")
    answering = read(Answering, evaluation.spec, f"The specification of {evaluation.title}")
    pairs = pairs_of(folder, Path(answering.rows_file), answering.split, most)
    if not pairs:
        raise UserError(f"{evaluation.title} has no answers to rows with a reference.")
    return pairs
