"""Gradio without two things that cost time: stubs for editors, and a search through the page.

For each of its 81 components Gradio (6.31) parses the source twice whenever it is imported, and renders a template, to
write a `.pyi` file for editors where that would change: a third of the time of the import. In the browser each property
of each component that an answer changes is preceded by a search for that component through the whole page. No setting
turns either off. Where a release is written otherwise, it is taken as it is.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

WRITER = "gradio.component_meta"
SEARCH = (
    "function Z(e,t){if(e.id===t)return e;if(e.children)for(let n of e.children)"
    "{let e=Z(n,t);if(e)return e}return null}"
)
"""In Gradio's core-….js: the component t below e."""
REMEMBERED = (
    SEARCH.replace("Z(", "searched(")
    + "const found=new WeakMap;function Z(e,t){let known=found.get(e);known||found.set(e,known=new Map);"
    "let n=known.get(t);if(n&&n.id===t)return n;n=searched(e,t);n&&known.set(t,n);return n}"
)
"""The same, each component searched for once a page."""


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


@lru_cache(maxsize=1)
def script() -> tuple[str, bytes] | None:
    """(file name, content) of the script that searches, mended; None where this release has none like it."""
    spec = importlib.util.find_spec("gradio")
    folder = Path(spec.origin or "").parent / "templates" / "frontend" / "assets" if spec else Path("none")
    for path in folder.glob("core-*.js"):
        source = path.read_text(encoding="utf-8")
        if source.count(SEARCH) == 1 and "searched(" not in source:
            return path.name, source.replace(SEARCH, REMEMBERED).encode()
    return None


class MendedScript:
    """Answers for that one file; everything else goes on as it came."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mended = script()
        if mended and scope["type"] == "http" and scope["path"].endswith(f"/assets/{mended[0]}"):
            kept = {"cache-control": "public, max-age=3600"}
            await Response(mended[1], media_type="text/javascript", headers=kept)(scope, receive, send)
        else:
            await self.app(scope, receive, send)
