"""An OpenAI-compatible endpoint: POST …/chat/completions over httpx. Knows nothing of what it is asked for.

The key is sent to the endpoint and put nowhere else: whatever the endpoint says is cleaned of it first. For visitors
of a Space only public addresses are connected to (no request forgery towards the machine's own network): every address
of the name is checked, and the one that was checked is the one that is connected to. Redirects are never followed.
"""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.endpoint.addresses import is_public
from core.errors import UserError

if TYPE_CHECKING:
    from core.store.workspace import Workspace

MOST_BYTES = 1_000_000
"""Of a reply; what is longer is cut."""
WAITS = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further attempt, where the endpoint is busy or failed; its own Retry-After counts if longer."""
LONGEST_WAIT = 60.0
Price = tuple[float, float]
"""Money per million tokens of (prompts, replies)."""


@dataclass(frozen=True)
class Reply:
    text: str
    prompt_tokens: int | None
    """As the endpoint reports them; None where it does not."""
    completion_tokens: int | None
    finish: str = ""
    """Why it ended, in the endpoint's word: `length` where it was cut at `max_tokens`. Empty where it does not say."""


def key_of(workspace: Workspace, variable: str, typed: str = "") -> str:
    """The typed key, else the environment's: on a Space that is its owner's, and visitors must not send it anywhere."""
    local = workspace.settings.mode == "local"
    return checked_key(typed or (os.environ.get(variable, "") if local else ""))


def checked_model(model: str, what: str) -> str:
    """The name of a model as an endpoint calls it. Raises UserError, with `what` it is for, where it is none."""
    model = (model or "").strip()
    if not 1 <= len(model) <= 200 or not model.isprintable():
        raise UserError(f"Name the model that {what}, as the endpoint calls it.")
    return model


def checked_price(price: Price | None) -> Price | None:
    """Raises UserError for a price that is no number from 0 on."""
    if price is not None and not all(math.isfinite(p) and p >= 0 for p in price):
        raise UserError(
            f"There is no price of {price[0]:g} or {price[1]:g}. Give numbers from 0 on, per million tokens."
        )
    return price


def money(prompt_tokens: int, completion_tokens: int, price: Price | None) -> float | None:
    """What so many tokens cost; None without a price."""
    return None if price is None else (prompt_tokens * price[0] + completion_tokens * price[1]) / 1e6


