"""What a run trained (an adapter, or a whole model) as one zip file, with the tokenizer and its model card."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

from core.errors import UserError
from core.files import new_file
from core.models.catalogue import public_name
from core.models.sides import is_trained
from core.sharing.card import model_card
from core.store.workspace import Job, Workspace
from core.training.result import record_of


def write_zip(workspace: Workspace, run: Job, target: Path) -> None:
    """Write what was trained, README.md (the model card) and run.json into the new file `target`.

    Raises UserError if nothing is trained, and where there is such a file already.
    """
    folder = workspace.folder(run)
    adapter = folder / "adapter"
    if not is_trained(adapter):
        raise UserError(f"{run.title} has no trained adapter yet. Wait until it has finished, or choose another run.")
    with new_file(target) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(adapter.iterdir()):
            if file.is_file() and file.name not in ("README.md", "adapter_config.json"):
                # Weights hardly get smaller, and a whole model would take minutes.
                stored = zipfile.ZIP_STORED if file.suffix == ".safetensors" else None
                archive.write(file, file.name, stored)
        if (adapter / "adapter_config.json").is_file():
            archive.writestr("adapter_config.json", _config(adapter, run))
        archive.writestr("run.json", _run(folder))
        archive.writestr("README.md", model_card(workspace, run))


def _config(adapter: Path, run: Job) -> str:
    """PEFT's configuration with the base model's public name: the folder it was loaded from is nobody's business."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    return json.dumps({**config, "base_model_name_or_path": public_name(run.spec["model"])}, indent=2, sort_keys=True)


def _run(folder: Path) -> str:
    """run.json without the folders of this machine."""
    record = record_of(folder)
    spec = replace(record.spec, model=public_name(record.spec.model), rows_file="")
    return json.dumps(replace(record, spec=spec).to_dict(), ensure_ascii=False, indent=2)
