"""What a judge's verdicts say: who wins, how sure that is, how far it follows the place and agrees with people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.endpoint.client import Price, money
from core.judge.pairs import ORDERS, Pair, comparison_key
from core.judge.result import (
    OUTCOMES,
    Agreement,
    Choice,
    Comparisons,
    Cost,
    JudgedPair,
    Judgement,
    PositionBias,
    Winner,
)
from core.statistics.bounds import LEVEL
from core.statistics.intervals import Estimate
from core.types import SIDES, LabelEvent
from core.wording import count


def winner(base_first: Choice | None, tuned_first: Choice | None) -> Winner | None:
    """The winner by the verdicts of both orders; None where one is missing. Inconsistent is a tie."""
    if base_first is None or tuned_first is None:
        return None
    by_place: tuple[dict[Choice, Winner], ...] = (
        {"A": "base", "B": "tuned", "tie": "tie"},
        {"A": "tuned", "B": "base", "tie": "tie"},
    )
    sides = by_place[0][base_first], by_place[1][tuned_first]
    return sides[0] if sides[0] == sides[1] else "tie"


def summarise(pairs: Sequence[Pair], comparisons: Comparisons, model: str, host: str, price: Price | None) -> Judgement:
    """Wins, win rate (a tie is half a win), position bias, cost and every pair, as far as it is judged.

    The interval of the win rate is that of the paired difference between wins of tuned and wins of base, which does
    not collapse where all are ties. Answers of one conversation are alike: where there are several, the conversations
    are what is random. The position bias is the share of the pairs asked about whose verdict stayed with
    the place when the sides were changed over, with Clopper and Pearson's interval.
    """
    judged = [_judged(pair, comparisons) for pair in pairs]
    asked = [j for j, pair in zip(judged, pairs, strict=True) if not pair.identical]
    whole = [j for j in judged if j.winner]
    compared = [j for j in asked if j.winner]
    return Judgement(
        model=model,
        endpoint=host,
        pairs=len(whole),
        identical=len(judged) - len(asked),
        wins={outcome: sum(j.winner == outcome for j in whole) for outcome in OUTCOMES},
        inconsistent=sum(not j.consistent for j in compared),
        failed=sum(j.failed for j in judged),
        missing=sum(not j.winner and not j.failed for j in judged),
        cost=_cost(pairs, comparisons, price),
        verdicts=tuple(judged),
        win_rate=win_rate(judged) if whole else None,
        position_bias=_position_bias(compared) if compared else None,
    )


def win_rate(verdicts: Sequence[JudgedPair], level: float = LEVEL) -> Estimate:
    """Of the pairs that are judged in both orders, of which there is one at least; with the interval of a level."""
    from core.statistics import clustered, intervals

    judged = [j for j in verdicts if j.winner]
    base, tuned = ([float(j.winner == side) for j in judged] for side in SIDES)
    of = [j.conversation or j.example_id for j in judged]
    several = len(set(of)) < len(of)
    if several:
        d = clustered.clustered_difference(base, tuned, of, level)
    else:
        d = intervals.paired_difference(base, tuned, level)
    low, high = (None if bound is None else 0.5 + bound / 2 for bound in (d.low, d.high))
    return Estimate(0.5 + d.difference / 2, low, high, len(judged))


def _position_bias(compared: Sequence[JudgedPair]) -> PositionBias:
    from core.statistics import intervals

    places = [j.base_first for j in compared if j.base_first == j.tuned_first != "tie"]
    share = intervals.rate(len(places), len(compared))
    return PositionBias(share.mean, share.low, share.high, share.n, places.count("A"), places.count("B"))


def _judged(pair: Pair, comparisons: Comparisons) -> JudgedPair:
    replies = [comparisons.get(comparison_key(pair, order)) for order in ORDERS]
    choices: list[Choice | None] = [reply.newest.verdict if reply else None for reply in replies]
    if pair.identical:
        choices = ["tie", "tie"]
    chosen = winner(*choices)
    return JudgedPair(
        example_id=pair.example_id,
        prompt=pair.question,
        reference=pair.reference,
        base=pair.base,
        tuned=pair.tuned,
        base_first=choices[0],
        tuned_first=choices[1],
        winner=chosen,
        consistent=chosen is not None and (chosen != "tie" or set(choices) == {"tie"}),
        failed=not pair.identical and any(reply is not None and reply.newest.verdict is None for reply in replies),
        conversation=pair.conversation or None,
    )


def _cost(pairs: Sequence[Pair], comparisons: Comparisons, price: Price | None) -> Cost:
    keys = {comparison_key(p, o) for p in pairs for o in ORDERS}
    asked = [comparison for key, comparison in comparisons.items() if key in keys]
    replies = [reply for comparison in asked for reply in (*comparison.earlier, comparison.newest)]
    reported = [
        (r.prompt_tokens, r.completion_tokens)
        for r in replies
        if r.prompt_tokens is not None and r.completion_tokens is not None
    ]
    prompt_tokens, completion_tokens = sum(p for p, _ in reported), sum(c for _, c in reported)
    return Cost(
        replies=len(replies),
        unreported=len(replies) - len(reported),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        money=money(prompt_tokens, completion_tokens, price) if reported else None,
    )


def with_agreement(judgement: Judgement, labels: Mapping[str, LabelEvent]) -> Judgement:
    """`labels` is the newest event by example id."""
    return replace(judgement, agreement=agreement(judgement.verdicts, labels))


def agreement(judged: Sequence[JudgedPair], labels: Mapping[str, LabelEvent]) -> Agreement | None:
    """How the judge agrees with what people said of the same rows; None where they said nothing.

    `labels` is the newest event by example id. Both bad is a tie here. Cohen's kappa is from statsmodels.
    """
    from core.statistics import intervals

    human = {i: "tie" if e.verdict == "both_bad" else e.verdict for i, e in labels.items()}
    both = [(human[j.example_id], j.winner) for j in judged if j.winner and j.example_id in human]
    both = [(person, machine) for person, machine in both if person in OUTCOMES]
    if not both:
        return None
    table = tuple(tuple(sum((p, m) == (a, b) for p, m in both) for b in OUTCOMES) for a in OUTCOMES)
    rate = intervals.rate(sum(p == m for p, m in both), len(both))
    agreed = Agreement(rate.mean, rate.low, rate.high, len(both), table, OUTCOMES)
    expected = sum(sum(row) * sum(column) for row, column in zip(table, zip(*table, strict=True), strict=True))
    if expected == len(both) ** 2:  # by chance alone they would agree always
        return agreed
    from statsmodels.stats.inter_rater import cohens_kappa

    kappa = cohens_kappa([list(row) for row in table])
    low, high = max(-1.0, float(kappa.kappa_low)), min(1.0, float(kappa.kappa_upp))
    return replace(agreed, kappa=float(kappa.kappa), kappa_low=low, kappa_high=high)


def sentences(judgement: Judgement) -> list[str]:
    """The result in words, the most important first."""
    wins, rate, bias = judgement.wins, judgement.win_rate, judgement.position_bias
    if not rate:
        return ["No pair has a verdict in both orders yet."]
    told_apart = rate.low is not None and rate.high is not None and not rate.low <= 0.5 <= rate.high
    spoken = len({j.conversation for j in judgement.verdicts if j.winner and j.conversation})
    of = f" of {count(spoken, 'conversation')}" if spoken else ""
    lines = [
        f"The judge {judgement.model} prefers tuned in {wins['tuned']:,} of {judgement.pairs:,} pairs{of}, base in "
        f"{wins['base']:,}; {wins['tie']:,} are ties.",
        f"Win rate of tuned, a tie as a half: {_percent(rate.mean, rate.low, rate.high)}"
        + ("." if told_apart else ": no difference can be told."),
    ]
    if bias:
        share = _percent(bias.mean, bias.low, bias.high)
        lines.append(
            f"Position bias: in {share} of the pairs the verdict stayed with the place when the sides were "
            f"changed over ({bias.first:,} with the first, {bias.second:,} with the second). Those count as ties."
        )
    if judgement.identical:
        were = "pair was" if judgement.identical == 1 else "pairs were"
        lines.append(f"{judgement.identical:,} {were} the same answer twice: a tie, not asked about.")
    if judgement.failed:
        lines.append(
            f"{count(judgement.failed, 'pair')} got no verdict that could be read and count nowhere. "
            "Judge again to ask about them once more."
        )
    if judgement.missing:
        lines.append(f"{count(judgement.missing, 'pair')} not judged yet.")
    lines.append(_agreement_sentence(judgement.agreement))
    return [*lines, _cost_sentence(judgement.cost)]


def _agreement_sentence(agreed: Agreement | None) -> str:
    if not agreed:
        return "Nobody has said yet which answers are better: label some in Error review to see whether it agrees."
    kappa = "cannot be computed, since all verdicts are the same"
    if agreed.kappa is not None:
        kappa = f"is {agreed.kappa:.2f} (95 % interval {agreed.kappa_low:.2f} to {agreed.kappa_high:.2f})"
    pairs = "pair that people" if agreed.n == 1 else "pairs that people"
    share = _percent(agreed.rate, agreed.low, agreed.high)
    return f"On {agreed.n:,} {pairs} labelled it agrees with them in {share}; Cohen's kappa {kappa}."


def _cost_sentence(cost: Cost) -> str:
    money = "" if not cost.money else f", {cost.money:,.4f} at the price given"
    text = f"Cost: {cost.prompt_tokens:,} tokens of prompts and {cost.completion_tokens:,} of replies{money}."
    return text + (f" {cost.unreported:,} replies did not say their tokens." if cost.unreported else "")


def _percent(rate: float, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"{100 * rate:.0f} %"
    # A bound that is not one half is not written as 50: what a win rate says hangs on it.
    digits = next(
        n for n in range(9) if all(bound == 0.5 or round(100 * bound, n) != 50 for bound in (low, high)) or n == 8
    )
    interval = f" (95 % interval {100 * low:.{digits}f} to {100 * high:.{digits}f})"
    return f"{100 * rate:.0f} %{interval}"
