"""A real HTTP server that speaks the judge's protocol, the judges it plays, and pairs for them."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from core.judge.pairs import Pair
from core.judge.result import Choice, Comparison, Verdict

SECRET = "sk-secret-0123456789abcdef"


def say(verdict: str, usage: bool = True) -> dict:
    reply = {"choices": [{"message": {"role": "assistant", "content": json.dumps({"verdict": verdict})}}]}
    return reply | ({"usage": {"prompt_tokens": 100, "completion_tokens": 7}} if usage else {})


def replied(verdict: Choice | None, tokens: int | None = 1) -> Comparison:
    """A comparison that was answered once."""
    return Comparison(Verdict("key", "host", "judge-1", "id", "base_first", verdict, "…", tokens, tokens, 0.1, 0.0))


def parts(body: dict) -> dict[str, str]:
    """question, reference, answer A and answer B, as a judge would read them."""
    found = re.findall(r"\[([^\[\]]+) ([0-9a-f]{16})\]\n(.*?)\n\[end of \1 \2\]", body["messages"][1]["content"], re.S)
    return {name: text for name, _, text in found}


def fair(body: dict, n: int):
    """The answer that shares more words with the reference; a tie where both share as many."""
    texts = parts(body)
    shared = [len(set(texts[f"answer {x}"].split()) & set(texts["reference"].split())) for x in "AB"]
    return 200, say("tie" if shared[0] == shared[1] else "A" if shared[0] > shared[1] else "B")


def first(body: dict, n: int):
    return 200, say("A")


@contextmanager
def serving(answer):
    """An endpoint that answers as `answer(body, number of the request)` says: (status, JSON or text[, headers])."""
    asked: list[dict] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                asked.append({"path": self.path, "key": self.headers.get("Authorization"), "body": body})
                n = len(asked)
            status, said, *headers = answer(body, n)
            data = (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(status)
            for name, value in (headers[0] if headers else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pair(i: int, base: str, tuned: str, reference: str = "the cat sat on the mat") -> Pair:
    return Pair(f"id{i}", f"Question {i}?", reference, base, tuned)
