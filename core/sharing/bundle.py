"""What a run trained (an adapter, or a whole model) as one zip file, with the tokenizer and a model card."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation.result import evaluations_with_report
from core.models.catalogue import public_name
from core.models.sides import is_trained
from core.store.workspace import Job, Workspace


def write_zip(workspace: Workspace, run: Job, target: Path) -> None:
    """Write what was trained, README.md (the model card) and run.json into `target`. Raises UserError if untrained."""
    folder = workspace.folder(run)
    adapter = folder / "adapter"
    if not is_trained(adapter):
        raise UserError(f"{run.title} has no trained adapter yet. Wait until it has finished, or choose another run.")
    partial = target.with_name(f".{target.name}.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(adapter.iterdir()):
            if file.is_file() and file.name not in ("README.md", "adapter_config.json"):
                # Weights hardly get smaller, and a whole model would take minutes.
                stored = zipfile.ZIP_STORED if file.suffix == ".safetensors" else None
                archive.write(file, file.name, stored)
        if (adapter / "adapter_config.json").is_file():
            archive.writestr("adapter_config.json", _config(adapter, run))
        archive.writestr("run.json", _run(folder, run))
        archive.writestr("README.md", model_card(workspace, run))
    partial.replace(target)


def model_card(workspace: Workspace, run: Job) -> str:
    """A model card in Markdown. The rows themselves are never part of it."""
    folder = workspace.folder(run)
    resolved = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    settings = "\n".join(f"| {name} | {value} |" for name, value in resolved["spec"]["settings"].items())
    versions = ", ".join(f"{name} {version}" for name, version in resolved["versions"].items())
    model = public_name(run.spec["model"])
    method = resolved["spec"]["settings"]["method"]
    whole = method == "full"
    strength = resolved.get("strength")
    at = f"\nSaved at {100 * strength:g} % of the strength it was trained to.\n" if strength else ""
    return f"""---
base_model: {model}
library_name: {"transformers" if whole else "peft"}
tags: [{method}, tunewright]
---
# {"Model" if whole else "Adapter"} of run {run.number}

Trained with Tunewright on {resolved["rows"]["train"]} rows, {resolved["trained_tokens_per_epoch"]:,} trained tokens a
pass.
Base model: {model}, weights SHA-256 `{resolved["base_weights_sha256"]}`.
{at}
| setting | value |
| --- | --- |
{settings}

Libraries: {versions}. Device: {resolved["device"]}, {resolved["dtype"]}.
{_evaluation(workspace, run)}"""


def _evaluation(workspace: Workspace, run: Job) -> str:
    """What the run's newest evaluation found; nothing where there is none."""
    from core.evaluation.report.document import model_card_section

    newest = evaluations_with_report(workspace, run.project_id, run)[:1]
    sections = [model_card_section(evaluation_actions.document(workspace, job)) for job in newest]
    return "".join(f"\n{section}" for section in sections if section)


def _config(adapter: Path, run: Job) -> str:
    """PEFT's configuration with the base model's public name: the folder it was loaded from is nobody's business."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    return json.dumps({**config, "base_model_name_or_path": public_name(run.spec["model"])}, indent=2, sort_keys=True)


def _run(folder: Path, run: Job) -> str:
    """run.json without the folders of this machine."""
    resolved = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    resolved["spec"] |= {"model": public_name(run.spec["model"]), "rows_file": None}
    return json.dumps(resolved, ensure_ascii=False, indent=2)
