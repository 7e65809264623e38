"""The models that the Training tab offers by name. Any other causal model is taken by its Hub id or folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import UserError
from core.models.starter import HUB_ID, STARTER
from core.settings import Settings


@dataclass(frozen=True)
class CatalogueEntry:
    name: str
    title: str
    parameters: float
    """In millions."""
    licence: str


CATALOGUE = (
    CatalogueEntry(STARTER, "SmolLM2 135M Instruct (starter)", 135, "Apache-2.0"),
    CatalogueEntry("HuggingFaceTB/SmolLM2-360M-Instruct", "SmolLM2 360M Instruct", 362, "Apache-2.0"),
    CatalogueEntry("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5 0.5B Instruct", 494, "Apache-2.0"),
    CatalogueEntry("HuggingFaceTB/SmolLM2-1.7B-Instruct", "SmolLM2 1.7B Instruct", 1711, "Apache-2.0"),
)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


def checked_name(name: str, settings: Settings) -> str:
    """A model as a person named it: the starter, a Hub id, or (on their own machine only) a folder.

    Raises UserError for anything else; on a Space no folder is ever accepted.
    """
    name = (name or "").strip()
    if name == STARTER:
        return name
    path = Path(name).expanduser()
    if settings.mode == "local" and name and path.is_dir():
        if not (path / "config.json").is_file():
            raise UserError(
                f"The folder {name} holds no config.json: it is not a model. Choose the model's own folder."
            )
        return str(path.resolve())
    if not _HUB_ID.fullmatch(name) or ".." in name:
        raise UserError(
            f"“{name[:100]}” is neither the id of a model on the Hub, such as Qwen/Qwen2.5-0.5B-Instruct, nor "
            "a model folder on this machine."
        )
    return name


def public_name(model: str) -> str:
    """The model's name as others know it, without a person's folders."""
    return HUB_ID if model == STARTER else Path(model).name if Path(model).is_dir() else model
