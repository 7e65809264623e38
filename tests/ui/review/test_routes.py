"""The desk over HTTP: whose review it is, and that an invitation opens nothing else."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from core.review import invitations, labels
from core.settings import Settings
from core.store import visitors
from core.store.workspace import open_workspace
from tests.core.judge.test_actions import make_evaluation
from ui.review import routes
from ui.review.routes import DeskRoutes, application, serve_guests

OWNER = {"x-tunewright-visitor": ""}


@pytest.fixture
def job(workspace, rows_file):
    return make_evaluation(workspace, rows_file)


@pytest.fixture
def client(workspace):
    below = Starlette(routes=[Route("/{path:path}", lambda request: PlainTextResponse("Gradio"))])
    return TestClient(DeskRoutes(below, workspace))


def guest_of(workspace, job, **how):
    id_, link = invitations.invite(workspace, job, **how)
    return id_, link, {"authorization": f"Bearer {invitations.join(workspace, link, 'Ada')}"}


def test_only_its_own_addresses_are_answered(client):
    assert client.get("/").text == client.get("/labels").text == client.get("/label.txt").text == "Gradio"
    page = client.get("/label")
    assert page.status_code == 200 and "label/review.js" in page.text and page.headers["cache-control"] == "no-store"
    assert client.get("/label/review.js").status_code == client.get("/label/style.css").status_code == 200
    for path in ("/label/", "/label/shortcuts.js", "/label/..%2fapp.py", "/label/items"):
        assert client.get(path, follow_redirects=False).status_code in (307, 404, 405)


def test_the_owner_reads_and_stores(client, workspace, job):
    asked = {"job": job.id, "n": 2, "blind": True}
    got = client.post("/label/items", json=asked, headers=OWNER).json()
    assert [i["place"] for i in got["items"]] == [0, 1]
    one = got["items"][0]
    told = {"job": job.id, "item": one["id"], "version": one["version"], "said": {"verdict": "tie"}, "key": "1"}
    assert client.post("/label/store", json=told, headers=OWNER).json()["since"] == 1
    assert labels.current(workspace.engine, job.id)[one["id"]].verdict == "tie"
    edits = client.post("/label/edits", json={"job": job.id, "before": "a", "after": "<b>"}, headers=OWNER).json()
    assert edits["html"] == "<del>a</del><ins>&lt;b&gt;</ins>"


def test_who_says_nothing_or_comes_from_another_site_gets_nothing(client, job):
    asked = {"job": job.id}
    assert client.post("/label/items", json=asked).status_code == 401
    away = {**OWNER, "sec-fetch-site": "cross-site"}
    assert client.post("/label/items", json=asked, headers=away).status_code == 403
    for body in (b"", b"[]", b"{", b"\xff", b'{"job": 3}', b"[" * 100_000, json.dumps({"job": "x" * 50}).encode()):
        answer = client.post("/label/items", content=body, headers=OWNER)
        assert answer.status_code in (400, 401) and answer.json()["error"].endswith(".")
    large = client.post("/label/store", content=b" " * (routes.LARGEST + 1), headers=OWNER)
    assert large.status_code == 413


def test_a_guest_reaches_the_one_review_and_nothing_else(client, workspace, rows_file, job):
    other = make_evaluation(workspace, rows_file, "Another")
    _, link, guest = guest_of(workspace, job, places=2)
    assert (
        "The invitation ends on"
        in client.post("/label/look", json={}, headers={"authorization": f"Bearer {link}"}).text
    )
    mine = client.post("/label/items", json={"job": other.id, "n": 9, "filter": "all"}, headers=guest).json()
    theirs = {i["id"] for i in mine["items"]}
    assert theirs and mine["progress"]["of"] == 4
    everything = json.dumps(mine) + client.post("/label/desk", json={}, headers=guest).text
    assert "Mine" not in everything and "Another" not in everything and other.id not in everything
    # What was not handed to them, what is the owner's, what is somebody's in their place.
    held = client.post("/label/items", json={"only": sorted(theirs)[0], "n": 1}, headers=guest)
    assert held.status_code == 200
    assert client.post("/label/items", json={"only": "0123456789abcdef"}, headers=guest).status_code == 400
    assert client.post("/label/add", json={"title": "x"}, headers=guest).status_code == 400
    assert client.post("/label/enough", json={}, headers=guest).json() == {"sentence": ""}
    said = {"item": sorted(theirs)[0], "said": {"verdict": "tie"}, "annotator": "local", "settles": True, "key": "1"}
    assert client.post("/label/store", json=said, headers={**guest, **OWNER}).status_code == 200
    [event] = labels.history(workspace.engine, job.id)
    assert (event.annotator, event.act, event.blind) == ("Ada", "label", True)
    # The link's own secret, another's guess, and the guest's in the owner's place.
    for secret in (link, "x" * 43, "", "local"):
        wrong = client.post("/label/items", json={"job": job.id}, headers={"authorization": f"Bearer {secret}"})
        assert wrong.status_code == 401 and "items" not in wrong.json()


def test_a_revoked_invitation_opens_nothing(client, workspace, job):
    id_, link, guest = guest_of(workspace, job, places=5)
    assert client.post("/label/items", json={}, headers=guest).status_code == 200
    invitations.revoke(workspace, job, id_)
    for path in ("items", "store", "desk", "edits"):
        answer = client.post(f"/label/{path}", json={"item": "0" * 16}, headers=guest)
        assert answer.status_code == 401 and "was taken back" in answer.json()["error"]
    joining = client.post("/label/join", json={"name": "Eve"}, headers={"authorization": f"Bearer {link}"})
    assert joining.status_code == 400 and "was taken back" in joining.json()["error"]


def test_on_a_space_everybody_is_somebody(tmp_path, rows_file):
    space = open_workspace(Settings(home=tmp_path, mode="space"))
    secret, stranger = visitors.arrive(space, ""), visitors.arrive(space, "")
    mine = make_evaluation(space.as_owner(visitors.owner_of(space, secret)), rows_file)
    client = TestClient(application(space))
    ask = {"job": mine.id}
    assert client.post("/label/items", json=ask, headers={"x-tunewright-visitor": secret}).status_code == 200
    for other in (stranger, "", "local", secret[:-1]):
        answer = client.post("/label/items", json=ask, headers={"x-tunewright-visitor": other})
        assert answer.status_code == 401, other


def test_the_guests_own_port_knows_no_owner(workspace, job):
    """Real HTTP: at LABEL_PORT there is the labelling alone, and the owner is not known there."""
    import socket
    import urllib.error
    import urllib.request

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve_guests(workspace, port)
    _, _, guest = guest_of(workspace, job)

    def ask(path, headers):
        body = json.dumps({"job": job.id}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    assert ask("/label/items", guest) == 200
    assert ask("/label/items", OWNER) == 401
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/queue/join", "/gradio_api/file=app.py", "/label/x"):
        assert ask(path, guest) in (404, 405), path
