"""The forged visitor and the greedy one, over the real server in space mode: it is started once, and asked by HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.models import starter
from core.settings import Settings
from core.store import tables
from core.store.workspace import open_workspace
from tests import hub
from tests.ui.space_client import Refused, Visitor

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {"OWNER_MB": "3", "UPLOAD_MB": "1", "UPLOADS_MB": "6", "MAX_PROJECTS": "3"}
LARGE = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 16384,
    "intermediate_size": 53248,
    "num_hidden_layers": 126,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}
"""Of Llama 3.1 405B."""


@pytest.fixture(scope="module")
def space(tmp_path_factory, tiny_model_folder):
    """(address, home) of the app as a Space runs it, with small limits and a tiny model in the starter's place."""
    home = tmp_path_factory.mktemp("space")
    shutil.copytree(tiny_model_folder, starter.folder(home / "models"))
    (starter.folder(home / "models") / "source.json").write_text("{}")
    large = tmp_path_factory.mktemp("large")
    (large / "config.json").write_text(json.dumps(LARGE))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_model_folder / name, large / name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with hub.running() as local_hub:
        local_hub.commit("models", "some/large", large)
        environment = local_hub.environment(home) | {"SPACE_ID": "some/space", "HOST": "127.0.0.1", "PORT": str(port)}
        environment |= {f"TUNEWRIGHT_{name}": value for name, value in LIMITS.items()}
        environment |= {"TUNEWRIGHT_HOME": str(home), "DISPLAY": ""}
        with open(home / "app.log", "wb") as log:
            app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _await(port, app, home / "app.log")
            yield f"http://127.0.0.1:{port}", home
        finally:
            app.terminate()
            app.wait(30)
            for process in home.glob("projects/*/jobs/*/process.json"):
                with suppress(ProcessLookupError):
                    os.kill(json.loads(process.read_text())["pid"], signal.SIGKILL)
    assert "A handler failed" not in (home / "app.log").read_text()


def _await(port: int, app: subprocess.Popen, log: Path) -> None:
    until = time.time() + 120
    while time.time() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert app.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def size(home: Path) -> int:
    return sum(p.stat().st_size for p in home.rglob("*") if p.is_file() and p.suffix != ".log")


def import_rows(visitor: Visitor, name: str, rows: bytes) -> str:
    """What the page says of the file at the end."""
    file = visitor.brought(name, rows)
    visitor.call("brought", **{"Your files": [file]})
    said = visitor.call("uploaded")
    if "may keep" in str(said):
        return str(said)
    return str(visitor.call("import_file", **{"Prompt": "prompt", "Answer": "answer"}))


def queued(home: Path) -> list[tuple[str, str]]:
    """(owner, state) of all jobs that wait or run."""
    store = open_workspace(Settings(home=home, mode="space"))
    query = sa.select(tables.projects.c.owner, tables.jobs.c.state).join_from(tables.jobs, tables.projects)
    with store.engine.connect() as db:
        return [tuple(row) for row in db.execute(query.where(tables.jobs.c.state.in_(("queued", "started"))))]


def test_arrivals_that_do_nothing_leave_nothing(space):
    url, home = space
    Visitor(url).arrive()  # the first one makes the sample
    before = size(home)
    visitors = [Visitor(url) for _ in range(20)]
    for visitor in visitors:
        assert "403 rows" in visitor.arrive()["html"]
    assert len({visitor.secret for visitor in visitors}) == len({visitor.project for visitor in visitors}) == 20
    assert size(home) == before


@pytest.mark.parametrize("forged", [True, 7, ["a"], {"a": 1}, "True", "../..", "a" * 64, "0" * 32, "sample", "local"])
def test_a_client_makes_nobody_up(space, forged):
    url, _ = space
    visitor = Visitor(url, forged)
    with pytest.raises(Refused, match="This page has lost its visitor"):
        visitor.call("make_project", **{"Name of the new project": "Mine"})
    visitor.arrive()
    assert visitor.secret != forged
    assert len(visitor.secret) == 64


def test_neither_names_in_files_nor_ids_open_what_is_anothers(space):
    url, home = space
    ann = Visitor(url)
    ann.arrive()
    own = ann.call("make_project", **{"Name of the new project": "Ann's rows"})["Project"]["value"]
    ann.project = own
    rows = b"\n".join(b'{"prompt": "What is %d?", "answer": "A number, %d."}' % (i, i) for i in range(20))
    import_rows(ann, "rows.jsonl", rows)
    store = open_workspace(Settings(home=home, mode="space"))
    with store.engine.connect() as db:
        owner = db.execute(sa.select(tables.projects.c.owner).where(tables.projects.c.id == own)).scalar()
    assert owner.startswith("visitor-")
    bob = Visitor(url)
    bob.arrive()
    bob.project = own
    for handler in ("begin", "import_file", "delete_project"):
        # Gradio knows which projects a session was offered; core, whose they are (tests/core/store).
        with pytest.raises(Refused, match="is not in the list of choices|somebody else's"):
            bob.call(handler)
    for leaked in (owner, owner.removeprefix("visitor-"), ann.secret[:32] + bob.secret[32:]):
        with pytest.raises(Refused, match="This page has lost its visitor"):
            Visitor(url, leaked).call("make_project", **{"Name of the new project": "Mine"})
    replayed = Visitor(url, ann.secret)  # her own browser, another tab
    assert own in [id_ for _, id_ in replayed.arrive()["Project"]["choices"]]


