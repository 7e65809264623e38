"""An evaluation's report in words. Where an interval contains 0 a sentence says that no difference can be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.evaluation.report.measures import Measure, Value, asked_elsewhere, headline, listed, measures
from core.judge import verdicts
from core.wording import count


def summarise(report: dict[str, Any]) -> list[str]:
    """The findings, one sentence or two each, the most important first. Works on a report that was stopped early."""
    heldout, found = report.get("heldout") or {}, measures(report)
    lines = [f"{'; '.join(overview(report))}."] if found else []
    # The judge's own sentences say its measure.
    lines += [_sentence(m) for m in found if m.group == "rows" and m.main and m.key != "judge"]
    if heldout.get("skipped"):
        lines.append(f"{count(heldout['skipped'], 'row')} could not be measured: no answer within the maximum length.")
    lines += _labels(heldout.get("labels") or {})
    for m in found:
        if m.group == "benchmarks" and m.main:
            lines += _benchmark(m)
    lines += _several(found)
    lines += _checkpoints(report.get("checkpoints") or [])
    lines += _strength(report, found)
    lines += verdicts.sentences(report["judge"]) if report.get("judge") else []
    return lines + [f"{p['what']} {p['fix']}".strip() for p in report.get("problems", [])]


def overview(report: dict[str, Any]) -> list[str]:
    """Gain against loss, a clause each: their rows first, then what was lost, gained and not told elsewhere."""
    found = measures(report)
    main, elsewhere = headline(found), asked_elsewhere(found)
    parts = [_gained(main)] if main is not None else []
    loss = next((m for m in found if m.key == "loss" and m.verdict != "unclear"), None)
    if loss is not None and main is not None and main.verdict == "unclear":
        _, low, high = loss.gain
        small, large = sorted((abs(low), abs(high)))
        parts[0] += f", while the loss is {loss.verdict} by {loss.size(small)} to {loss.size(large)} {loss.unit}"
    for m in sorted((m for m in elsewhere if m.verdict != "unclear"), key=lambda m: m.verdict != "worse"):
        _, low, high = m.gain
        small, large = sorted((abs(low), abs(high)))
        parts.append(f"{m.name}: {m.verdict} by {m.size(small)} to {m.size(large)} {_points(m)}")
    parts += [_untold(m) for m in elsewhere if m.verdict == "unclear"]
    if found and not parts:
        parts = ["Too little was measured to compare the two: one row alone gives no interval"]
    return [part[0].upper() + part[1:] for part in parts]


def _gained(m: Measure) -> str:
    what = m.name[0].lower() + m.name[1:] if m.name[1].islower() else m.name
    n = count(m.difference["n"], "test row")
    if m.verdict == "unclear":
        _, low, high = m.gain
        return f"On your {n} no difference can be told in {what} (between {m.signed(low)} and {m.signed(high)})"
    _, low, high = m.gain
    small, large = sorted((abs(low), abs(high)))
    unit = f" {m.unit}" if m.unit else ""
    return f"{m.verdict} on your {n} by {m.size(small)} to {m.size(large)}{unit} in {what}"


def _untold(m: Measure) -> str:
    """Up to where the interval reaches on its wider side is what cannot be excluded."""
    return f"{m.name}: no difference shown, and one larger than {_excluded(m)} {_points(m)} can be excluded"


def _excluded(m: Measure) -> str:
    return m.size(max(abs(m.gain[1]), abs(m.gain[2])))


def _points(m: Measure) -> str:
    return "points" if m.kind == "points" else m.unit or "in the metric"


def _sentence(m: Measure) -> str:
    d = m.difference
    before, after, n = m.plain(d["base"]), m.plain(d["tuned"]), count(d["n"], m.items)
    on = "" if m.key == "loss" else f" on {n}"
    if not m.known:
        change = f"difference {m.signed(d['difference'])}; one alone gives no interval"
        return f"{m.subject} went from {before} to {after}{on} ({change})."
    interval = f"difference {m.signed(d['difference'])}, 95 % interval {m.interval}"
    if d["low"] <= 0 <= d["high"]:
        return f"{m.subject} went from {before} to {after}{on} ({interval}): no difference can be told with {n}."
    return f"{m.subject} {'rose' if d['difference'] > 0 else 'fell'} from {before} to {after}{on} ({interval})."


def _benchmark(m: Measure) -> list[str]:
    """What changed, then which items and what so many of them can show."""
    task, lines = m.task, [_sentence(m)]
    flips, smallest = task.get("mcnemar"), task.get("minimum_detectable_difference")
    if flips:
        p = _test(task)
        if task.get("p_holm") is not None:
            p += f"; corrected for the number of benchmarks by Holm's method: {_p(task['p_holm'])}"
        changed = f"{flips['gained']} gained, {flips['unchanged']} unchanged"
        lines.append(f"{m.name}: {count(flips['lost'], 'question')} lost, {changed} ({p}).")
    elif task.get("p_holm") is not None:
        lines.append(f"{m.name}: {_p(task['p_holm'])}, corrected for the number of benchmarks by Holm's method.")
    if smallest is not None:
        # It takes no two questions as alike; where the subjects are what is random, fewer differences show.
        usually = "at best" if task.get("clustered_by") else "usually"
        lines.append(f"{m.name}: so many questions {usually} show a difference of {m.size(smallest)} points or more.")
    # In reports of before, the interval that may stop early knew no subjects.
    if task.get("clustered_by") and ("looks" not in task or task.get("looks_by")):
        subjects = task.get("subjects") or []
        tested = "and its test take" if task.get("test") == "clustered" else "takes"
        among = count(len(subjects), task["clustered_by"]) if subjects else f"each {task['clustered_by']}"
        lines.append(
            f"{m.name}: its interval {tested} the questions of a {task['clustered_by']} as alike ({among}), "
            "so it is wider than that of single questions."
        )
    if task.get("too_long"):
        lines.append(f"{m.name}: {count(task['too_long'], 'question')} longer than the model can read.")
    if task.get("truncated"):
        lines.append(f"{m.name}: {count(task['truncated'], 'choice')} cut at the beginning to fit the model.")
    if task.get("stopped_early"):
        lines.append(f"{m.name}: it stopped early, when its interval was narrow enough; the interval allows for that.")
    return lines


def _test(task: Value) -> str:
    """p of a benchmark by itself, with the name of its test. Reports of before have no `test`: theirs is McNemar's."""
    if task.get("test") == "clustered":
        return f"{_p(task['p'])} by a t-test over {task['clustered_by']}s"
    return f"McNemar's exact {_p(task['mcnemar']['p'])}"


