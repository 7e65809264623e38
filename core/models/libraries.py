"""Model libraries come in here, one thread at a time: two that import transformers at once find it half made."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType

from core.files import json_object

_one_at_a_time = threading.Lock()


def transformers() -> ModuleType:
    """transformers, with the names that its lazy module looks up on first use."""
    with _one_at_a_time:
        import transformers

        for name in ("AutoConfig", "AutoTokenizer"):
            getattr(transformers, name)
        return transformers


def torch_and_peft() -> None:
    """All that a model with a method on it is built from."""
    spare_scipy()
    library = transformers()
    with _one_at_a_time:
        import peft  # noqa: F401
        import torch  # noqa: F401

        library.AutoModelForCausalLM  # noqa: B018


def spare_bitsandbytes(model: str, revision: str | None, quantization: str, optimizer: str = "") -> None:
    """Keep bitsandbytes out of this process where nothing is quantized. To be called before any other library loads.

    PEFT imports it wherever it is installed, and with it torch's compiler: a fifth of the time until a worker begins
    (2 of 10 seconds of CPU), and 48 MB. A model that is quantized itself needs it; one that is not here yet may.
    """
    if quantization != "none" or optimizer.endswith("8bit"):
        return
    config = _config(model, revision)
    if config is not None and "quantization_config" not in config:
        sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]  # Python's word for “not here”


def spare_scipy() -> None:
    """Keep scipy.optimize out of what transformers imports for every model: an eighth of the time to a worker's start.

    Its losses of object detection are loaded with all others and match boxes by it; a language model has none. What
    else of this process uses scipy imports it as ever.
    """
    import transformers.utils

    for module in (transformers.utils, transformers.utils.import_utils):
        vars(module)["is_scipy_available"] = lambda: False


def _config(model: str, revision: str | None) -> dict[str, object] | None:
    """config.json of a model on this machine; None where none can be read."""
    from core.models.starter import STARTER

    if model == STARTER:
        return {}
    path: object = Path(model) / "config.json"
    if not Path(model).is_dir():
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(model, "config.json", revision=revision)
    try:
        return json_object(Path(path).read_bytes()) if isinstance(path, str | Path) else None
    except OSError:
        return None
