"""A visitor of the real server who knows no manners: calls any handler of the page over HTTP with any values."""

from __future__ import annotations

import json
import secrets
from functools import lru_cache
from typing import Any

import httpx


@lru_cache(maxsize=1)
def _config(url: str) -> dict[str, Any]:
    return httpx.get(f"{url}/config", timeout=120).json()


class Refused(Exception):
    """The server's sentence."""


class Visitor:
    """One session. `secret` is what the browser would keep, or whatever somebody else makes up."""

    def __init__(self, url: str, secret: Any = "") -> None:
        self.http = httpx.Client(base_url=url, timeout=120)
        self.session = secrets.token_hex(6)
        config = _config(url)
        self.handlers = {d["api_name"]: d for d in config["dependencies"]}
        self.components = {c["id"]: c for c in config["components"]}
        self.secret, self.project = secret, None

    def arrive(self) -> dict[str, Any]:
        """Open the page; keeps the secret and the project that it is given."""
        shown = self.call("arrive")
        self.secret = shown["browserstate"]
        self.project = shown["Project"]["value"]
        return shown

    def call(self, name: str, **given: Any) -> dict[str, Any]:
        """What a handler returns last, by label or kind of component; `given` replaces what stands in the page, by
        label. Raises Refused with its sentence.
        """
        handler = self.handlers[name]
        data = [self._value(id_, given) for id_ in handler["inputs"]]
        event = {"data": data, "fn_index": handler["id"], "session_hash": self.session}
        joined = self.http.post("/gradio_api/queue/join", json=event)
        if joined.status_code != 200:
            raise Refused(joined.text)
        answer: list[Any] = []
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") in ("process_generating", "process_completed"):
                    if not message["success"]:
                        raise Refused(message["output"]["error"])
                    answer = message["output"].get("data") or answer
                if message.get("msg") in ("process_completed", "close_stream"):
                    break
        return {self._name(id_): value for id_, value in zip(handler["outputs"], answer, strict=False)}

    def bring(self, name: str, content: bytes) -> httpx.Response:
        """Upload a file."""
        return self.http.post("/gradio_api/upload", files={"files": (name, content)})

    def brought(self, name: str, content: bytes) -> dict[str, Any]:
        """An uploaded file as a handler takes it."""
        [path] = self.bring(name, content).json()
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def _name(self, id_: int) -> str:
        about = self.components[id_]
        return about["props"].get("label") or about["props"].get("elem_id") or about["type"]

    def _value(self, id_: int, given: dict[str, Any]) -> Any:
        about = self.components[id_]
        if about["type"] == "browserstate":
            return self.secret
        label = about["props"].get("label")
        if label == "Project" and label not in given:
            return self.project
        return given.get(label, about["props"].get("value"))
