"""Model libraries come in here, one thread at a time: two that import transformers at once find it half made."""

from __future__ import annotations

import threading
from types import ModuleType

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
    library = transformers()
    with _one_at_a_time:
        import peft  # noqa: F401
        import torch  # noqa: F401

        library.AutoModelForCausalLM  # noqa: B018
