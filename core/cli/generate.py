"""The verb `generate`: base and tuned answer one message."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import common
from core.cli.common import Result
from core.engine.templates import RenderSettings
from core.errors import UserError
from core.evaluation.actions import followed_by
from core.models import loading
from core.models.sides import load_sides
from core.store.workspace import Workspace
from core.training.result import what_answers

HELP = "Let base and tuned answer one message."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("text")
    p.add_argument("--run", type=int)
    p.add_argument("--max-new-tokens", type=int, help="longest answer (default: it follows the run's test answers)")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    from core.models import generation
    from core.types import SIDES, Decoding, Example

    spec = what_answers(workspace, common.run(workspace, args))
    adapter = Path(spec.adapter)
    sides = load_sides(
        spec.model,
        adapter,
        workspace.models,
        spec.revision,
        spec.base_weights_sha256,
        spec.quantization,
        spec.base_settings,
    )
    tokenizer = loading.tokenizer(
        spec.model, workspace.models, spec.revision, spec.template, RenderSettings.of(spec.rendering)
    )
    asked = [Example(({"role": "user", "content": args.text},), "", 1)]
    longest = args.max_new_tokens
    if longest is None:
        longest = followed_by(workspace, spec, None, "last").limit
    if longest < 1:
        raise UserError(f"--max-new-tokens {longest}: give 1 or more.")
    decoding = Decoding(longest)
    answers = {}
    for side in SIDES:
        with sides.use(side) as model:
            answers[side] = generation.generate(model, tokenizer, asked, side, decoding)[0]
    lines = [f"{side:>6}: {answer.text}" for side, answer in answers.items()]
    return {side: answer.to_dict() for side, answer in answers.items()}, lines
