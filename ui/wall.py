"""What a Space's server refuses before Gradio sees it: what is too large, files without room.

Uploads come without a visitor, so they are bounded by file, by address where it is one of the internet, and in sum.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from core.settings import Settings
from core.store import temporary

log = logging.getLogger("tunewright")

CLOSED = ("/process_recording", "/deep_link", "/vibe-", "/proxy=", "/run-history", "/monitoring", "/component_server")
"""What Gradio offers besides, and no page of ours asks for; some of it writes files."""
ORDINARY_MB = 10
"""Of a request that brings no file: what people write into a form."""
AROUND = 100_000
"""Bytes around the files of an upload."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class TooLarge(Exception):
    """More came than was announced or is allowed."""


class Wall:
    """ASGI middleware."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], settings: Settings) -> None:
        self.app, self.settings = app, settings
        self._coming = 0
        """Bytes that were announced and are not here yet."""
        self._brought: dict[str, deque[tuple[float, int]]] = {}
        """Address → when it brought how many bytes, as long as they may still lie here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"]
        if any(name in path for name in CLOSED):
            return await _answer(send, 404, "There is nothing here.")
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return await self.app(scope, receive, send)
        upload = path.rstrip("/").endswith("/upload")
        limits = self.settings.limits
        most = limits.upload_mb * 1_000_000 + AROUND if upload else ORDINARY_MB * 1_000_000
        length = dict(scope["headers"]).get(b"content-length", b"")
        announced = int(length) if length.isdigit() else most
        if announced > most:
            what = f"A file of this Space has at most {limits.upload_mb} MB" if upload else "This is too much text"
            return await _answer(send, 413, f"{what}; {announced / 1e6:,.0f} MB were sent. Send less at a time.")
        if upload and (why := self._no_room(scope, announced)):
            return await _answer(send, 413, why)
        came, coming = 0, announced if upload else 0

        async def bounded() -> dict[str, Any]:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > most:
                raise TooLarge
            return message

        self._coming += coming
        try:
            await self.app(scope, bounded, send)
        except TooLarge:
            log.warning("A request to %s was larger than %d bytes and was cut off.", path, most)
            await _answer(send, 413, f"More than {most / 1e6:,.0f} MB were sent. Send less at a time.")
        finally:
            self._coming -= coming

    def _no_room(self, scope: Scope, size: int) -> str:
        """Why no file of this size can be taken from there now; empty where it can."""
        if full := temporary.why_full(self.settings, self._coming + size):
            return full
        address = (scope.get("client") or ("",))[0]
        if not _is_a_visitors(address):
            return ""
        limits, moment = self.settings.limits, time.monotonic()
        for known in list(self._brought):
            brought = self._brought[known]
            while brought and moment - brought[0][0] > 60 * limits.uploads_minutes:
                brought.popleft()
            if not brought:
                del self._brought[known]
        mine = self._brought.setdefault(address, deque())
        if sum(n for _, n in mine) + size > limits.uploads_mb * 1_000_000 / 4:
            return (
                f"From your address {sum(n for _, n in mine) / 1e6:,.0f} of {limits.uploads_mb / 4:,.0f} MB were "
                f"brought in the last {limits.uploads_minutes} minutes. Import what you brought, and try again later."
            )
        mine.append((moment, size))
        return ""


def _is_a_visitors(address: str) -> bool:
    """Is it one of the internet? Behind a proxy that does not say more all visitors have the proxy's."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
