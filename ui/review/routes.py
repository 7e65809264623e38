"""Addresses of the desk, beside Gradio's: what it fetches and stores, and the page of people who were invited.

A key must be heard within a tenth of a second, and an invited person must reach nothing else; neither would be so with
Gradio's events. Each request names its sender by a secret in a header, never by a cookie: another site cannot send it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import UserError
from core.review import invitations
from core.store import visitors
from core.store.places import Places
from core.store.workspace import LOCAL_OWNER, Workspace
from ui import html
from ui.html.review import door, outside
from ui.review import desk
from ui.review.desk import Reader

log = logging.getLogger("tunewright")

ASSETS = Path(__file__).resolve().parents[2] / "assets"
PREFIX = "/label"
FILES = ("style.css", "unsent.js", "review.js", "outside.js")
LARGEST = 2_000_000
"""Bytes of a request: a correction and a note of 100,000 characters each."""
AT_ONCE = Places(8, 400, 5.0, "More than 8 things of yours are going on at once. It is tried again in a moment.")


class Refused(Exception):
    """Not now, or not by this sender: what was sent may be sent again. (status, sentence)"""


class DeskRoutes:
    """ASGI middleware: answers below PREFIX; everything else goes on as it came."""

    def __init__(self, app: ASGIApp, store: Workspace) -> None:
        self.app = app
        self.own = application(store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        mine = scope["type"] == "http" and (path == PREFIX or path.startswith(f"{PREFIX}/"))
        await (self.own if mine else self.app)(scope, receive, send)


def application(store: Workspace, guests_only: bool = False) -> Starlette:
    """All below PREFIX. `guests_only`: whoever was not invited is told so, the owner too."""
    acts: dict[str, Callable[[Reader, Mapping[str, Any]], dict[str, Any]]] = {
        "items": desk.hand,
        "store": desk.store,
        "edits": lambda reader, asked: desk.edits(asked),
        "add": desk.add_label,
        "history": desk.history,
        "enough": lambda reader, asked: desk.enough(reader),
        "desk": lambda reader, asked: {"html": desk.empty_desk(reader)},
    }

    def route(name: str, act: Callable[[Request, Mapping[str, Any]], dict[str, Any]]) -> Route:
        async def answer(request: Request) -> Response:
            return await _answered(request, act)

        return Route(f"{PREFIX}/{name}", answer, methods=["POST"])

    def by_reader(act: Callable[[Reader, Mapping[str, Any]], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def done(request: Request, asked: Mapping[str, Any]) -> dict[str, Any]:
            try:
                reader = _reader(store, request, asked, guests_only)
            except UserError as e:
                raise Refused(401, str(e)) from e
            with ExitStack() as stack:
                try:
                    stack.enter_context(AT_ONCE.one(f"{reader.job.id} {reader.annotator}"))
                except UserError as e:
                    raise Refused(429, str(e)) from e
                return act(reader, asked)

        return done

    def look(request: Request, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Whether an invitation can be accepted: what its page says first."""
        return {"html": door(invitations.look(store, _secret(request)))}

    def join(request: Request, asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"secret": invitations.join(store, _secret(request), str(asked.get("name") or ""))}

    async def page(request: Request) -> Response:
        style, *scripts = (f"{PREFIX.strip('/')}/{name}" for name in FILES)
        shown = outside("Which answer is better?", style, scripts, html.lead("Opening your invitation …"))
        return HTMLResponse(shown, headers={"cache-control": "no-store", "x-robots-tag": "noindex"})

    def file(name: str) -> Route:
        async def give(request: Request) -> Response:
            return FileResponse(ASSETS / name, headers={"cache-control": "no-cache"})

        return Route(f"{PREFIX}/{name}", give)

    asking = [route(name, by_reader(act)) for name, act in acts.items()]
    return Starlette(
        routes=[*asking, route("look", look), route("join", join), Route(PREFIX, page), *(file(name) for name in FILES)]
    )


async def _answered(request: Request, act: Callable[[Request, Mapping[str, Any]], dict[str, Any]]) -> Response:
    """Errors are sentences. 400: what was sent is wrong and will be; 401, 429 and 500: a desk keeps what it sent."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return _refused("Another site asked for this. Open the page itself.", 403)
    if int(request.headers.get("content-length") or 0) > LARGEST:
        return _refused(f"More than {LARGEST / 1e6:.0f} MB were sent. Shorten the texts.", 413)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            return _refused(f"More than {LARGEST / 1e6:.0f} MB were sent. Shorten the texts.", 413)
    try:
        asked = json.loads(body)
        if not isinstance(asked, dict):
            raise UserError("The page sent something that is no question. Reload it.")
        return JSONResponse(await run_in_threadpool(act, request, asked))
    except Refused as e:
        return _refused(e.args[1], e.args[0])
    except UserError as e:
        return _refused(str(e), 400)
    except (KeyError, TypeError, ValueError, RecursionError) as e:
        log.warning("A desk sent what cannot be read: %s", e, exc_info=True)
        return _refused("The page sent what cannot be read. Reload it, and try again.", 400)
    except Exception:
        log.exception("A request of a desk failed")
        return _refused("Something went wrong on our side. What you wrote is kept in this browser.", 500)


def _reader(store: Workspace, request: Request, asked: Mapping[str, Any], guests_only: bool) -> Reader:
    """Who asks: a guest by what their browser was given, else the owner by what their page sends.

    A guest labels the one review that they were invited to, whatever their page asks for.
    """
    if "authorization" in request.headers:
        guest = invitations.guest(store, _secret(request))
        return Reader(guest.workspace, guest.evaluation, guest.annotator, guest)
    secret = request.headers.get("x-tunewright-visitor")
    if secret is None or guests_only:
        raise UserError("This page does not know you. Open it again, or the link of your invitation.")
    owner = visitors.owner_of(store, secret) if store.settings.shared else LOCAL_OWNER
    workspace = store.as_owner(owner)
    return Reader(workspace, workspace.job(str(asked.get("job") or "")), owner)


def _secret(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _refused(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status)


def serve_guests(store: Workspace, port: int) -> None:
    """Serve those who were invited at a port of their own, on all interfaces, as long as the app runs.

    On a laptop whoever reaches the page's own address is its owner, so that address is for nobody else. Raises
    UserError where the port is taken.
    """
    import socket
    import threading

    import uvicorn

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("0.0.0.0", port))
    except OSError as e:
        raise UserError(f"Port {port} for people who label is taken. Set LABEL_PORT to one that is free.") from e
    config = uvicorn.Config(application(store, guests_only=True), log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="labelling", daemon=True).start()


def guests_address(store: Workspace) -> str:
    """Where an invitation leads: relative to the page, or the whole address where guests have a port of their own."""
    import socket

    if store.settings.shared or store.settings.label_port is None:
        return PREFIX.strip("/")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.254.254.254", 1))  # sends nothing: says by which address others know this machine
            name = probe.getsockname()[0]
        except OSError:
            name = socket.gethostname()
    return f"http://{name}:{store.settings.label_port}{PREFIX}"
