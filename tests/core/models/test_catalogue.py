"""The list of models is small, whole and of a day; what the Hub says of it is never waited for."""

from __future__ import annotations

import threading
import time

import pytest

from core.models import catalogue
from core.models.catalogue import CATALOGUE
from core.models.hub import Checks
from core.models.starter import STARTER


def test_the_list_is_small_and_in_order():
    assert 8 <= len(CATALOGUE) <= 12
    assert CATALOGUE[0].name == STARTER
    assert len({e.name for e in CATALOGUE}) == len(CATALOGUE)
    assert all(100 <= e.parameters <= 8000 for e in CATALOGUE)
    sizes = [e.parameters for e in CATALOGUE]
    assert all(later > 0.9 * earlier for earlier, later in zip(sizes, sizes[1:], strict=False))
    titles = " ".join(e.title for e in CATALOGUE).lower()
    assert all(
        maker in titles for maker in ("smollm3", "qwen3", "gemma 3", "gemma 4", "llama 3.2", "granite 4", "lfm2")
    )


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda e: e.title)
def test_everything_of_a_model_is_said(entry, workspace):
    assert catalogue.checked_name(entry.name, workspace.settings) == entry.name
    about = catalogue.about(entry.name)
    for said in (entry.good_for, entry.licence, catalogue.size(entry), f"{entry.context:,} tokens"):
        assert said in about
    assert ("asks for consent" in about) is entry.gated
    assert ("reasons first" in about) is (entry.thinking != catalogue.NEVER)


def test_of_another_model_nothing_is_said():
    assert catalogue.about("somebody/something") == ""


def until(condition) -> None:
    end = time.time() + 20
    while not condition():
        assert time.time() < end
        time.sleep(0.01)


def test_the_hub_is_asked_once_and_never_waited_for():
    go_on, asked = threading.Event(), []

    def look(model: str) -> str:
        asked.append(model)
        go_on.wait(20)
        return {"Qwen/Qwen3-0.6B": "gone", "google/gemma-3-270m-it": "gated"}.get(model, "here")

    checks = Checks(look)
    started = time.monotonic()
    assert checks.now() == ({}, "")
    assert checks.now() == ({}, "")
    assert time.monotonic() - started < 5
    go_on.set()
    until(lambda: checks.now()[1])
    found, day = checks.now()
    assert asked == [e.name for e in CATALOGUE if e.name != STARTER]
    assert found["Qwen/Qwen3-0.6B"] == "gone"
    assert found["HuggingFaceTB/SmolLM3-3B"] == "here"
    assert day.endswith(time.strftime("%Y", time.gmtime()))


def test_a_hub_out_of_reach_is_left_alone_for_a_while():
    asked = []

    def look(model: str) -> str:
        asked.append(model)
        raise OSError("out of reach")

    checks = Checks(look)
    checks.now()
    until(lambda: asked)
    assert [checks.now() for _ in range(3)] == [({}, "")] * 3
    assert len(asked) == 1
