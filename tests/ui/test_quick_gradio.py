"""Gradio writes no type stubs where the app imports it, and is otherwise itself."""

from __future__ import annotations

import subprocess
import sys

from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from ui import quick_gradio


def seen(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_no_component_writes_a_stub():
    """Counted at the file system: no source of a component is read as text."""
    count = (
        "import pathlib; read, sources = pathlib.Path.read_text, []; "
        "pathlib.Path.read_text = lambda self, *a, **k: (sources.append(self), read(self, *a, **k))[1]; "
    )
    told = "; print(sum('components' in s.as_posix() for s in sources))"
    assert int(seen(count + "import gradio" + told)) > 50
    assert int(seen(count + "import ui, gradio" + told)) == 0


def test_components_are_what_they_are():
    """The same names, and an event that is bound and runs."""
    names = "; print(sorted((n, sorted(dir(c))) for n, c in vars(gradio).items() if isinstance(c, type)))"
    assert seen("import gradio" + names) == seen("import ui, gradio" + names)


def test_this_release_searches_as_it_is_known_to():
    """Else the page is slow again: SEARCH is to be brought up to date."""
    mended = quick_gradio.script()
    assert mended is not None
    name, content = mended
    assert name.startswith("core-") and content.count(quick_gradio.REMEMBERED.encode()) == 1


def test_only_that_script_is_mended():
    async def rest(scope, receive, send):
        await PlainTextResponse("as it came")(scope, receive, send)

    name, content = quick_gradio.script()
    client = TestClient(quick_gradio.MendedScript(rest))
    assert client.get(f"/assets/{name}").content == content
    assert client.get(f"/assets/{name}").headers["content-type"].startswith("text/javascript")
    assert client.get("/assets/other.js").text == client.get(f"/{name}").text == "as it came"
