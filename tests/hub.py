"""A small Hub on the loopback address: what huggingface_hub and datasets ask of the real one, over folders of files.

The clients are the real ones, told by HF_ENDPOINT where to ask; they read it when they are imported, so whoever uses
this Hub is a process of its own (`environment`).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Hub:
    """Repositories by kind (“datasets”, “models”) and id; each has its commits, oldest first, as folders of files."""

    url: str = ""
    repositories: dict[tuple[str, str], dict[str, Path]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Path of every request."""
    stated: dict[str, str] = field(default_factory=dict)
    """File name → the SHA-256 that is stated in place of the true one."""
    gated: set[str] = field(default_factory=set)
    """Repositories whose files are given to nobody who has not agreed to something."""

    def commit(self, kind: str, name: str, folder: Path) -> str:
        """Publish a folder as the repository's newest commit; returns its hash."""
        commits = self.repositories.setdefault((kind, name), {})
        sha = hashlib.sha1(f"{kind}/{name}/{len(commits)}".encode()).hexdigest()
        commits[sha] = folder
        return sha

    def environment(self, home: Path) -> dict[str, str]:
        """Environment of a process that takes this for the Hub and keeps what it fetches below `home`."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
        here = {"HF_HOME": str(home / "hub"), "TUNEWRIGHT_HOME": str(home / "tunewright")}
        return {**kept, **here, "HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1"}


def ask(hub: Hub, home: Path, script: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run a script in a process that takes `hub` for the Hub."""
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, cwd=ROOT, env=hub.environment(home), capture_output=True, text=True, timeout=300)


@contextmanager
def running() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(b"")

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.asked.append(path)
        api = path.startswith("api/")
        parts = path.removeprefix("api/").split("/")
        kind = parts.pop(0) if parts[0] in ("datasets", "models") else "models"
        name, rest = "/".join(parts[:2]), parts[2:]
        commits = self.hub.repositories.get((kind, name))
        if not commits:
            return self._refuse("RepoNotFound")
        verb, wanted, inside = (rest[0], rest[1], "/".join(rest[2:])) if len(rest) > 1 else ("revision", "main", "")
        sha = list(commits)[-1] if wanted == "main" else wanted
        if sha not in commits:
            return self._refuse("RevisionNotFound")
        if not api and name in self.hub.gated:
            return self._refuse("GatedRepo", sha, 403)
        if not api:
            return self._file(commits[sha] / inside, sha)
        if verb == "revision":
            return self._info(commits[sha], name, sha)
        files = [self._entry(commits[sha], f) for f in _files(commits[sha])]
        if verb == "paths-info":
            raw = json.loads(body) if body.startswith(b"{") else parse_qs(body.decode())
            return self._json([f for f in files if f["path"] in raw["paths"]])
        below = [f for f in files if f["path"].startswith(f"{inside}/" if inside else "")]
        if "recursive=true" in self.path.lower():
            return self._json(below)
        depth = len(inside.split("/")) if inside else 0
        here = [f for f in below if f["path"].count("/") == depth]
        folders = dict.fromkeys("/".join(f["path"].split("/")[: depth + 1]) for f in below if f not in here)
        self._json([*here, *({"type": "directory", "path": path, "oid": "0", "size": 0} for path in folders)])

    def _info(self, folder: Path, name: str, sha: str) -> None:
        entries = [self._entry(folder, f) for f in _files(folder)]
        siblings = [{"rfilename": e["path"], "size": e["size"], "lfs": e["lfs"], "blobId": e["oid"]} for e in entries]
        self._json({"id": name, "sha": sha, "siblings": siblings, "private": False, "gated": False, "tags": []})

    def _entry(self, folder: Path, file: Path) -> dict:
        content = file.read_bytes()
        sha256 = self.hub.stated.get(file.name) or hashlib.sha256(content).hexdigest()
        lfs = {"sha256": sha256, "oid": sha256, "size": len(content), "pointerSize": 1}
        oid = hashlib.sha1(content).hexdigest()
        return {"type": "file", "path": str(file.relative_to(folder)), "size": len(content), "oid": oid, "lfs": lfs}

    def _file(self, file: Path, sha: str) -> None:
        if not file.is_file():
            return self._refuse("EntryNotFound", sha)
        content = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": sha}
        self._send(200, content, headers)

    def _json(self, value) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, why: str, sha: str = "", status: int = 404) -> None:
        self._send(status, b"{}", {"X-Error-Code": why, "X-Repo-Commit": sha, "Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())
