"""What fetching a model from the Hub takes, before any of it is fetched: visitors are not to fill a Space's disk.

Elsewhere people fetch what they like, and nothing here is asked.
"""

from __future__ import annotations

import shutil
import time
from functools import lru_cache
from pathlib import Path, PurePosixPath

from core.errors import UserError
from core.models import starter
from core.settings import Settings

SMALL = (".json", ".txt", ".model", ".jinja")
"""Endings of a model's configuration, tokenizer and template."""
SMALL_MB = 100
"""The largest tokenizers have 40."""
REMEMBERED = 60.0
"""Seconds that an answer of the Hub counts for: it is not asked at every key."""
FREE_MB = 1_000
"""Of the disk, which stay free."""


def is_here(model: str, models: Path, revision: str | None = None) -> bool:
    """Are the model's configuration and tokenizer on this machine?"""
    if model == starter.STARTER:
        return starter.is_here(models)
    return Path(model).is_dir() or all(
        _cached(model, name, revision) for name in ("config.json", "tokenizer_config.json")
    )


def require_room(settings: Settings, model: str, revision: str | None = None, weights: bool = False) -> None:
    """On a Space: raise UserError where the Hub does not tell how large a model is, or it is larger than there is room.

    Asks for its small files alone, or for its `weights`, too; for what is here already nobody asks.
    """
    if not settings.shared or model == starter.STARTER:
        return
    if not weights and is_here(model, settings.home / "models", revision):
        return
    files = _files(model, revision, int(time.monotonic() // REMEMBERED))
    if files is None:
        if is_here(model, settings.home / "models", revision):
            return  # the run will say what is missing
        raise UserError(
            f"“{model}” is not on this machine, and the Hub does not answer for it. Check the name; its licence may "
            "have to be accepted on the Hub first."
        )
    missing = [(name, size) for name, size, commit in files if not _cached(model, name, commit)]
    small = sum(size for name, size in missing if name.endswith(SMALL))
    large = sum(size for name, size in missing if name.endswith(".safetensors"))
    if small > SMALL_MB * 1_000_000:
        raise UserError(
            f"The configuration and tokenizer of “{model}” have {small / 1e6:,.0f} MB; those of no model of this Space "
            f"exceed {SMALL_MB} MB. Choose another model."
        )
    if not large and is_here(model, settings.home / "models", revision):
        return  # what else is missing is a few lines
    size = small + (large if weights else 0)
    kept, most = cache_size(), settings.limits.models_mb * 1_000_000
    free = max(0, shutil.disk_usage(settings.home).free - FREE_MB * 1_000_000)
    if size > min(most - kept, free):
        raise UserError(
            f"“{model}” takes {size / 1e9:,.1f} GB to fetch. The models on this Space have {kept / 1e9:,.1f} of "
            f"{most / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB of its disk are free for more. Choose a smaller model, or "
            "one that was used here before."
        )


@lru_cache(maxsize=256)
def _files(model: str, revision: str | None, minute: int) -> list[tuple[str, int, str | None]] | None:
    """(name, bytes, commit) of a model's files; None where the Hub does not tell."""
    from huggingface_hub import HfApi

    try:
        about = HfApi().model_info(model, revision=revision, files_metadata=True, timeout=6)
    except Exception:  # whatever keeps us from the Hub, nothing can be fetched
        return None
    # Only what stands at the top is loaded, and weights only as safetensors.
    top = [file for file in about.siblings or [] if len(PurePosixPath(file.rfilename).parts) == 1]
    return [(file.rfilename, file.size or 0, about.sha) for file in top]


def cache_size() -> int:
    """Bytes of everything that was fetched from the Hub: models, and questions of benchmarks."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        return scan_cache_dir().size_on_disk
    except CacheNotFound:
        return 0


def _cached(model: str, name: str, revision: str | None) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model, name, revision=revision), str)
