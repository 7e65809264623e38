"""The reading order: interesting first, a random stratum at every 5th place, stable while people label."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.review import queue as review_queue
from core.types import Example, Generation, Suggestion

ROWS = [Example(({"role": "user", "content": f"Question {n}"},), f"Answer {n}", n) for n in range(50)]


def outputs(rows, texts=lambda n, side: "the same words"):
    return [Generation(r.id, side, texts(r.row, side), 3, "stop", 0.1) for r in rows for side in ("base", "tuned")]


def order(rows, made, flags, labelled, seed):
    """The queue of rows with these answers and flags."""
    sides: dict[str, dict[str, Generation]] = {}
    for generation in made:
        sides.setdefault(generation.example_id, {})[generation.side] = generation
    flagged: dict[str, set[str]] = {}
    for s in flags:
        if s.flagged:
            flagged.setdefault(s.generation_id, set()).add(s.label)
    worth = {
        id_: review_queue.interest(pair, {side: flagged.get(g.id, set()) for side, g in pair.items()})
        for id_, pair in sides.items()
    }
    return review_queue.order([row.id for row in rows], worth, labelled, seed)


def flag(generation, label="repetition", flagged=True):
    return Suggestion(generation.id, label, 0.9, flagged, (), "So.", f"{label}-1", 0.5)


def of(generations, row, side):
    return next(g for g in generations if g.example_id == row.id and g.side == side)


def test_every_example_has_one_place():
    found = order([*ROWS, ROWS[0]], outputs(ROWS), [], [], 1)
    assert sorted(found.ids) == sorted(r.id for r in ROWS)


def test_every_fifth_place_is_of_the_random_stratum_and_no_other():
    found = order(ROWS, outputs(ROWS), [], [], 1)
    assert [i in found.random for i in found.ids] == [place % 5 == 0 for place in range(1, 51)]
    assert len(found.random) == 10


def test_flags_on_the_tuned_side_count_most():
    made = outputs(ROWS)
    plain = [r for r in ROWS if r.id not in order(ROWS, [], [], [], 1).random]
    quiet, base, tuned, both = plain[0], plain[-3], plain[-2], plain[-1]
    flags = [flag(of(made, both, "tuned")), flag(of(made, both, "base")), flag(of(made, tuned, "tuned"))]
    flags += [flag(of(made, base, "base")), flag(of(made, quiet, "tuned"), flagged=False)]
    found = order(ROWS, made, flags, [], 1)
    chosen = [i for i in found.ids if i not in found.random]
    assert chosen[:4] == [both.id, tuned.id, base.id, quiet.id]


def test_the_more_different_pair_comes_first():
    last = [r for r in ROWS if r.id not in order(ROWS, [], [], [], 3).random][-1]
    made = outputs(ROWS, lambda n, side: f"{side} {side}ly different" if n == last.row else "the same words")
    assert order(ROWS, made, [], [], 3).ids[0] == last.id


def test_the_random_stratum_ignores_detectors_labels_and_file_order():
    made = outputs(ROWS)
    plain = order(ROWS, made, [], [], 1)
    flags = [flag(g) for g in made[::3]]
    labelled = plain.ids[:7]
    assert order(ROWS[::-1], made, flags, labelled, 1).random == plain.random
    assert order(ROWS, made, [], [], 2).random != plain.random


def test_who_always_labels_the_first_one_meets_the_random_stratum():
    """Were places given anew after each label, nobody would ever reach a 5th one."""
    done: list[str] = []
    for _ in range(25):
        done.append(order(ROWS, outputs(ROWS), [], done, 1).ids[0])
    random = order(ROWS, outputs(ROWS), [], [], 1).random
    assert sum(i in random for i in done) == 5
    assert len(set(done)) == 25


def test_the_stratum_is_a_fair_draw():
    """Each of 50 rows is drawn in about a fifth of 400 seeds (80, standard deviation 8)."""
    times = dict.fromkeys((r.id for r in ROWS), 0)
    for seed in range(400):
        for i in order(ROWS, [], [], [], seed).random:
            times[i] += 1
    assert min(times.values()) > 45
    assert max(times.values()) < 115


def test_labelled_examples_come_last():
    labelled = {r.id for r in ROWS[:20]}
    found = order(ROWS, outputs(ROWS), [], labelled, 1)
    assert set(found.ids[30:]) == labelled


@pytest.mark.parametrize(("n", "drawn"), [(0, 0), (1, 0), (4, 0), (5, 1), (9, 1), (10, 2)])
def test_small_sets(n, drawn):
    found = order(ROWS[:n], outputs(ROWS[:n]), [], [], 1)
    assert (len(found.ids), len(found.random)) == (n, drawn)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 50), st.sets(st.integers(0, 49)), st.integers(), st.sets(st.integers(0, 49)))
def test_order_is_a_permutation_whatever_is_labelled(n, labelled, seed, missing):
    rows = ROWS[:n]
    made = [g for g in outputs(rows) if not (g.side == "base" and g.example_id in {ROWS[m].id for m in missing})]
    found = order(rows, made, [flag(g) for g in made[::4]], {ROWS[i].id for i in labelled}, seed)
    assert sorted(found.ids) == sorted(r.id for r in rows)
    assert found == order(rows, made, [flag(g) for g in made[::4]], {ROWS[i].id for i in labelled}, seed)


def test_difference():
    assert review_queue.difference("a b c", "C b a") == 0.0
    assert review_queue.difference("a b", "c d") == 1.0
    assert review_queue.difference("", "") == 0.0
    assert review_queue.difference("a b c", "b c d") == pytest.approx(0.5)
