"""Labelling together, over the real server: `python -m tests.performance.labelling [--people 50] [--labels 100]`

Fifty people are invited to one review of 10,000 rows and label at once, each a hundred rows. Each row is handed out by
the server, looked at for two seconds, faster than people label, and its label is confirmed by the server: on SQLite,
and on a PostgreSQL of our own where that is installed. Printed of each database: how long a label takes until it is
confirmed (p50, p95, largest), how long the next row takes, how many labels are in the database, and how many of them
are lost or double. The people run in a process beside the server's, on the same cores, so the load is printed, too. The
last line is one JSON document. Prints, does not assert.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from tests import postgres
from tests.core.review.conftest import make_review

ROOT = Path(__file__).resolve().parents[2]


class Person:
    """Who labels by invitation, as the desk's script does: asks for an item, says something of it, stores it."""

    def __init__(self, address: str, secret: str, name: str) -> None:
        self.client = httpx.Client(base_url=address, timeout=120)
        self.name, self.bearer = name, secret
        self.bearer = self.ask("join", {"name": name})["secret"]
        self.confirmed: dict[str, int] = {}
        """Item → id of the event that the server confirmed."""
        self.storing: list[float] = []
        self.getting: list[float] = []

    def ask(self, act: str, asked: dict[str, Any]) -> dict[str, Any]:
        answer = self.client.post(f"/label/{act}", json=asked, headers={"authorization": f"Bearer {self.bearer}"})
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code} {answer.text[:300]}")
        return answer.json()

    def next(self) -> dict[str, Any] | None:
        began = time.perf_counter()
        items = self.ask("items", {"n": 1})["items"]
        self.getting.append(time.perf_counter() - began)
        return items[0] if items else None

    def store(self, item: dict[str, Any], key: str = "") -> None:
        """Raises what httpx raises where the server goes away."""
        said = {"verdict": "a", "labels": {"a": {"repetition": "present"}}}
        asked = {"item": item["id"], "version": item["version"], "said": said, "seconds": 1.0}
        began = time.perf_counter()
        told = self.ask("store", {**asked, "key": key or f"{self.name} {item['id']}"})
        self.storing.append(time.perf_counter() - began)
        self.confirmed[item["id"]] = told["since"]

    def work(self, labels: int, pause: float) -> None:
        random = np.random.default_rng(hash(self.name) % 2**32)
        for _ in range(labels):
            if (item := self.next()) is None:
                return
            time.sleep(pause * random.uniform(0.5, 1.5))
            self.store(item)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(home: Path, database_url: str) -> Iterator[tuple[str, psutil.Process]]:
    """The app in a process of its own: (its address, the process)."""
    port = free_port()
    environment = {**os.environ, "TUNEWRIGHT_HOME": str(home), "PORT": str(port), "HF_HUB_OFFLINE": "1"}
    environment |= {"DATABASE_URL": database_url, "GRADIO_ANALYTICS_ENABLED": "False"}
    log = open(home / "server.log", "w")  # noqa: SIM115
    server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                if httpx.get(f"{address}/label", timeout=5).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield address, psutil.Process(server.pid)
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
        log.close()


def measure(name: str, database_url: str, people: int, labels: int, rows: int, pause: float) -> dict[str, Any]:
    import sqlalchemy as sa

    from core.review import invitations
    from core.settings import Settings
    from core.store import tables
    from core.store.workspace import open_workspace

    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Settings(home=Path(folder), database_url=database_url))
        review = make_review(workspace, rows)
        _, secret = invitations.invite(workspace, review, places=people)
        with serving(Path(folder), database_url) as (address, server):
            everybody = [Person(address, secret, f"Person {n}") for n in range(people)]
            began = time.perf_counter()
            everybody[0].next()
            first = time.perf_counter() - began
            began, used = time.perf_counter(), sum(server.cpu_times()[:2])
            with ThreadPoolExecutor(people) as pool:
                list(pool.map(lambda person: person.work(labels, pause), everybody))
            wall, used = time.perf_counter() - began, sum(server.cpu_times()[:2]) - used
        with workspace.engine.connect() as db:
            stored = db.execute(sa.select(tables.label_events.c.id, tables.label_events.c.example_id)).all()
        workspace.engine.dispose()
    confirmed = {id_ for person in everybody for id_ in person.confirmed.values()}
    times = np.array([seconds for person in everybody for seconds in person.storing]) * 1000
    getting = np.array([seconds for person in everybody for seconds in person.getting[1:]]) * 1000
    figures = {
        "labels": len(stored),
        "confirmed": len(confirmed),
        "lost": len(confirmed - {row.id for row in stored}),
        "double": sum(n - 1 for n in Counter(row.example_id for row in stored).values()),
        "store_p50_ms": round(float(np.quantile(times, 0.5)), 1),
        "store_p95_ms": round(float(np.quantile(times, 0.95)), 1),
        "store_max_ms": round(float(times.max()), 1),
        "next_p50_ms": round(float(np.quantile(getting, 0.5)), 1),
        "next_p95_ms": round(float(np.quantile(getting, 0.95)), 1),
        "first_item_s": round(first, 2),
        "server_cpu_ms_per_label": round(1000 * used / max(len(stored), 1), 1),
        "load": round(os.getloadavg()[0], 1),
        "labels_per_second": round(len(stored) / wall, 1),
    }
    print(f"{name}: {people} people, {len(stored):,} labels in {wall:.1f} s, {rows:,} rows")
    print(
        f"  a label is confirmed after {figures['store_p50_ms']} ms (p95 {figures['store_p95_ms']}, largest "
        f"{figures['store_max_ms']}), the next row comes after {figures['next_p50_ms']} (p95 {figures['next_p95_ms']})"
    )
    print(
        f"  lost {figures['lost']}, double {figures['double']}; the review's first row took {first:.1f} s; the server "
        f"computed {figures['server_cpu_ms_per_label']} ms for each label, at a load of {figures['load']}"
    )
    return figures


def main(people: int, labels: int, rows: int, pause: float) -> None:
    found = {"sqlite": measure("SQLite", "", people, labels, rows, pause)}
    if postgres.programs():
        with postgres.cluster(postgres.SAFE) as address:
            found["postgresql"] = measure("PostgreSQL", address, people, labels, rows, pause)
    else:
        print("PostgreSQL is not installed.")
    print(json.dumps(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--labels", type=int, default=100, help="of each")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--pause", type=float, default=2.0, help="seconds that a person looks at a row, on average")
    given = parser.parse_args()
    main(given.people, given.labels, given.rows, given.pause)
