"""What a run leaves behind, for whoever measures it or talks to it."""

from __future__ import annotations

import json

from core.errors import UserError
from core.models.sides import is_trained
from core.store.workspace import Job, Workspace
from core.training.answering import Answering
from core.training.spec import RunSpec


def what_answers(workspace: Workspace, run: Job) -> Answering:
    """The part of a specification that says which two sides answer, and on which rows: for evaluations and chats.

    Raises UserError where the run has trained nothing.
    """
    folder = workspace.folder(run)
    if run.kind != "train" or not is_trained(folder / "adapter"):
        raise UserError(f"{run.title} has no trained adapter yet. Wait until it has finished, or choose another run.")
    trained = RunSpec.from_dict(run.spec)
    return Answering(
        model=trained.model,
        revision=trained.revision,
        template=trained.template,
        adapter=str(folder / "adapter"),
        quantization=trained.settings.quantization,
        base_weights_sha256=json.loads((folder / "run.json").read_text(encoding="utf-8"))["base_weights_sha256"],
        dataset_version=trained.dataset_version,
        rows_file=trained.rows_file,
    )
