"""A model as judge, against a real HTTP server that speaks the protocol: fair, biased, broken, slow, hostile."""

from __future__ import annotations

import time

import pytest

from core.endpoint.client import Endpoint
from core.errors import UserError
from core.judge import verdicts, worker
from core.judge.pairs import ORDERS, Pair, comparison_key, prompt
from core.judge.result import Cost, comparisons_of
from tests.core.judge.judge_server import SECRET, fair, first, pair, parts, replied, say, serving


@pytest.fixture
def pairs() -> list[Pair]:
    """Ten pairs of which tuned wins six, base two; one is a tie of different answers, one of the same."""
    good, bad = "the cat sat on the mat", "a dog"
    made = [pair(i, bad, good) for i in range(6)] + [pair(i, good, bad) for i in range(6, 8)]
    return [*made, pair(8, "some dog", "any dog"), pair(9, good, good)]


def run(pairs, url, path, model="judge-1", **how):
    """Judge with short waits; returns what judge.json would hold."""
    endpoint = Endpoint(url, model, **{"waits": (0.01, 0.01), "key": SECRET, **how})
    try:
        worker.judge(pairs, endpoint, path)
    finally:
        endpoint.close()
    return verdicts.summarise(pairs, comparisons_of(path, endpoint.host, model), model, endpoint.host, (3.0, 15.0))


def test_a_fair_judge(pairs, tmp_path):
    with serving(fair) as (url, asked):
        found = run(pairs, url, tmp_path / "v.jsonl")
    assert found.wins == {"tuned": 6, "base": 2, "tie": 2}
    assert (found.pairs, found.identical, found.inconsistent, found.failed) == (10, 1, 0, 0)
    assert found.win_rate.mean == pytest.approx(0.7)
    assert 0 < found.win_rate.low < 0.7 < found.win_rate.high < 1
    bias = found.position_bias
    assert (bias.mean, bias.n, bias.first, bias.second) == (0.0, 9, 0, 0)
    assert bias.high > 0.2  # nine pairs do not show that there is none
    assert found.cost == Cost(18, 0, 1800, 126, pytest.approx((1800 * 3 + 126 * 15) / 1e6))
    assert found.endpoint == "127.0.0.1"
    assert {a["path"] for a in asked} == {"/v1/chat/completions"}
    assert {a["key"] for a in asked} == {f"Bearer {SECRET}"}
    assert asked[0]["body"]["temperature"] == 0
    # each pair both ways round
    seen = {(parts(a["body"])["question"], parts(a["body"])["answer A"]) for a in asked}
    assert len(asked) == 18 and len(seen) == 18


def test_a_judge_that_follows_the_place(pairs, tmp_path):
    with serving(first) as (url, _):
        found = run(pairs, url, tmp_path / "v.jsonl")
    assert found.wins == {"tuned": 0, "base": 0, "tie": 10}
    assert found.win_rate.mean == 0.5
    assert found.win_rate.low < 0.4 and found.win_rate.high > 0.6  # ties throughout are no certainty
    bias = found.position_bias
    assert (bias.mean, bias.first, bias.second, found.inconsistent) == (1.0, 9, 0, 9)
    text = " ".join(verdicts.sentences(found))
    assert "Position bias: in 100 % (95 % interval" in text and "no difference can be told" in text


def test_it_fails_half_way_and_goes_on_from_there(pairs, tmp_path):
    path = tmp_path / "v.jsonl"
    with serving(lambda body, n: fair(body, n) if n <= 8 else (503, "overloaded")) as (url, asked):
        with pytest.raises(UserError, match=r"failed 3 times: HTTP 503\. overloaded What came before is kept"):
            run(pairs, url, path)
        assert len(asked) == 8 + 4 * 3  # each of four at once was asked three times
    kept = path.read_text().splitlines()
    assert len(kept) == 8
    half = verdicts.summarise(pairs, comparisons_of(path, "127.0.0.1", "judge-1"), "judge-1", "127.0.0.1", None)
    assert (half.pairs, half.missing, half.cost.money) == (5, 5, None)
    with serving(fair) as (url, asked):
        found = run(pairs, url, path)
        assert len(asked) == 10
        assert run(pairs, url, path) == found  # nothing is left to ask
        assert len(asked) == 10
        assert run(pairs, url, path, model="judge-2").model == "judge-2"  # another judge is asked everything
        assert len(asked) == 28
    assert path.read_text().splitlines()[:8] == kept
    assert found.wins == {"tuned": 6, "base": 2, "tie": 2}


def test_what_could_not_be_read_is_asked_again_and_nothing_else(pairs, tmp_path):
    """Three of 18 replies are no verdict, a fourth request fails: the second run asks these, the third nothing."""
    path = tmp_path / "v.jsonl"

    def unclear(body, n):
        if n in (2, 7, 11):
            return 200, {**say("A"), "choices": [{"message": {"content": "Both are fine."}}]}
        return (403, "quota") if n == 18 else fair(body, n)

    with serving(unclear) as (url, asked), pytest.raises(UserError, match="quota"):
        run(pairs, url, path)
    assert len(asked) == 18
    wanted = [a["body"]["messages"] for n, a in enumerate(asked, 1) if n in (2, 7, 11, 18)]
    half = verdicts.summarise(pairs, comparisons_of(path, "127.0.0.1", "judge-1"), "judge-1", "127.0.0.1", None)
    assert half.failed + half.missing >= 2
    assert "Judge again to ask about them once more." in " ".join(verdicts.sentences(half))
    with serving(fair) as (url, asked):
        found = run(pairs, url, path)
        again = [a["body"]["messages"] for a in asked]
        key = lambda messages: messages[1]["content"]  # noqa: E731
        assert sorted(again, key=key) == sorted(wanted, key=key)
        assert run(pairs, url, path) == found
        assert len(asked) == 4
    assert (found.wins, found.failed, found.missing) == ({"tuned": 6, "base": 2, "tie": 2}, 0, 0)
    assert (found.cost.replies, found.cost.prompt_tokens) == (21, 2100)  # those without a verdict, too


