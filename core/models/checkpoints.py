"""The checkpoints that a run kept, one after another in the place of its final adapter: the base is loaded once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import UserError
from core.jobs.outcome import outcome_of
from core.jobs.status import checkpoints_of
from core.models import loading
from core.models.sides import Sides, check_adapter_fits

if TYPE_CHECKING:
    from peft import PeftModel

NAME = "checkpoint"


def find(run: Path) -> list[tuple[int, Path]]:
    """(step, folder) of each complete checkpoint in the run's folder, in order."""
    return [(step, run / "checkpoints" / f"checkpoint-{step}") for step in sorted(checkpoints_of(run))]


def step_of_final(run: Path) -> int | None:
    """The step whose weights the run kept as its result; None where the run does not say."""
    outcome = outcome_of(run)
    return None if outcome is None else outcome.best_step or outcome.step


@contextmanager
def loaded(sides: Sides, checkpoint: Path) -> Iterator[Any]:
    """The base with the checkpoint's adapter; afterwards the final adapter is active again, as it was.

    Where all weights were trained, the checkpoint is a model of its own, loaded beside the two. Raises UserError where
    it cannot be loaded.
    """
    if sides.whole is not None:
        yield loading.load(str(checkpoint), checkpoint)
        return
    if not (checkpoint / "adapter_model.safetensors").is_file():
        raise UserError(f"{checkpoint.name} holds no adapter as safetensors.")
    model = sides.model
    (final,) = model.active_adapters
    try:
        _load(model, checkpoint)
        yield model
    finally:
        model.set_adapter(final, inference_mode=True)
        if NAME in model.peft_config:
            model.delete_adapter(NAME)


def _load(model: PeftModel, checkpoint: Path) -> None:
    """Put the checkpoint's adapter beside the final one, and make it the active one."""
    from safetensors import SafetensorError

    from core.engine import kernels

    try:
        with tempfile.TemporaryDirectory() as temporary:
            adapter = _plain(checkpoint, Path(temporary))
            check_adapter_fits(model.get_base_model(), adapter)
            model.load_adapter(str(adapter), NAME, torch_device=str(model.device))
    except (RuntimeError, ValueError, SafetensorError) as e:
        raise UserError(f"It could not be loaded: {' '.join(str(e).split())[:200]}") from e
    model.set_adapter(NAME, inference_mode=True)
    kernels.install(model.eval())


def _plain(checkpoint: Path, target: Path) -> Path:
    """The checkpoint's folder, or for PiSSA `target` with the LoRA that equals it on the true base.

    PiSSA trains A and B on a base from which it took its beginning A₀ and B₀ out: on the true base that is
    BA − B₀A₀, a LoRA of twice the rank. Loaded as it stands, PEFT would take a part out of the shared base again.
    """
    from safetensors.torch import load_file, save_file

    config = json.loads((checkpoint / "adapter_config.json").read_text(encoding="utf-8"))
    if not str(config.get("init_lora_weights")).startswith("pissa"):
        return checkpoint
    start = checkpoint.parents[1] / "start" / "adapter_model.safetensors"
    if not start.is_file():
        raise UserError("What its PiSSA began with is no longer there, so it has no meaning on the base.")
    import torch

    now, begun = load_file(checkpoint / "adapter_model.safetensors"), load_file(start)
    weights = {
        key: torch.cat([value, begun[key]], dim=0) if ".lora_A" in key else torch.cat([value, -begun[key]], dim=1)
        for key, value in now.items()
    }
    save_file(weights, target / "adapter_model.safetensors", {"format": "pt"})
    # The scale alpha / r stays what it was.
    doubled = {"r": 2 * config["r"], "lora_alpha": 2 * config["lora_alpha"], "init_lora_weights": True}
    (target / "adapter_config.json").write_text(json.dumps({**config, **doubled}), encoding="utf-8")
    return target
