"""What a visitor of a Space keeps is counted and bounded; the sample is lent until something is made of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from core.data import actions as data_actions
from core.errors import UserError
from core.jobs.deletion import delete_project
from core.jobs.status import write_outcome
from core.settings import Limits, Settings
from core.store import quota, tables
from core.store.workspace import open_workspace
from core.types import Example


def space(tmp_path, **limits):
    return open_workspace(Settings(home=tmp_path / "space", mode="space", limits=Limits(**limits)), "visitor-ann")


def examples(n: int, size: int) -> list[Example]:
    import random

    letters = random.Random(0)
    return [
        Example(({"role": "user", "content": f"What is {i}?"},), f"{letters.getrandbits(4 * size):x}", i + 1, "train")
        for i in range(n)
    ]


def everything(workspace) -> dict[str, int]:
    with workspace.engine.connect() as db:
        counts = {
            t.name: db.execute(sa.select(sa.func.count()).select_from(t)).scalar()
            for t in tables.metadata.sorted_tables
        }
    return counts | {"bytes": quota.size_of(workspace.settings.home / "projects")}


def test_the_sample_is_lent_and_becomes_ones_own_with_the_first_thing_that_is_made(tmp_path):
    ann = space(tmp_path)
    data_actions.ensure_sample(ann)
    bob = ann.as_owner("visitor-bob")
    before = everything(ann)
    for visitor in (ann, bob):
        data_actions.ensure_sample(visitor)
        [project] = visitor.projects()
        [version] = visitor.versions(project.id)
        assert visitor.version(version.id) == version
        assert len(visitor.examples(version.id)) == 403
        assert visitor.jobs(project.id) == []
    assert everything(ann) == before
    lent = ann.projects(), ann.versions(ann.projects()[0].id)
    job = ann.add_job(lent[0][0].id, "train", "quick", {})
    assert (ann.projects(), ann.versions(lent[0][0].id)) == lent  # under the same ids, from now on on disk
    assert ann.jobs(lent[0][0].id) == [job]
    assert len(ann.examples(lent[1][0].id)) == 403
    assert quota.size_of(ann.rows_file(lent[1][0].id).parent) > 0
    assert str(lent[0][0].id) in str(ann.rows_file(lent[1][0].id))


def test_what_is_lent_to_one_is_not_anothers(tmp_path):
    ann = space(tmp_path)
    data_actions.ensure_sample(ann)
    bob, lender = ann.as_owner("visitor-bob"), ann.as_owner("sample")
    ids = {w.owner: (w.projects()[0].id, w.versions(w.projects()[0].id)[0].id) for w in (ann, bob, lender)}
    assert len(set(ids.values())) == 3
    for owner, (project, version) in ids.items():
        for other in (ann, bob, lender):
            if other.owner != owner:
                for look in (lambda o=other, p=project: o.project(p), lambda o=other, v=version: o.rows_file(v)):
                    with pytest.raises(UserError, match="does not exist|somebody else's"):
                        look()


def test_two_who_take_the_sample_at_once_take_it_once(tmp_path):
    ann = space(tmp_path)
    data_actions.ensure_sample(ann)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ann.take_sample(), range(8)))
    assert len(ann.projects()) == len(ann.versions(ann.projects()[0].id)) == 1


def test_what_is_kept_is_counted_by_project(tmp_path):
    ann = space(tmp_path)
    garden, house = ann.create_project("Garden"), ann.create_project("House")
    ann.add_version(garden.id, "rows", examples(100, 1000), {})
    job = ann.add_job(house.id, "train", "quick", {})
    (ann.folder(job) / "checkpoint").write_bytes(b"x" * 50_001)
    kept = ann.kept()
    assert 100_000 < kept.projects["Garden"] < 400_000
    assert 50_001 + 3 < kept.projects["House"] < 80_000  # each file in whole blocks
    assert kept.total == sum(kept.projects.values())
    assert ann.as_owner("visitor-bob").kept().total == 0


def test_who_keeps_too_much_is_told_how_much_and_what_to_delete(tmp_path, rows_file):
    ann = space(tmp_path, owner_mb=1)
    garden, house = ann.create_project("Garden"), ann.create_project("House")
    ann.add_version(garden.id, "rows", examples(100, 10_000), {})
    version = ann.versions(garden.id)[0]
    sentence = (
        r"you keep 2 MB of the 1 MB that a visitor of this Space may keep \(“Garden” 2 MB, “House” 0 MB\). Delete"
    )
    with pytest.raises(UserError, match=f"Importing “rows.jsonl” takes 0 MB, and {sentence}"):
        data_actions.import_file(ann, house.id, rows_file)
    with pytest.raises(UserError, match=f"Another run takes 0 MB, and {sentence}"):
        ann.add_job(house.id, "train", "quick", {})
    with pytest.raises(UserError, match=f"Another version takes 2 MB, and {sentence}"):
        ann.add_changed(version, {}, {})
    delete_project(ann, garden.id)
    data_actions.import_file(ann, house.id, rows_file)
    assert not (ann.settings.home / "projects" / garden.id).exists()
    with pytest.raises(UserError, match="somebody else's"):
        ann.versions(garden.id)


def test_all_together_are_bounded(tmp_path, rows_file):
    ann = space(tmp_path, total_mb=1)
    garden = ann.create_project("Garden")
    ann.add_version(garden.id, "rows", examples(100, 10_000), {})
    bob = ann.as_owner("visitor-bob")
    house = bob.create_project("House")
    with pytest.raises(UserError, match="the visitors of this Space keep 2 MB of 1 MB together"):
        data_actions.import_file(bob, house.id, rows_file)


def test_at_home_nothing_is_bounded(tmp_path, rows_file):
    limits = Limits(owner_mb=0, total_mb=0, max_projects=0, uploads_mb=0)
    home = open_workspace(Settings(home=tmp_path / "home", limits=limits))
    project = home.create_project("Garden")
    data_actions.import_file(home, project.id, rows_file)
    for _ in range(2):
        home.add_job(project.id, "train", "quick", {})
    assert len(home.versions(project.id)) == 1
    assert len(home.jobs(project.id, "train")) == 2


def test_a_project_with_a_job_that_runs_or_the_only_one_stays(tmp_path):
    ann = space(tmp_path, max_projects=2)
    garden = ann.create_project("Garden")
    with pytest.raises(UserError, match="“Garden” is your only project"):
        delete_project(ann, garden.id)
    house = ann.create_project("House")
    with pytest.raises(UserError, match="You have 2 projects, as many as a visitor"):
        ann.create_project("Shed")
    job = ann.add_job(garden.id, "train", "quick", {})
    with pytest.raises(UserError, match=f"{job.title} of “Garden” waits or runs. Stop it first"):
        delete_project(ann, garden.id)
    write_outcome(ann.folder(job), "stopped", "Stopped.")
    with pytest.raises(UserError, match="somebody else's"):
        delete_project(ann.as_owner("visitor-bob"), garden.id)
    delete_project(ann, garden.id)
    assert [p.id for p in ann.projects()] == [house.id]