def test_a_judge_that_gave_verdicts_before_may_stay_unclear(pairs, tmp_path):
    """More than six replies are no verdict twice over: the judge is one, and the run ends as it should."""
    path, unclear = tmp_path / "v.jsonl", {"choices": [{"message": {"content": "Both are fine."}}]}
    with serving(lambda body, n: fair(body, n) if n <= 8 else (200, unclear)) as (url, asked):
        first_run = run(pairs, url, path)
        assert len(asked) == 18 and first_run.failed == 5
    with serving(lambda body, n: (200, unclear)) as (url, asked):
        assert run(pairs, url, path).failed == 5
        assert len(asked) == 10


def test_busy_is_asked_again_and_its_wish_is_kept(pairs, tmp_path):
    def busy(body, n):
        return (429, "slow down", {"Retry-After": "1"}) if n == 1 else fair(body, n)

    began = time.monotonic()
    with serving(busy) as (url, asked):
        found = run(pairs[:1], url, tmp_path / "v.jsonl")
    assert time.monotonic() - began > 0.9
    assert len(asked) == 3 and found.pairs == 1


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {SECRET}"}}, r"provided: \[key\] Check the key"),
        (404, {"error": "no model judge-1"}, "no model judge-1 Check the address and the model's name"),
        (400, "<html>bad</html>", "HTTP 400. <html>bad</html>"),
        (302, "", "redirects"),
    ],
)
def test_what_is_refused_is_not_asked_again(pairs, tmp_path, status, body, sentence):
    def refuse(asked, n):
        return status, body, {"Location": "http://127.0.0.1:1/elsewhere"}

    with serving(refuse) as (url, asked):
        with pytest.raises(UserError, match=sentence) as e:
            run(pairs, url, tmp_path / "v.jsonl")
        assert len(asked) == worker.AT_ONCE
    assert SECRET not in str(e.value)


def test_a_slow_endpoint_ends(pairs, tmp_path):
    def slow(body, n):
        time.sleep(0.6)
        return 200, say("A")

    with serving(slow) as (url, asked):
        with pytest.raises(UserError, match="Timeout"):
            run(pairs[:1], url, tmp_path / "v.jsonl", timeout=0.2)
        time.sleep(0.7)
        assert len(asked) == 6
        assert run(pairs[:1], url, tmp_path / "v.jsonl", timeout=5).pairs == 1


def test_an_endless_answer_is_cut_off(pairs, tmp_path):
    with serving(lambda body, n: (200, "x" * 3_000_000)) as (url, _):
        found = run(pairs[:1], url, tmp_path / "v.jsonl")
    assert found.failed == 1
    assert (tmp_path / "v.jsonl").stat().st_size < 5000


def test_nobody_there(pairs, tmp_path):
    with serving(fair) as (url, _):
        pass
    with pytest.raises(UserError, match="ConnectError"):
        run(pairs, url, tmp_path / "v.jsonl")


def test_garbage_is_no_verdict(pairs, tmp_path):
    def garbage(body, n):
        return [(200, "<html>"), (200, {"choices": []}), (200, say("C")), (200, say("A", False) | {"usage": "x"})][
            n % 4
        ]

    with serving(garbage) as (url, _):
        found = run(pairs, url, tmp_path / "v.jsonl")
    assert found.failed >= 7
    assert found.pairs + found.failed == 10
    assert found.cost.unreported > 9
    assert f"{found.failed} pairs got no verdict" in " ".join(verdicts.sentences(found))


def test_a_model_that_never_gives_a_verdict_is_not_paid_further(pairs, tmp_path):
    with serving(lambda body, n: (200, {"choices": [{"message": {"content": "I like A."}}]})) as (url, asked):
        with pytest.raises(UserError, match="None of the first 8 replies of judge-1 was a verdict.*I like A"):
            run(pairs, url, tmp_path / "v.jsonl")
        assert len(asked) == 8


def test_the_estimate_is_near_what_is_sent(pairs):
    told = worker.estimate(pairs, (3.0, 15.0))
    sent = sum(len(m["content"]) for p in pairs if not p.identical for o in ORDERS for m in prompt(p, o))
    assert told.comparisons == 18 and told.identical == 1
    assert told.prompt_tokens == pytest.approx(sent / 4, rel=0.1)
    assert told.money == pytest.approx((told.prompt_tokens * 3 + told.completion_tokens * 15) / 1e6)
    assert worker.estimate(pairs, None).money is None
    known = {comparison_key(pairs[0], o): replied(v) for o, v in zip(ORDERS, ("A", None), strict=True)}
    left = worker.estimate(pairs, None, known)
    assert (left.comparisons, left.again) == (17, 1)
