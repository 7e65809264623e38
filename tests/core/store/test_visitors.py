"""On a Space the server makes the owners: neither a name from a file nor what a client invents opens anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from core.errors import UserError
from core.review import labels
from core.settings import Settings
from core.store import database, tables, visitors
from core.store.database import migrate
from core.store.workspace import open_workspace
from core.types import LabelEvent

LATER = ("spans", "seconds", "act", "blind", "key")
"""Columns of labels that came after the first migration."""


@pytest.fixture
def space(tmp_path):
    return open_workspace(Settings(home=tmp_path / "space", mode="space"))


def test_a_browser_keeps_what_it_was_given(space):
    secret = visitors.arrive(space, "")
    assert visitors.arrive(space, secret) == secret
    other = visitors.arrive(space, None)
    assert other != secret
    assert visitors.owner_of(space, secret) != visitors.owner_of(space, other)


@pytest.mark.parametrize(
    "forged", ["", None, True, 7, ["a"], {"a": 1}, "True", "../..", "a" * 64, "ä" * 32, "x" * 5000]
)
def test_nobody_is_who_they_say(space, forged):
    with pytest.raises(UserError, match="Reload it"):
        visitors.owner_of(space, forged)
    assert visitors.arrive(space, forged) != forged


def test_what_stands_in_files_and_in_the_database_is_no_secret(space):
    secret = visitors.arrive(space, "")
    owner = visitors.owner_of(space, secret)
    assert secret not in owner
    for leaked in (owner, owner.removeprefix("visitor-")):
        with pytest.raises(UserError, match="Reload it"):
            visitors.owner_of(space, leaked)
    with space.engine.connect() as db:
        assert secret not in str(db.execute(sa.select(tables.visitors)).all())


def test_a_visitor_of_before_keeps_what_is_theirs(tmp_path, monkeypatch):
    """Their browser still holds the old id, which was the owner's name; no name in the database is one any more."""
    old = "0123456789abcdef" * 2
    path = tmp_path / "old.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    with engine.begin() as db:
        config.attributes["connection"] = db
        command.upgrade(config, "m001")
        for project, owner in (("p1", f"visitor-{old}"), ("p2", "local")):
            db.execute(
                sa.text("INSERT INTO projects (id, owner, name, created) VALUES (:id, :owner, 'Garden', '1')"),
                {"id": project, "owner": owner},
            )
    label = LabelEvent("e", "x", f"visitor-{old}", "tuned", {}, "", "", {}, (), True).to_dict()
    with engine.begin() as db:
        row = {name: value for name, value in label.items() if name not in ("schema", "id", *LATER)}
        db.execute(tables.label_events.insert().values(**row, project_id="p1"))
    migrate(engine)
    monkeypatch.setattr(database, "opened", lambda url, home: engine)
    space = open_workspace(Settings(home=tmp_path, mode="space"))
    owner = visitors.owner_of(space, old)
    with engine.connect() as db:
        assert db.execute(sa.select(tables.projects.c.owner).order_by("id")).scalars().all() == [owner, "local"]
        assert db.execute(sa.select(tables.label_events.c.annotator)).scalars().all() == [owner]
    # And the label reads as one of today, with nothing said of what was not asked then.
    [read] = labels.history(space.engine, "e")
    assert (read.spans, read.seconds, read.act, read.blind, read.key) == ({}, 0.0, "label", False, "")
    # The old id stands in files that were exported then: when its visitor comes back, it opens nothing any more.
    secret = visitors.arrive(space, old)
    assert visitors.owner_of(space, secret) == owner
    assert visitors.arrive(space, secret) == secret
    with pytest.raises(UserError, match="Reload it"):
        visitors.owner_of(space, old)
    assert visitors.owner_of(space, visitors.arrive(space, old)) != owner


def test_a_secret_is_known_by_its_signature_until_it_made_something_and_by_its_hash_after(space):
    """The key may be lost with a Space's disk, while the database stays: who made something is known still."""
    from core.store.visitors import _key, _owner_in

    idle, busy = visitors.arrive(space, ""), visitors.arrive(space, "")
    owner = visitors.owner_of(space, busy)
    space.as_owner(owner).create_project("Garden")
    (space.settings.home / visitors.KEY).unlink()
    _key.cache_clear()
    _owner_in.cache_clear()
    assert visitors.owner_of(space, busy) == owner
    assert visitors.owner_of(space, visitors.arrive(space, busy)) == owner
    with pytest.raises(UserError, match="Reload it"):
        visitors.owner_of(space, idle)
    assert visitors.arrive(space, idle) != idle


@pytest.mark.parametrize("place", [0, 31, 32, 63])
def test_a_secret_with_one_digit_changed_is_nobodys(space, place):
    secret = visitors.arrive(space, "")
    other = secret[:place] + ("0" if secret[place] != "0" else "1") + secret[place + 1 :]
    with pytest.raises(UserError, match="Reload it"):
        visitors.owner_of(space, other)


def test_the_key_is_the_servers_own(space):
    visitors.arrive(space, "")
    assert (space.settings.home / visitors.KEY).stat().st_mode & 0o077 == 0