def test_one_visitor_does_not_take_the_server(space):
    url, home = space
    greedy, other = Visitor(url), Visitor(url)
    greedy.arrive()
    for asked, sentence in (
        ({"Epochs (passes over the rows)": 50}, "at most 10 epochs, not 50"),
        ({"Processes": 64}, "64 processes are asked for; this machine has"),
        ({"Maximum length (tokens)": 32768}, "is 4,096 tokens, not 32,768"),
        (
            {"Epochs (passes over the rows)": 10, "Batch size (rows per step)": 1, "Checkpoints kept": 100},
            "MB that a visi",
        ),
        ({"Model": "some/large"}, "takes about .* GB of memory; this Space has"),
        ({"Model": "some/unknown"}, "is not on this machine, and the Hub does not answer for it"),
        ({"Model": "/etc"}, "neither the id of a model on the Hub"),
    ):
        with pytest.raises(Refused, match=sentence):
            greedy.call("begin", **asked)
    assert queued(home) == []
    long = {"Epochs (passes over the rows)": 10, "Batch size (rows per step)": 1, "Checkpoints kept": 1}

    pages = [Visitor(url, greedy.secret) for _ in range(24)]
    for page in pages:
        page.arrive()

    def start(page: Visitor) -> str:
        """The sentence that refuses; empty where the run was accepted."""
        try:
            page.call("begin", **long)
        except Refused as e:
            return str(e)
        return ""

    with ThreadPoolExecutor(12) as pool:
        sentences = list(pool.map(start, pages))
    accepted = sentences.count("")
    assert all("waits already" in s or "More than 16 things" in s for s in sentences if s), set(sentences)
    assert 1 <= accepted <= 2  # one runs, one waits
    other.arrive()
    other.call("begin", **long)
    states = queued(home)
    assert sorted(state for _, state in states) == ["queued"] * (len(states) - 1) + ["started"]
    assert len({owner for owner, state in states if state == "queued"}) == len(states) - 1


def test_uploads_are_bounded_and_nothing_else_takes_files(space):
    url, home = space
    visitor = Visitor(url)
    visitor.arrive()
    answer = visitor.bring("large.jsonl", b"x" * 1_200_000)
    assert answer.status_code == 413
    assert "A file of this Space has at most 1 MB" in answer.text

    def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(60):
            yield b"x" * 100_000
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = visitor.http.post("/gradio_api/upload", content=endless(), headers=headers)  # without its length
    assert answer.status_code == 413
    taken = 0
    for i in range(12):
        answer = visitor.bring(f"{i}.jsonl", bytes([i]) * 900_000)
        taken += answer.status_code == 200
    assert answer.status_code == 413
    assert "MB on this Space are taken by files that were brought" in answer.text
    assert 0 < taken < 7
    assert size(home / "temporary") < 7_000_000
    for path in ("process_recording", "deep_link", "vibe-edit", "component_server"):
        assert visitor.http.post(f"/gradio_api/{path}").status_code == 404
    event = {"data": ["x" * 11_000_000], "fn_index": 0, "session_hash": "a"}
    assert visitor.http.post("/gradio_api/queue/join", json=event).status_code == 413
    shutil.rmtree(home / "temporary")


def test_what_a_visitor_keeps_is_bounded_and_a_deleted_project_makes_room(space):
    url, home = space
    visitor = Visitor(url)
    visitor.arrive()
    lines = [b'{"prompt": "What is %d?", "answer": "%s"}' % (i, os.urandom(200).hex().encode()) for i in range(1500)]
    told = []
    for n in range(3):
        name = f"Full {n}"
        visitor.project = visitor.call("make_project", **{"Name of the new project": name})["Project"]["value"]
        told.append(import_rows(visitor, f"{n}.jsonl", b"\n".join(lines)))
        if n == 1:
            with pytest.raises(Refused, match="You have 3 projects, as many as a visitor"):
                visitor.call("make_project", **{"Name of the new project": "More"})
            break
    assert "MB that a visitor of this Space may keep" not in told[0]
    assert "MB that a visitor of this Space may keep (“Full 0”" in told[-1]
    with pytest.raises(Refused, match=f"Type “{name}” to delete it"):
        visitor.call("delete_project", **{"Type the project's name": "another"})
    visitor.call("delete_project", **{"Type the project's name": name})
    with pytest.raises(Refused, match="is not in the list of choices"):
        visitor.call("delete_project", **{"Type the project's name": name})
    assert not list((home / "projects").glob(f"{visitor.project}*"))
