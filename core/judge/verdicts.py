"""What a judge's verdicts say: who wins, how sure that is, how far it follows the place and agrees with people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.files import finished_lines
from core.judge.pairs import ORDERS, Pair, comparison_key
from core.types import LabelEvent
from core.wording import count

Price = tuple[float, float]
"""Money per million tokens of (prompts, replies)."""
Verdicts = dict[str, dict[str, Any]]
"""Key of a comparison → its newest line of verdicts.jsonl; see `finished`."""


def finished(path: Path, host: str, model: str) -> Verdicts:
    """Replies of one judge so far: hash of the comparison → its newest line of verdicts.jsonl.

    Its `before` are the replies to the same comparison that were no verdict: they were paid for, too.
    """
    found: Verdicts = {}
    for line in finished_lines(path)[0]:
        if (line["endpoint"], line["model"]) != (host, model):
            continue
        earlier = found.get(line["key"])
        before = [] if earlier is None else [*earlier["before"], earlier]
        found[line["key"]] = {**line, "before": before}
    return found


def winner(first: str | None, second: str | None) -> str | None:
    """base, tuned or tie from the verdicts of both orders; None where one is missing. Inconsistent is a tie."""
    if first is None or second is None:
        return None
    sides = {"A": "base", "B": "tuned", "tie": "tie"}[first], {"A": "tuned", "B": "base", "tie": "tie"}[second]
    return sides[0] if sides[0] == sides[1] else "tie"


def summarise(pairs: Sequence[Pair], verdicts: Verdicts, model: str, host: str, price: Price | None) -> dict[str, Any]:
    """judge.json: wins, win rate (a tie is half a win), position bias, cost and every pair, as far as it is judged.

    The interval of the win rate is that of the paired difference between wins of tuned and wins of base, which does
    not collapse where all are ties. The position bias is the share of the pairs asked about whose verdict stayed with
    the place when the sides were changed over, with Wilson's interval.
    """
    from core.statistics import intervals

    lines = [_of_pair(pair, verdicts) for pair in pairs]
    asked = [line for line, pair in zip(lines, pairs, strict=True) if not pair.identical]
    whole = [line for line in lines if line["winner"]]
    compared = [line for line in asked if line["winner"]]
    places = [line["base_first"] for line in compared if line["base_first"] == line["tuned_first"] != "tie"]
    found = {
        "schema": 1,
        "model": model,
        "endpoint": host,
        "pairs": len(whole),
        "identical": len(lines) - len(asked),
        "wins": {side: sum(line["winner"] == side for line in whole) for side in ("tuned", "base", "tie")},
        "inconsistent": sum(not line["consistent"] for line in compared),
        "failed": sum(line["failed"] for line in lines),
        "missing": sum(not line["winner"] and not line["failed"] for line in lines),
        "cost": _cost(pairs, verdicts, price),
        "verdicts": lines,
    }
    if whole:
        d = intervals.paired_difference(
            [float(line["winner"] == "base") for line in whole], [float(line["winner"] == "tuned") for line in whole]
        )
        low, high = (None if bound is None else 0.5 + bound / 2 for bound in (d.low, d.high))
        found["win_rate"] = {"mean": 0.5 + d.difference / 2, "low": low, "high": high, "n": len(whole)}
    if compared:
        share = intervals.wilson(len(places), len(compared)).to_dict()
        found["position_bias"] = {**share, "first": places.count("A"), "second": places.count("B")}
    return found


def _of_pair(pair: Pair, verdicts: Verdicts) -> dict[str, Any]:
    found = [{"verdict": "tie"} if pair.identical else verdicts.get(comparison_key(pair, order)) for order in ORDERS]
    said = [line["verdict"] if line else None for line in found]
    chosen = winner(*said)
    return {
        "example_id": pair.example_id,
        "prompt": pair.question,
        "reference": pair.reference,
        "base": pair.base,
        "tuned": pair.tuned,
        **dict(zip(ORDERS, said, strict=True)),
        "winner": chosen,
        "consistent": chosen is not None and (chosen != "tie" or set(said) == {"tie"}),
        "failed": any(line is not None and line["verdict"] is None for line in found),
    }


def _cost(pairs: Sequence[Pair], verdicts: Verdicts, price: Price | None) -> dict[str, Any]:
    """Tokens as the endpoint reported them. `unreported` replies had no usage: the true cost is then higher."""
    keys = {comparison_key(p, o) for p in pairs for o in ORDERS}
    lines = [reply for key, line in verdicts.items() if key in keys for reply in (*line.get("before", ()), line)]
    told = [line for line in lines if None not in (line["prompt_tokens"], line["completion_tokens"])]
    prompts, replies = (sum(line[name] for line in told) for name in ("prompt_tokens", "completion_tokens"))
    return {
        "replies": len(lines),
        "unreported": len(lines) - len(told),
        "prompt_tokens": prompts,
        "completion_tokens": replies,
        "money": money(prompts, replies, price) if told else None,
    }


def agreement(verdicts: Sequence[dict[str, Any]], labels: dict[str, LabelEvent]) -> dict[str, Any] | None:
    """How the judge agrees with what people said of the same rows; None where they said nothing.

    `labels` is the newest event by example id. Both bad is a tie here. The rate has Wilson's interval; Cohen's kappa
    (1960) is from statsmodels, None where both gave one and the same verdict throughout.
    """
    from core.statistics import intervals

    names = ("base", "tuned", "tie")
    human = {i: "tie" if e.verdict == "both_bad" else e.verdict for i, e in labels.items()}
    both = [(human[v["example_id"]], v["winner"]) for v in verdicts if v["winner"] and v["example_id"] in human]
    both = [(person, machine) for person, machine in both if person in names]
    if not both:
        return None
    table = [[sum((p, m) == (a, b) for p, m in both) for b in names] for a in names]
    rate = intervals.wilson(sum(p == m for p, m in both), len(both))
    found = {"rate": rate.mean, "low": rate.low, "high": rate.high, "n": len(both), "table": table, "names": names}
    expected = sum(sum(row) * sum(column) for row, column in zip(table, zip(*table, strict=True), strict=True))
    if expected == len(both) ** 2:  # by chance alone they would agree always
        return {**found, "kappa": None, "kappa_low": None, "kappa_high": None}
    from statsmodels.stats.inter_rater import cohens_kappa

    kappa = cohens_kappa(table)
    return {
        **found,
        "kappa": float(kappa.kappa),
        "kappa_low": max(-1.0, float(kappa.kappa_low)),
        "kappa_high": min(1.0, float(kappa.kappa_upp)),
    }


def sentences(found: dict[str, Any]) -> list[str]:
    """The result in words, the most important first."""
    if not found["pairs"]:
        return ["No pair has a verdict in both orders yet."]
    wins, rate = found["wins"], found["win_rate"]
    lines = [
        f"The judge {found['model']} prefers tuned in {wins['tuned']:,} of {found['pairs']:,} pairs, base in "
        f"{wins['base']:,}; {wins['tie']:,} are ties.",
        f"Win rate of tuned, a tie as a half: {_percent(rate)}"
        + (": no difference can be told." if rate["low"] is None or rate["low"] <= 0.5 <= rate["high"] else "."),
    ]
    if found.get("position_bias"):
        bias = found["position_bias"]
        lines.append(
            f"Position bias: in {_percent(bias)} of the pairs the verdict stayed with the place when the sides were "
            f"changed over ({bias['first']:,} with the first, {bias['second']:,} with the second). Those count as ties."
        )
    if found["identical"]:
        were = "pair was" if found["identical"] == 1 else "pairs were"
        lines.append(f"{found['identical']:,} {were} the same answer twice: a tie, not asked about.")
    if found["failed"]:
        lines.append(
            f"{count(found['failed'], 'pair')} got no verdict that could be read and count nowhere. "
            "Judge again to ask about them once more."
        )
    if found["missing"]:
        lines.append(f"{count(found['missing'], 'pair')} not judged yet.")
    lines.append(_agreement_sentence(found.get("agreement")))
    return [*lines, _cost_sentence(found["cost"])]


def _agreement_sentence(found: dict[str, Any] | None) -> str:
    if not found:
        return "Nobody has said yet which answers are better: label some in Error review to see whether it agrees."
    kappa = "cannot be computed, since all verdicts are the same"
    if found["kappa"] is not None:
        kappa = f"is {found['kappa']:.2f} (95 % interval {found['kappa_low']:.2f} to {found['kappa_high']:.2f})"
    pairs = "pair that people" if found["n"] == 1 else "pairs that people"
    return (
        f"On {found['n']:,} {pairs} labelled it agrees with them in {_percent(found, 'rate')}; Cohen's kappa {kappa}."
    )


def _cost_sentence(cost: dict[str, Any]) -> str:
    money = "" if not cost["money"] else f", {cost['money']:,.4f} at the price given"
    text = f"Cost: {cost['prompt_tokens']:,} tokens of prompts and {cost['completion_tokens']:,} of replies{money}."
    return text + (f" {cost['unreported']:,} replies did not say their tokens." if cost["unreported"] else "")


def _percent(e: dict[str, Any], key: str = "mean") -> str:
    interval = "" if e["low"] is None else f" (95 % interval {100 * e['low']:.0f} to {100 * e['high']:.0f})"
    return f"{100 * e[key]:.0f} %{interval}"


def money(prompts: int, replies: int, price: Price | None) -> float | None:
    return None if price is None else (prompts * price[0] + replies * price[1]) / 1e6
