"""Several people label over the real server, on both databases; killed at any moment, it keeps what it confirmed."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa

from core.review import invitations
from core.settings import Settings
from core.store import tables
from core.store.workspace import open_workspace
from tests.core.review.conftest import make_review
from tests.performance.labelling import Person, free_port

PEOPLE = 8
FRESH = multiprocessing.get_context("forkserver")
"""Processes that begin with the page's modules and nothing else, which are loaded once."""
FRESH.set_forkserver_preload(["ui.review.routes", "uvicorn"])


def serve(home: str, database_url: str, port: int) -> None:
    """The desk's routes alone: what is below Gradio's page, without loading it."""
    import uvicorn

    from ui.review.routes import DeskRoutes

    async def nothing(scope, receive, send) -> None:
        raise NotImplementedError

    store = open_workspace(Settings(home=home, database_url=database_url))
    uvicorn.run(DeskRoutes(nothing, store), host="127.0.0.1", port=port, log_level="error", lifespan="off")


@pytest.fixture
def server(tmp_path, database_url):
    """(workspace, start): `start` begins the server in a process of its own and returns that and its address."""
    workspace = open_workspace(Settings(home=tmp_path, database_url=database_url))
    started = []

    def start():
        port = free_port()
        process = FRESH.Process(target=serve, args=(tmp_path, database_url, port))
        process.start()
        started.append(process)
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                if httpx.get(f"{address}/label", timeout=2).status_code == 200:
                    return process, address
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError("the server does not answer")

    yield workspace, start
    for process in started:
        process.kill()
        process.join()
    workspace.engine.dispose()


def label_until_it_dies(person: Person) -> dict | None:
    """Labels until nothing is left, or until the server is gone: then the item whose label nobody confirmed."""
    while True:
        try:
            item = person.next()
        except httpx.HTTPError:
            return None
        if item is None:
            return None
        try:
            person.store(item)
        except httpx.HTTPError:
            return item


def test_killed_in_the_middle_it_loses_and_doubles_nothing(server):
    workspace, start = server
    review = make_review(workspace, 200)
    _, secret = invitations.invite(workspace, review, places=PEOPLE)
    process, address = start()
    people = [Person(address, secret, f"Person {n}") for n in range(PEOPLE)]
    with ThreadPoolExecutor(PEOPLE) as pool:
        unsent = [pool.submit(label_until_it_dies, person) for person in people]
        while sum(len(person.confirmed) for person in people) < 40:
            time.sleep(0.01)
        process.kill()  # SIGKILL
        waiting = [result.result() for result in unsent]
    assert any(waiting), "it was killed while labels were on their way"
    before = {event for person in people for event in person.confirmed.values()}
    assert before <= stored(workspace).keys()

    # The next server: browsers that go on send again what nobody confirmed, under the same key.
    _, address = start()
    for person, item in zip(people, waiting, strict=True):
        person.client = httpx.Client(base_url=address, timeout=60)
        if item is not None:
            person.store(item)
    with ThreadPoolExecutor(PEOPLE) as pool:
        list(pool.map(label_until_it_dies, people))
    there = stored(workspace)
    confirmed = [event for person in people for event in person.confirmed.values()]
    assert len(confirmed) == len(set(confirmed)) and set(confirmed) <= there.keys()
    assert sorted(there.values()) == sorted(set(there.values())), "no row was labelled twice"
    # What the first server had handed out and nobody stored is held for ten minutes; all else is labelled.
    assert len(there) >= 200 - PEOPLE


def stored(workspace) -> dict[int, str]:
    """Event → its example, of all that are in the database."""
    with workspace.engine.connect() as db:
        events = tables.label_events.c
        return {row.id: row.example_id for row in db.execute(sa.select(events.id, events.example_id))}
