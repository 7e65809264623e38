"""The verb `stats`: what of all rows will be trained, and which length fits."""

from __future__ import annotations

import argparse

from core.cli import common
from core.cli.common import Result
from core.engine.templates import TEMPLATES, RenderSettings
from core.store.workspace import Workspace
from core.tokens import actions as tokens_actions
from core.tokens.statistics import TokenReport
from core.training.settings import TrainSettings
from core.types import DatasetVersion

HELP = "Say what of the dataset will be trained, how long rows are, and which length fits."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("--model", default="starter", help="starter, an id of the Hub, or a folder")
    p.add_argument("--template", default="", choices=["", *TEMPLATES], help=common.TEMPLATE_HELP)
    p.add_argument("--max-length", type=int, default=512)
    settings = TrainSettings.__dataclass_fields__
    for name in ("answers", "thinking", "system"):
        about = settings[name].metadata
        p.add_argument(f"--{name}", default=settings[name].default, choices=about["options"], help=about["label"])


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    version = common.version(workspace, args)
    measured = report(workspace, version, args, TrainSettings.from_dict({"max_length": args.max_length}))
    return measured.to_dict(), to_lines(measured)


def report(
    workspace: Workspace, version: DatasetVersion, args: argparse.Namespace, settings: TrainSettings
) -> TokenReport:
    return tokens_actions.tokens_of(
        workspace,
        args.model,
        version.id,
        settings,
        common.progress,
        args.template,
        rendering(version, args),
    )


def rendering(version: DatasetVersion, args: argparse.Namespace) -> RenderSettings:
    """How the rows of a version are written: as a run on them would."""
    return RenderSettings(args.answers, args.thinking, args.system, date=version.created[:10])


def to_lines(r: TokenReport) -> list[str]:
    share = r.trained_tokens / r.tokens if r.tokens else 0
    return [
        f"{r.kept:,} of {r.rows:,} rows are trained; {r.truncated:,} are cut, {r.dropped:,} dropped, {r.without_end:,} "
        "end without their end-of-turn token.",
        f"{r.trained_tokens:,} of {r.tokens:,} tokens ({share:.0%}) are trained in a pass. Padding would feed "
        f"{r.padded_tokens:,}, shared prefixes feed about {r.packed_tokens:,}.",
        f"Suggested maximum length: {r.suggested_length:,}, because {r.suggested_because}.",
        f"{r.text['pieces_per_word']:.2f} pieces per word, {r.text['bytes']:.1%} single bytes, "
        f"{r.text['unknown']:.1%} unknown (on {r.text['sampled_rows']:,} rows).",
        *r.remarks,
    ]
