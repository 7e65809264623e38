"""Gradio without the type stubs that it writes whenever it is imported: a third of that time.

For each of its 81 components Gradio (6.31) parses the source twice and renders a template, to write a `.pyi` file for
editors where that would change. No setting turns it off. Nothing reads those files while the app runs; where a release
has no such function any more, it is imported as it is.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

WRITER = "gradio.component_meta"


class _WithoutStubs(MetaPathFinder):
    """Finds that one module as everybody does, and takes the function from it before a component uses it."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != WRITER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def without_stubs(module: ModuleType) -> None:
                execute(module)
                if hasattr(module, "create_or_modify_pyi"):
                    vars(module)["create_or_modify_pyi"] = lambda *args: None

            spec.loader.exec_module = without_stubs  # type: ignore[method-assign]
        return spec


def install() -> None:
    """To be called before the first import of gradio; afterwards it changes nothing."""
    if "gradio" not in sys.modules:
        sys.meta_path.insert(0, _WithoutStubs())