def checked_url(url: str, public_only: bool) -> str:
    """The endpoint's address without …/chat/completions and without a slash at its end.

    Raises UserError for anything but http(s) with a host, and with `public_only` for what is not reached by https at a
    public address and a port of the web. Resolves the name only then.
    """
    url = (url or "").strip().rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as e:
        raise UserError(f"“{url[:100]}” is no address: {e}. Give one such as https://api.example.com/v1.") from e
    schemes = ("https",) if public_only else ("http", "https")
    if parts.scheme not in schemes or not host or any(c.isspace() or ord(c) < 32 or c == "\\" for c in url):
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        raise UserError(
            f"“{url[:100]}” is no address that can be asked. Give one that begins with {expected}, such as "
            "https://api.example.com/v1."
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError("The address holds a name, a key or a query. Give the bare address, and the key in its field.")
    if public_only:
        port = 443 if parts.port is None else parts.port
        if port != 443 and port < 1024:  # mail, shells and the like
            raise UserError(
                f"Port {port} is none of an endpoint. From a Space 443 and those from 1024 on can be asked."
            )
        public_address(host, port)
    return url


def host_of(url: str) -> str:
    """What may be shown of an endpoint."""
    return urlsplit(url).hostname or ""


def public_address(host: str, port: int) -> str:
    """One address of `host`, all of which are public. Raises UserError where the name is unknown or one is not."""
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as e:
        raise UserError(f"The name {host[:100]} is not known on the network ({e}). Check the address.") from e
    for address in sorted(addresses):
        if not is_public(address):
            raise UserError(f"{host[:100]} is not a public address. From a Space only public endpoints can be asked.")
    return sorted(addresses, key=lambda a: ":" in a)[0]


class Endpoint:
    """One model behind one address. May be asked from several threads."""

    def __init__(
        self,
        url: str,
        model: str,
        key: str = "",
        public_only: bool = False,
        timeout: float = 60.0,
        waits: tuple[float, ...] = WAITS,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        import httpx

        self.url, self.model = checked_url(url, public_only), model
        self.host = host_of(self.url)
        self._key, self._public_only, self._timeout = checked_key(key), public_only, timeout
        self._waits, self._should_stop = waits, should_stop
        # A proxy of the environment would resolve the name itself, past the check.
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=not public_only)

    def close(self) -> None:
        self._client.close()

    def ask(self, messages: list[dict[str, str]], max_tokens: int, temperature: float = 0) -> Reply:
        """What the model answers. Waits and asks again where the endpoint is busy or fails.

        A reply of another form has the body's beginning as its text. Raises UserError where the endpoint refuses, or
        does not recover.
        """
        import httpx

        body = {"model": self.model, "messages": messages, "temperature": temperature, "max_tokens": max_tokens}
        for wait in (*self._waits, None):
            try:
                status, headers, text = self._post(body)
                if status == 200:
                    return self._read(text)
                why, again = self._refusal(status, text), status in (408, 429) or status >= 500
            except (httpx.HTTPError, httpx.InvalidURL) as e:
                why, again, headers = f"{type(e).__name__}: {self.clean(str(e))[:200]}".strip(": "), True, {}
            if not again:
                raise UserError(f"The endpoint {self.host} refused: {why}")
            if wait is None or self._should_stop():
                break
            self._sleep(max(wait, min(_seconds(headers.get("retry-after")), LONGEST_WAIT)))
        raise UserError(
            f"The endpoint {self.host} failed {len(self._waits) + 1} times: {why} What came before is kept: "
            "start again later to go on from there."
        )

    def _post(self, body: dict[str, Any]) -> tuple[int, Any, str]:
        """(status, headers, text): one request within `timeout` seconds in all, its answer cut at `MOST_BYTES`."""
        import httpx

        url = httpx.URL(f"{self.url}/chat/completions")
        headers, extensions = {"Accept": "application/json"}, {}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if self._public_only:
            address = public_address(url.host, url.port or 443)
            headers["Host"] = url.netloc.decode("ascii")
            # The certificate is still checked against the name.
            extensions = {"sni_hostname": url.host}
            url = url.copy_with(host=address)
        until, parts, size = time.monotonic() + self._timeout, [], 0
        with self._client.stream("POST", url, json=body, headers=headers, extensions=extensions) as response:
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    break
                if time.monotonic() > until:
                    raise httpx.ReadTimeout(f"no whole answer within {self._timeout:g} seconds")
            return response.status_code, response.headers, b"".join(parts)[:MOST_BYTES].decode("utf-8", "replace")

    def _read(self, text: str) -> Reply:
        try:
            raw = json.loads(text)
            choice = raw["choices"][0]
            content, finish = choice["message"]["content"], choice.get("finish_reason")
            usage = raw.get("usage")
            usage = usage if isinstance(usage, dict) else {}
            tokens = (_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return Reply(self.clean(text), None, None)
        finish = finish if isinstance(finish, str) else ""
        return Reply(self.clean(content if isinstance(content, str) else ""), *tokens, finish)

    def _refusal(self, status: int, text: str) -> str:
        if 300 <= status < 400:
            return f"it redirects (HTTP {status}), which is not followed. Give the final address."
        try:
            error = json.loads(text)["error"]
            message = error["message"] if isinstance(error, dict) else error
        except (ValueError, KeyError, TypeError, RecursionError):
            message = text
        message = " ".join(self.clean(str(message)).split())[:200]
        advice = {
            401: "Check the key.",
            403: "Check the key and what it may do.",
            404: "Check the address and the model's name.",
        }
        return " ".join(part for part in (f"HTTP {status}.", message, advice.get(status, "")) if part)

    def clean(self, text: str) -> str:
        """The text without the key, which an endpoint may repeat."""
        return text.replace(self._key, "[key]") if self._key else text

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._should_stop():
            time.sleep(min(0.1, seconds))


def checked_key(key: str) -> str:
    """A key as a header can carry it. Raises UserError, which does not repeat it."""
    key = (key or "").strip()
    if not key.isascii() or not all(33 <= ord(c) < 127 for c in key):
        raise UserError("The key holds a space or a character that no key has. Copy it again.")
    return key


def _count(value: Any) -> int | None:
    """A number of tokens; None for anything that is none."""
    return value if type(value) is int and 0 <= value < 10**9 else None


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdigit() else 0.0
