"""The verb `train`: a run from a preset or a specification."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, fields, replace
from pathlib import Path

from core.cli import common
from core.cli.common import Result
from core.engine.rendering import TEMPLATES
from core.errors import UserError
from core.store.workspace import Workspace
from core.training import actions as training_actions
from core.training import spec_file
from core.training.presets import PRESETS, preset
from core.training.settings import TrainSettings
from core.training.spec import RENAMED, RunSpec
from core.types import DatasetVersion

HELP = "Train on the newest dataset version and follow the run."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("--spec", type=Path, metavar="FILE", help="a run specification; what is given beside it counts more")
    p.add_argument("--print-spec", action="store_true", help="print what would be run, and do not start it")
    p.add_argument("--model", help="starter, an id of the Hub, or a folder (default: starter)")
    p.add_argument("--template", choices=["", *TEMPLATES], help=common.TEMPLATE_HELP)
    p.add_argument("--preset", choices=PRESETS, help="numbers to begin with (default: quick)")
    p.add_argument("--background", action="store_true", help="start and return at once")
    for f in fields(TrainSettings):
        flag = "--" + f.name.replace("_", "-")
        about = f"{f.metadata['label']}: {f.metadata['why']}"
        if "options" in f.metadata:
            about += f" One of {', '.join(f.metadata['options'])}."
        # None: as the preset or the specification has it.
        p.add_argument(flag, default=None, help=about.replace("%", "%%"))
    for old, name in RENAMED.items():  # what scripts of before say
        p.add_argument("--" + old.replace("_", "-"), dest=name, help=argparse.SUPPRESS)


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    version, spec = _spec(workspace, args)
    if args.print_spec:
        text = spec_file.to_text(spec)
        return json.loads(text), [text.rstrip()]
    job = training_actions.start_training(workspace, version.project_id, spec)
    return common.follow(workspace, job, args)


def _spec(workspace: Workspace, args: argparse.Namespace) -> tuple[DatasetVersion, RunSpec]:
    """What `train` runs: a file's specification or a preset, and over it what was given as a flag."""
    given = {f.name: getattr(args, f.name) for f in fields(TrainSettings) if getattr(args, f.name) is not None}
    flags = {name: value for name in ("model", "template") if (value := getattr(args, name)) is not None}
    if args.spec is None:
        version, name = common.version(workspace, args), args.preset or "quick"
        begin = preset(name, *(given.get(f, asdict(PRESETS[name][1])[f]) for f in ("method", "objective")))
        spec = RunSpec("starter", version.id, "", begin, preset=name)
    elif args.preset:
        raise UserError("Give --spec or --preset, not both: each brings all the numbers.")
    else:
        spec = spec_file.read(args.spec)
        version = _version_of(workspace, args, spec)
    settings = TrainSettings.from_dict({**asdict(spec.settings), **given})
    rows_file = str(workspace.rows_file(version.id))
    return version, replace(spec, dataset_version=version.id, rows_file=rows_file, settings=settings, **flags)


def _version_of(workspace: Workspace, args: argparse.Namespace, spec: RunSpec) -> DatasetVersion:
    """The specification's own dataset version where it is here (and of --project), else the project's newest."""
    try:
        own = workspace.version(spec.dataset_version)
    except UserError:
        return common.version(workspace, args)
    elsewhere = args.project and own.project_id != common.project(workspace, args).id
    return common.version(workspace, args) if elsewhere else own
