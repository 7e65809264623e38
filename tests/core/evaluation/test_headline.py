"""One headline, named before the run by what the rows ask for; with no difference, one evaluation in 20 tells any."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation import headline
from core.evaluation.heldout import classification, semantic, texts
from core.evaluation.report.measures import details, measures
from core.evaluation.report.measures import headline as first_of
from core.evaluation.report.sentences import summarise
from core.evaluation.spec import EvaluationSpec
from core.judge import verdicts
from core.judge.result import JudgedPair
from core.records import plain
from core.records import read as read_record
from core.statistics.intervals import paired_difference
from core.store.datasets import write_rows
from core.types import Example
from tests.core.evaluation.full_report import SPEC, full_report, heldout, interval, labels, read

METRICS = ("token_f1", "rouge_l", "exact_match", "chrf", "bleu")


@pytest.mark.parametrize(
    ("targets", "order"),
    [
        (["yes", "no"] * 10, ("labels.accuracy", "exact_match")),
        ([f"Item {i}" for i in range(20)], ("exact_match",)),
        ([f"Number {i} is the one that was asked for here." for i in range(20)], ("token_f1",)),
        ([f"{i} " + "many words that go on " * 20 for i in range(20)], ("judge", "token_f1")),
    ],
)
def test_the_references_name_it(targets, order, tmp_path, monkeypatch):
    rows = [Example(({"role": "user", "content": f"q{n}"},), t, n + 1, "test") for n, t in enumerate(targets)]
    write_rows(tmp_path / "rows.parquet", rows)
    monkeypatch.setattr(semantic, "find", lambda models: (None, "none is here"))
    found = headline.of_rows(tmp_path / "rows.parquet", "test", tmp_path, "last", "all")
    assert found == order
    assert headline.sentence(found).startswith("The headline will be ")
    if order[0] == "judge":
        monkeypatch.setattr(semantic, "find", lambda models: (tmp_path, "one"))
        assert headline.of_rows(tmp_path / "rows.parquet", "test", tmp_path, "last", "all") == (
            "judge",
            "semantic",
            "token_f1",
        )
        assert "until one is asked, token F1" in headline.sentence(found)


def test_each_answer_of_a_conversation_counts_where_each_is_asked_for(tmp_path):
    """The last answers are one of two words; those before them are sentences."""
    first, again = {"role": "user", "content": "q"}, {"role": "user", "content": "Sure?"}
    known = [
        {"role": "assistant", "content": f"It is so, as all have known for {n} years at the least."} for n in range(20)
    ]
    rows = [Example((first, known[n], again), ["yes", "no"][n % 2], n + 1, "test") for n in range(20)]
    write_rows(tmp_path / "rows.parquet", rows)
    found = lambda answers, trained: headline.of_rows(tmp_path / "rows.parquet", "test", tmp_path, answers, trained)  # noqa: E731
    assert found("last", "all") == found("all", "last") == headline.ORDER_OF_LABELS
    assert found("all", "all") == ("token_f1",)
    assert headline.sentence(found("last", "all")).startswith("The headline will be accuracy, as each answer is one of")


def test_it_is_kept_in_the_specification_and_old_ones_have_none():
    assert EvaluationSpec.from_dict(SPEC).headline == ()
    spec = EvaluationSpec.from_dict({**SPEC, "schema": 2, "headline": ["exact_match"]})
    assert EvaluationSpec.from_dict(spec.to_dict()).headline == ("exact_match",)


def of(report: dict, *order: str):
    report["spec"] = {**report["spec"], "headline": list(order)}
    return measures(read(report))


def test_the_first_that_was_measured_counts():
    report = full_report()
    assert first_of(measures(read(full_report()))).key == "token_f1"  # as evaluations of before had it
    assert first_of(of(full_report(), "exact_match")).key == "exact_match"
    assert first_of(of(full_report(), "judge", "semantic")).key == "judge"
    del report["judge"]
    assert first_of(of(report, "judge", "semantic")).key == "semantic"
    report["heldout"]["labels"] = labels()
    assert first_of(of(report, "labels.accuracy")).key == "labels.accuracy"
    alone = {"heldout": heldout(40, interval(2.0, 1.0, -1.2, -0.8)), "spec": {**SPEC, "headline": ["token_f1"]}}
    assert first_of(measures(read(alone))).key == "loss"


def test_details_tell_a_difference_only_where_the_headline_has_one():
    told = {m.key: m.verdict for m in details(of(full_report(), "token_f1"))}
    assert told["rouge_l"] == told["chrf"] == "better"
    untold = of(full_report(), "exact_match")  # its interval has 0 in it
    assert {m.verdict for m in details(untold) if m.key != "bits_per_byte"} == {"unclear"}
    report = full_report()
    report["spec"] = {**report["spec"], "headline": ["exact_match"]}
    text = "\n".join(summarise(read(report)))
    assert "excludes 0; as exact match, named before the run, shows no difference, that can be luck." in text


def drawn(rng, n: int, shift: float) -> list[dict]:
    """Five metrics of the same answers, as alike as they are of texts, without a difference but for `shift`."""
    both = rng.normal(size=(2, n, 1)) * 0.8 + rng.normal(size=(2, n, 5)) * 0.6
    values = 1 / (1 + np.exp(-both))
    values[1] = np.clip(values[1] + shift, 0, 1)
    values[:, :, 2] = values[:, :, 2] > 0.7
    sides = [[dict(zip(METRICS, row, strict=True)) for row in side] for side in values.tolist()]
    return [{"base": b, "tuned": t} for b, t in zip(*sides, strict=True)]


def compared_of(scored: list[dict], order: tuple[str, ...]) -> dict:
    """Each metric as an evaluation with that headline has it."""
    found = texts.corrected(texts._at(scored, None), order)
    return {m: texts._with(texts._compared(scored, m, None), found.get(m)) for m in scored[0]["base"]}


def told(scored: list[dict], order: tuple[str, ...]) -> list[str]:
    compared = plain(compared_of(scored, order))
    report = {"heldout": heldout(len(scored), interval(1.0, 1.0, -0.1, 0.1)) | compared}
    report["spec"] = {**SPEC, "headline": list(order)}
    return [m.key for m in measures(read(report)) if m.key != "loss" and m.verdict != "unclear"]


def test_with_no_difference_one_evaluation_in_twenty_tells_any():
    """Each by itself, any of the five would exclude 0 in twice as many."""
    rng, runs = np.random.default_rng(4), 200
    sets = [drawn(rng, 40, 0.0) for _ in range(runs)]
    now = np.mean([bool(told(scored, ("token_f1",))) for scored in sets])
    before = np.mean([any(c.difference.settled for c in compared_of(scored, ()).values()) for scored in sets])
    assert now <= 0.05 + 2 * (0.05 * 0.95 / runs) ** 0.5
    assert now < before
    assert "token_f1" in told(drawn(rng, 40, 0.3), ("token_f1",))
    assert len(told(drawn(rng, 40, 0.3), ("token_f1",))) >= 4  # what is there is found in the others too


def test_macro_f1_is_one_of_the_family():
    rng = np.random.default_rng(1)
    truth = rng.choice(["yes", "no"], 200).tolist()
    base, tuned = ([t if rng.random() < share else "no" for t in truth] for share in (0.5, 0.9))
    at = classification.differences(["no", "yes"], truth, base, tuned)
    alone = classification.report(["no", "yes"], truth, base, tuned)
    assert at["labels.accuracy"](0.95) == alone.accuracy.difference
    assert at["labels.macro_f1"](0.95) == alone.macro_f1.difference
    text = {"token_f1": lambda level: paired_difference([0.0] * 9 + [1.0], [1.0, *[0.0] * 9], level)}
    found = texts.corrected({**at, **text}, ("labels.accuracy", "exact_match"))
    assert set(found) == {"labels.macro_f1", "token_f1"}  # and the judge, who may be asked
    assert found["labels.macro_f1"].level == pytest.approx(1 - 0.05 / 3)
    assert found["token_f1"].level == pytest.approx(1 - 0.05 / 2)  # what has shown a difference counts no more
    wide, narrow = found["labels.macro_f1"], alone.macro_f1.difference
    assert wide.low < narrow.low and wide.high > narrow.high
    assert texts.corrected({**at, **text}, ()) == {}


def judged(*winners: str) -> dict:
    report = full_report()
    one = report["judge"]["verdicts"][0]
    pairs = [{**one, "example_id": str(n), "winner": w} for n, w in enumerate(winners)]
    report["judge"] |= {"verdicts": pairs, "pairs": len(pairs), "win_rate": plain(verdicts.win_rate(tuple_of(pairs)))}
    return report


def tuple_of(pairs: list[dict]):
    return [read_record(JudgedPair, pair, "pair") for pair in pairs]


def test_a_judge_who_is_not_the_headline_is_corrected_and_waits_for_it():
    report = judged(*["tuned"] * 16, *["base"] * 5)  # just enough by itself
    alone = next(m for m in of(report, "judge", "token_f1") if m.key == "judge")
    assert alone.verdict == "better" and alone.gate is None
    among = next(m for m in of(report, "token_f1") if m.key == "judge")
    assert among.difference.level > 0.95 and among.difference.low < alone.difference.low
    assert among.verdict == "unclear" and among.main
    many = next(m for m in of(judged(*["tuned"] * 40), "token_f1") if m.key == "judge")
    assert many.verdict == "better"
    waits = next(m for m in of(judged(*["tuned"] * 40), "exact_match") if m.key == "judge")
    assert waits.difference.settled and waits.verdict == "unclear"
    text = "\n".join(summarise(read({**judged(*["tuned"] * 40), "spec": {**SPEC, "headline": ["exact_match"]}})))
    assert "The judge is one of several measures of these answers, and exact match was named before the run." in text
    assert "no difference can be told, and as exact match shows no difference, that can be luck." in text
    old = judged(*["tuned"] * 16, *["base"] * 5)
    before = next(m for m in measures(read(old)) if m.key == "judge")
    assert (before.verdict, before.gate) == ("better", None)  # reports of before had no headline
