"""The models that the Training tab offers by name. Any other causal model is taken by its Hub id or folder.

A model belongs here if it is small, open, of a known maker, trains with this app, and is among the best of its size for
people who fine-tune. The list goes stale: its day is shown, and `core.models.hub` asks the Hub what became of each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import UserError
from core.models.starter import HUB_ID, STARTER
from core.settings import Settings

DAY = "25 November 2026"
"""The day on which the list was made."""


@dataclass(frozen=True)
class CatalogueEntry:
    name: str
    title: str
    parameters: float
    """In millions, as the model's card says; of Gemma 4 with the embeddings of every layer."""
    licence: str
    context: int
    """Tokens, as the model's card says."""
    thinking: str
    """When does it reason before it answers?"""
    good_for: str
    gated: bool = False
    """Does the Hub ask for an account and for consent to the licence first?"""
    chat: bool = True
    """Does it answer as it stands? A base model only goes on writing."""


NEVER, OFF, ON = "never", "if asked", "unless told not to"
CATALOGUE = (
    CatalogueEntry(
        *(STARTER, "SmolLM2 135M Instruct (starter)", 135, "Apache-2.0", 8192, NEVER),
        "trying everything in minutes; labels and short answers of one kind",
    ),
    CatalogueEntry(
        *("google/gemma-3-270m-it", "Gemma 3 270M", 270, "Gemma", 32768, NEVER),
        "labels and extraction, in many languages",
        gated=True,
    ),
    CatalogueEntry(
        *("LiquidAI/LFM2.5-350M", "LFM2.5 350M", 350, "LFM Open 1.0", 32768, NEVER),
        "extraction and short answers, in nine languages",
    ),
    CatalogueEntry(
        *("HuggingFaceTB/SmolLM2-360M-Instruct", "SmolLM2 360M Instruct", 362, "Apache-2.0", 8192, NEVER),
        "labels and short answers in English",
    ),
    CatalogueEntry(
        *("Qwen/Qwen3-0.6B", "Qwen3 0.6B", 600, "Apache-2.0", 32768, ON),
        "classification and simple tasks, in many languages",
    ),
    CatalogueEntry(
        *("Qwen/Qwen3.5-0.8B", "Qwen3.5 0.8B", 800, "Apache-2.0", 262144, OFF),
        "classification, extraction, tool calls; prompts of any length",
    ),
    CatalogueEntry(
        *("LiquidAI/LFM2.5-1.2B-Instruct", "LFM2.5 1.2B Instruct", 1170, "LFM Open 1.0", 32768, NEVER),
        "extraction, tool calls, conversations",
    ),
    CatalogueEntry(
        *("meta-llama/Llama-3.2-1B-Instruct", "Llama 3.2 1B Instruct", 1230, "Llama 3.2", 131072, NEVER),
        "summaries, rewriting, conversations",
        gated=True,
    ),
    CatalogueEntry(
        *("HuggingFaceTB/SmolLM3-3B", "SmolLM3 3B", 3080, "Apache-2.0", 65536, ON),
        "longer answers and reasoning, in six languages",
    ),
    CatalogueEntry(
        *("ibm-granite/granite-4.0-micro", "Granite 4.0 Micro 3B", 3000, "Apache-2.0", 131072, NEVER),
        "long documents, tool calls, extraction for a business",
    ),
    CatalogueEntry(
        *("Qwen/Qwen3-4B-Instruct-2507", "Qwen3 4B Instruct 2507", 4000, "Apache-2.0", 262144, NEVER),
        "long text, answers to open questions, code",
    ),
    CatalogueEntry(
        *("google/gemma-4-E2B-it", "Gemma 4 E2B", 5100, "Apache-2.0", 131072, OFF),
        "long text in many languages, reasoning, tool calls",
    ),
)
"""Small open models, smallest first. What is said of each is its card's or its maker's documentation; what a model is
good for also follows its size: 0.3 to 1 B learn one narrow task well, several B write longer text. Short on purpose: a
longer list is the Hub itself, and every model of it is taken by its id.
"""


def entry(model: str) -> CatalogueEntry | None:
    return next((e for e in CATALOGUE if e.name == model), None)


def size(e: CatalogueEntry) -> str:
    """350 M, 1.2 B"""
    return f"{e.parameters:,.0f} M" if e.parameters < 1000 else f"{e.parameters / 1000:.1f} B"


def about(model: str) -> str:
    """What is known of a model of the list, in two sentences; empty for any other."""
    e = entry(model)
    if e is None:
        return ""
    kind = "a chat model" if e.chat else "a base model"
    reasons = "" if e.thinking == NEVER else f" that reasons first, {e.thinking}"
    consent = "; the Hub asks for consent to it first" if e.gated else ""
    return (
        f"Good for {e.good_for}. {size(e)} parameters, {kind}{reasons}, {e.context:,} tokens. "
        f"Licence: {e.licence}{consent}."
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
            f"“{name[:100]}” is neither the id of a model on the Hub, such as Qwen/Qwen3-0.6B, nor "
            "a model folder on this machine."
        )
    return name


def public_name(model: str) -> str:
    """The model's name as others know it, without a person's folders."""
    return HUB_ID if model == STARTER else Path(model).name if Path(model).is_dir() else model
