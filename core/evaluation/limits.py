"""What an evaluation on a Space may ask for, and what it takes: asked before there is a job. Elsewhere no bound."""

from __future__ import annotations

from core.errors import UserError
from core.evaluation.spec import EvaluationChoice
from core.models import downloads
from core.store.workspace import Job, Workspace
from core.training import memory
from core.training.spec import RunSpec

MOST_TASKS = 12
MOST_STRENGTHS = 8
PASSES = 1_500_000_000
"""Bytes for what scoring and answering compute beside the weights, in packs of the usual size."""


def check(workspace: Workspace, choice: EvaluationChoice) -> None:
    """Raise UserError for what a visitor of a Space cannot ask for, and where one job of theirs waits already."""
    if not workspace.bounded:
        return
    limits = workspace.settings.limits
    with workspace.engine.begin() as db:
        workspace.require_turn(db)
    own = str(workspace.settings.benchmarks) if workspace.settings.benchmarks else None
    if choice.benchmark_folder not in (None, own):
        raise UserError(
            "On a Space questions come from the Hub, or from the folder that its owner has set. Choose one."
        )
    for what, asked, most in (
        ("tasks", len(choice.benchmarks), MOST_TASKS),
        ("strengths", len(choice.strengths), MOST_STRENGTHS),
        ("tokens of the longest answer", choice.max_new_tokens or 0, limits.max_length),
        ("tokens of room for reasoning", choice.reasoning_tokens, limits.max_length),
    ):
        if asked > most:
            raise UserError(
                f"{asked:,} {what} are asked for; an evaluation on this Space has at most {most:,}. Lower it."
            )
    if choice.benchmarks and own is None and (kept := downloads.cache_size()) > limits.models_mb * 1_000_000:
        raise UserError(
            f"Models and questions on this Space have {kept / 1e9:,.1f} of {limits.models_mb / 1000:,.1f} GB: no "
            "further questions can be fetched. Measure without benchmarks."
        )


def expected_memory(workspace: Workspace, run: Job) -> int | None:
    """Bytes that measuring a run takes, about; None where nobody asks or the model's size is not known."""
    if not workspace.settings.shared:
        return None
    spec = RunSpec.from_dict(run.spec)
    try:
        weights = memory.estimate(spec.model, workspace.models, spec.settings, (), spec.revision).weights
    except UserError:
        return None
    copies = 2 if spec.settings.method == "full" else 1
    return copies * weights + memory.LIBRARIES + PASSES
