"""The workspace: owners see only what is theirs, versions never change, the database is what the tables say."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from core.data import actions as data_actions
from core.errors import UserError
from core.store import tables
from core.types import Example


def test_what_belongs_to_somebody_else_does_not_exist(workspace, rows_file):
    mine, other = workspace.as_owner("me"), workspace.as_owner("other")
    project = mine.create_project("p")
    version, _ = data_actions.import_file(mine, project.id, rows_file)
    job = mine.add_job(project.id, "train", "t", {})
    assert other.projects() == []
    for attempt in (
        lambda: other.project(project.id),
        lambda: other.versions(project.id),
        lambda: other.version(version.id),
        lambda: other.examples(version.id),
        lambda: other.rows_file(version.id),
        lambda: other.jobs(project.id),
        lambda: other.job(job.id),
        lambda: other.add_job(project.id, "train", "t", {}),
        lambda: other.add_version(project.id, "n", [], {}),
    ):
        with pytest.raises(UserError):
            attempt()


def test_migrations_make_the_tables_of_the_code(workspace):
    found = sa.MetaData()
    found.reflect(workspace.engine)
    for table in tables.metadata.sorted_tables:
        there = found.tables[table.name]
        assert {c.name: (str(c.type), c.nullable) for c in there.columns} == {
            c.name: (str(c.type.compile(workspace.engine.dialect)), c.nullable) for c in table.columns
        }
        assert {i.name for i in there.indexes} >= {i.name for i in table.indexes}


def test_examples_come_back_as_they_went_in(workspace):
    project = workspace.create_project("p")
    odd = Example(({"role": "user", "content": "a\u2028b\r\n\0 é 😀 <|im_end|>"},), "x", 3, "test", {"k": "v"})
    version = workspace.add_version(project.id, "n", [odd], {"a": 1})
    assert workspace.examples(version.id) == [odd]
    assert workspace.examples(version.id, "train") == []


def test_every_kind_of_row_comes_back_and_ids_of_older_rows_stay(workspace):
    project = workspace.create_project("p")
    asked = ({"role": "user", "content": "hi"},)
    rows = [
        Example(asked, "hello", 1),
        Example(asked, "hello", 2, rejected="what"),
        Example(asked, "hello", 3, good=True),
        Example(asked, "hello", 4, good=False),
        Example((), "hello", 5),
    ]
    version = workspace.add_version(project.id, "n", rows, {})
    assert workspace.examples(version.id) == rows
    assert len({e.id for e in rows}) == 5
    assert rows[0].id == "4c79592c7223b2ba"
    assert set(rows[0].to_dict()) == {"id", "messages", "target", "row", "split", "meta"}  # as older files have it


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_names(workspace, name):
    with pytest.raises(UserError, match="1 to 80 characters"):
        workspace.create_project(name)


def test_names_are_not_given_twice(workspace):
    workspace.create_project("Same")
    with pytest.raises(UserError, match="already a project"):
        workspace.create_project(" same ")


def test_the_lock_is_one_threads_at_a_time_and_may_be_asked_for_again(workspace):
    inside: list[int] = []
    most = []

    def work() -> None:
        for _ in range(5):
            with workspace.locked(), workspace.locked():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20


def test_numbers_are_given_once_however_many_ask_at_once(workspace):
    project = workspace.create_project("p")
    with ThreadPoolExecutor(6) as pool:
        jobs = list(pool.map(lambda n: workspace.add_job(project.id, "train", f"t{n}", {}, state="ended"), range(12)))
    assert sorted(job.number for job in jobs) == list(range(1, 13))