def _several(found: Sequence[Measure]) -> list[str]:
    """An interval that excludes 0 by itself, and a correction that takes it back, want a word."""
    by_chance = [m for m in asked_elsewhere(found) if m.verdict == "unclear" and (m.gain[1] > 0 or m.gain[2] < 0)]
    if not by_chance:
        return []
    return [
        f"By itself the interval of {listed(m.name for m in by_chance)} excludes 0. Among so many benchmarks that can "
        "be luck: with Holm's correction no difference can be told."
    ]


def _labels(labels: Value) -> list[str]:
    flips = labels.get("mcnemar")
    if not flips:
        return []
    lines = [
        f"Labels: {count(flips['gained'], 'row')} right only after training, {flips['lost']} only before, "
        f"{flips['unchanged']} as before (McNemar's exact {_p(flips['p'])})."
    ]
    none = {side: read.get("other", 0) for side, read in (labels.get("read") or {}).items()}
    if any(none.values()):
        lines.append(f"Answers that are none of the labels: base {none['base']}, tuned {none['tuned']}.")
    return lines


def _checkpoints(points: Sequence[Value]) -> list[str]:
    known = list({p["step"]: p for p in points if p.get("loss") and p["step"] is not None}.values())
    if len(known) < 2:
        return []
    best = min(known, key=lambda p: p["loss"]["mean"])
    return [
        f"Of {len(known)} checkpoints, step {best['step']:,} has the lowest loss on your test rows "
        f"({best['loss']['mean']:.2f}). Choosing it by these rows makes its number look a little too good."
    ]


def _strength(report: Value, found: Sequence[Measure]) -> list[str]:
    """Is there a strength below 100 % that keeps much of the gain and shows no loss where 100 % shows one?"""
    points = (report.get("strength") or {}).get("points") or []
    lost = {m.key for m in asked_elsewhere(found) if m.verdict == "worse"}
    whole = next((p for p in points if p["strength"] == 1), None)
    if not whole or not whole.get("heldout"):
        return []
    for p in sorted(points, key=lambda p: -p["strength"]):
        harmless = all((d.get("high") is None or d["high"] >= 0) for d in (p.get("benchmarks") or {}).values())
        if lost and 0 < p["strength"] < 1 and harmless and p.get("heldout") and whole["heldout"]["difference"]:
            kept = p["heldout"]["difference"] / whole["heldout"]["difference"]
            return [
                f"At {100 * p['strength']:.0f} % of the adapter's strength no loss is shown on the benchmarks, and "
                f"{100 * kept:.0f} % of the gain in loss on your rows is kept."
            ]
    return []


def _p(p: float) -> str:
    return "p below 0.001" if p < 0.001 else "p = " + f"{p:.3f}".rstrip("0").rstrip(".")
