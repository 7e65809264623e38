"""An evaluation's report in words. Where an interval contains 0 a sentence says that no difference can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.evaluation.benchmarks.result import BenchmarkResult
from core.evaluation.heldout.result import Labels
from core.evaluation.report.measures import Measure, asked_elsewhere, details, headline, listed, measures
from core.evaluation.result import Checkpoint, Report
from core.judge import verdicts
from core.statistics.bounds import LEVEL
from core.types import SIDES
from core.wording import count


def summarise(report: Report) -> list[str]:
    """The findings, one sentence or two each, the most important first. Works on a report that was stopped early."""
    heldout, all_measures = report.heldout, measures(report)
    lines = [f"{'; '.join(overview(report))}."] if all_measures else []
    # The judge's own sentences say its measure.
    lines += [_sentence(m) for m in all_measures if m.group == "rows" and m.main and m.key != "judge"]
    lines += _fell(report)
    lines += _details(all_measures)
    if heldout and heldout.skipped:
        lines.append(f"{count(heldout.skipped, 'row')} could not be measured: no answer within the maximum length.")
    if heldout and heldout.asked:
        lines.append(
            f"Each trained answer of a conversation was asked for, {count(heldout.asked, 'answer')} of "
            f"{count(heldout.rows, 'row')}. Answers of one conversation are alike, so the conversations are what the "
            "intervals count."
        )
    lines += _cut(report)
    if heldout and heldout.labels:
        lines += _labels(heldout.labels)
    for m in all_measures:
        if m.result and m.main:
            lines += _benchmark(m, m.result)
    lines += _several(all_measures)
    lines += _checkpoints(report.checkpoints)
    lines += _strength(report, all_measures)
    lines += verdicts.sentences(report.judge) if report.judge else []
    lines += _judge_among(all_measures)
    return lines + [f"{p.what} {p.fix}".strip() for p in report.problems]


def _fell(report: Report) -> list[str]:
    """In how many rows the loss fell: what can be told of it where its size has no interval."""
    heldout = report.heldout
    if not (heldout and heldout.fell and heldout.difference.why in ("uneven", "few rows")):
        return []
    share, of = heldout.fell, count(heldout.fell.n, "test row")
    bounds = "" if share.low is None or share.high is None else f", 95 % interval {share.low:.0%} to {share.high:.0%}"
    return [f"The loss fell in {round(share.mean * share.n):,} of {of} ({share.mean:.0%}{bounds})."]


def _details(all_measures: Sequence[Measure]) -> list[str]:
    """The further metrics of the same answers, in one sentence: they are no findings of their own."""
    others, main = [m for m in details(all_measures) if m.key != "bits_per_byte"], headline(all_measures)
    if not others or main is None:
        return []
    lines = []
    for verdict, words in (("better", "better in"), ("worse", "worse in"), ("unclear", "no difference can be told in")):
        names = [m.name for m in others if m.verdict == verdict]
        lines += [f"{words} {listed(names)}"] if names else []
    corrected = ", corrected for their number" if any(m.difference.level > LEVEL for m in others) else ""
    text = f"Further metrics of the same answers{corrected}: {'; '.join(lines)}."
    by_chance = [m.name for m in others if m.verdict == "unclear" and m.difference.settled]
    if by_chance:
        text += (
            f" By itself the interval of {listed(by_chance)} excludes 0; as {_lower(main)}, named before the run, "
            "shows no difference, that can be luck."
        )
    return [text]


def _judge_among(all_measures: Sequence[Measure]) -> list[str]:
    """What of the judge's verdict is left where it is one of several measures, and another stands first."""
    judge = next((m for m in all_measures if m.key == "judge" and m.gate is not None), None)
    main = headline(all_measures)
    if judge is None or main is None or not judge.known:
        return []
    text = f"The judge is one of several measures of these answers, and {_lower(main)} was named before the run."
    text += f" Corrected for their number, the interval of its win rate reaches from {judge.interval} around one half"
    if judge.verdict != "unclear":
        return [f"{text}: tuned is {judge.verdict}."]
    luck = f", and as {_lower(main)} shows no difference, that can be luck" if judge.difference.settled else ""
    return [f"{text}: no difference can be told{luck}."]


def _cut(report: Report) -> list[str]:
    """How many answers were cut: of them the metrics see only the beginning."""
    heldout, most = report.heldout, report.spec.decoding.max_new_tokens
    if not (heldout and heldout.cut and heldout.answered and any(heldout.cut.values())):
        return []
    base, tuned, n = heldout.cut["base"], heldout.cut["tuned"], heldout.answered
    return [
        f"{base:,} of {n:,} answers of the base and {tuned:,} of the tuned model were cut at {most:,} tokens, and only "
        "what stands before is compared. Raise “Longest answer” where the answers ought to be longer."
    ]


def overview(report: Report) -> list[str]:
    """Gain against loss, a clause each: their rows first, then what was lost, gained and not told elsewhere."""
    all_measures = measures(report)
    main, elsewhere = headline(all_measures), asked_elsewhere(all_measures)
    parts = [_gained(main)] if main is not None and (main.known or main.difference.why == "alike") else []
    loss = next((m for m in all_measures if m.key == "loss" and m.verdict != "unclear"), None)
    if loss is not None and parts and main is not None and main.verdict == "unclear":
        parts[0] += f", while the loss is {loss.verdict} by {_span(loss)} {loss.unit}"
    for m in sorted((m for m in elsewhere if m.verdict != "unclear"), key=lambda m: m.verdict != "worse"):
        parts.append(f"{m.name}: {m.verdict} by {_span(m)} {_points(m)}")
    parts += [_untold(m) for m in elsewhere if m.verdict == "unclear"]
    if all_measures and not parts:
        first = headline(all_measures) or all_measures[0]
        parts = [f"Too little was measured to compare the two: {first.why_none}"]
    return [part[0].upper() + part[1:] for part in parts]


def _span(m: Measure) -> str:
    """From the smaller to the larger end of the interval of what is better or worse."""
    _, low, high = m.gain
    small, large = sorted((abs(low), abs(high)))
    return f"{m.size(small)} to {m.size(large)}"


def _lower(m: Measure) -> str:
    return m.name[0].lower() + m.name[1:] if m.name[1].islower() else m.name


def _gained(m: Measure) -> str:
    what, n = _lower(m), count(m.difference.n, "test row")
    if m.difference.changed == 0:
        return f"base and tuned are alike in {what} on each of your {n}"
    if m.verdict == "unclear":
        _, low, high = m.gain
        return f"On your {n} no difference can be told in {what} (between {m.signed(low)} and {m.signed(high)})"
    unit = f" {m.unit}" if m.unit else ""
    return f"{m.verdict} on your {n} by {_span(m)}{unit} in {what}"


def _untold(m: Measure) -> str:
    """Up to where the interval reaches on its wider side is what cannot be excluded."""
    return f"{m.name}: no difference shown, and one larger than {_excluded(m)} {_points(m)} can be excluded"


def _excluded(m: Measure) -> str:
    return m.size(max(abs(m.gain[1]), abs(m.gain[2])))


def _points(m: Measure) -> str:
    return "points" if m.kind == "points" else m.unit or "in the metric"


def _sentence(m: Measure) -> str:
    d = m.difference
    base, tuned, n = m.plain(d.base), m.plain(d.tuned), count(d.n, m.items)
    on = "" if m.key == "loss" else f" on {n}"
    if m.result and m.result.clustered_by and m.result.subjects:
        n += f" of {count(len(m.result.subjects), m.result.clustered_by)}"
    if d.changed == 0 and m.group == "rows":
        return f"{m.subject} is {base} on both sides, which are alike in each of {count(d.n, m.items)}."
    if not m.known:
        change = f"difference {m.signed(d.difference)}; no interval: {m.why_none}"
        return f"{m.subject} went from {base} to {tuned}{on} ({change})."
    interval = f"difference {m.signed(d.difference)}, 95 % interval {m.interval}"
    if not d.settled:
        return f"{m.subject} went from {base} to {tuned}{on} ({interval}): no difference can be told with {n}."
    return f"{m.subject} {'rose' if d.difference > 0 else 'fell'} from {base} to {tuned}{on} ({interval})."


def _benchmark(m: Measure, result: BenchmarkResult) -> list[str]:
    """What changed, then which items and what so many of them can show."""
    lines = [_sentence(m)]
    pairs, smallest = result.mcnemar, result.minimum_detectable_difference
    if pairs:
        p = _test(result)
        if result.p_holm is not None:
            p += f"; corrected for the number of benchmarks by Holm's method: {_p(result.p_holm)}"
        changed = f"{pairs.gained} gained, {pairs.unchanged} unchanged"
        lines.append(f"{m.name}: {count(pairs.lost, 'question')} lost, {changed} ({p}).")
    elif result.p_holm is not None:
        lines.append(f"{m.name}: {_p(result.p_holm)}, corrected for the number of benchmarks by Holm's method.")
    if smallest is not None:
        # It takes no two questions as alike; where the subjects are what is random, fewer differences show.
        usually = "at best" if result.clustered_by else "usually"
        lines.append(f"{m.name}: so many questions {usually} show a difference of {m.size(smallest)} points or more.")
    lines += _overlap(m, result)
    lines += _clusters(m.name, result)
    if result.too_long:
        lines.append(f"{m.name}: {count(result.too_long, 'question')} longer than the model can read.")
    if result.truncated:
        lines.append(f"{m.name}: {count(result.truncated, 'choice')} cut at the beginning to fit the model.")
    if result.stopped_early:
        lines.append(f"{m.name}: it stopped early, when its interval was narrow enough; the interval allows for that.")
    return lines


def overlaps(report: Report) -> list[str]:
    """A sentence for each benchmark of which questions stand in the training rows."""
    return [line for m in measures(report) if m.result and m.main for line in _overlap(m, m.result)]


def _overlap(m: Measure, result: BenchmarkResult) -> list[str]:
    """Questions that stand in the training rows, and what is left of the difference without them."""
    overlap = result.overlap
    if not overlap or not overlap.n:
        return []
    stand = "stands" if overlap.n == 1 else "stand"
    first = overlap.examples[0].row
    text = f"{m.name}: {count(overlap.n, 'question')} of {result.n:,} {stand} in the training rows (row {first:,}"
    text += "). " if overlap.n == 1 else " the first of them). "
    if overlap.without is None:
        return [text + "Too few are left to tell a score without them: this one may be learnt by heart."]
    other = replace(m, difference=overlap.without)
    base, tuned = other.plain(overlap.without.base), other.plain(overlap.without.tuned)
    change = f"difference {other.signed(overlap.without.difference)}, 95 % interval {other.interval}"
    return [text + f"Without them it went from {base} to {tuned} ({change})."]


def _clusters(name: str, result: BenchmarkResult) -> list[str]:
    """That the questions of a subject count as alike. An interval that may stop early did not always know subjects."""
    if not result.clustered_by or (result.looks is not None and not result.looks_by):
        return []
    tested = "and its test take" if result.test == "clustered" else "takes"
    subjects = len(result.subjects)
    among = count(subjects, result.clustered_by) if subjects else f"each {result.clustered_by}"
    return [
        f"{name}: its interval {tested} the questions of a {result.clustered_by} as alike ({among}), "
        "so it is wider than that of single questions."
    ]


def _test(result: BenchmarkResult) -> str:
    """p of a benchmark by itself, with the name of its test. Where a report names none, it was McNemar's."""
    if result.test == "clustered":
        return f"{_p(result.p)} by a t-test over {result.clustered_by}s"
    return f"McNemar's exact {_p(result.p)}"


def _several(all_measures: Sequence[Measure]) -> list[str]:
    """An interval that excludes 0 by itself, and a correction that takes it back, want a word."""
    unclear = [m for m in asked_elsewhere(all_measures) if m.verdict == "unclear"]
    by_chance = [m for m in unclear if m.difference.settled]
    if not by_chance:
        return []
    return [
        f"By itself the interval of {listed(m.name for m in by_chance)} excludes 0. Among so many benchmarks that can "
        "be luck: with Holm's correction no difference can be told."
    ]


def _labels(labels: Labels) -> list[str]:
    lines = []
    if pairs := labels.mcnemar:
        lines.append(
            f"Labels: {count(pairs.gained, 'row')} right only after training, {pairs.lost} only before, "
            f"{pairs.unchanged} as before (McNemar's exact {_p(pairs.p)})."
        )
    none = {side: labels.read.get(side, {}).get("other", 0) for side in SIDES}
    if any(none.values()):
        lines.append(f"Answers that are none of the labels: base {none['base']}, tuned {none['tuned']}.")
    return lines


def _checkpoints(checkpoints: Sequence[Checkpoint]) -> list[str]:
    known = list({c.step: c for c in checkpoints if c.step is not None}.values())
    if len(known) < 2:
        return []
    best = min(known, key=lambda c: c.loss.mean)
    kept = ", the one that was kept," if best.final else ""
    text = f"Of {len(known)} checkpoints, step {best.step:,}{kept} has the lowest loss on your test rows "
    # Only what these rows choose looks too good on them: the kept one was chosen without them.
    chosen = "" if best.final else " Choosing it by these rows would make its number look a little too good."
    return [f"{text}({best.loss.mean:.2f}).{chosen}"]


def _strength(report: Report, all_measures: Sequence[Measure]) -> list[str]:
    """Is there a strength below 100 % that keeps much of the gain and shows no loss where 100 % shows one?"""
    points = report.strength.points if report.strength else ()
    lost = {m.key for m in asked_elsewhere(all_measures) if m.verdict == "worse"}
    whole = next((p.heldout for p in points if p.strength == 1), None)
    if not lost or not whole or not whole.difference:
        return []
    for p in sorted(points, key=lambda p: -p.strength):
        harmless = all(d.high is not None and d.high >= 0 for d in p.benchmarks.values())
        if 0 < p.strength < 1 and harmless and p.heldout:
            kept = p.heldout.difference / whole.difference
            return [
                f"At {100 * p.strength:.0f} % of the adapter's strength no loss is shown on the benchmarks, and "
                f"{100 * kept:.0f} % of the gain in loss on your rows is kept. Choosing it by these rows and questions "
                "would make its numbers look a little too good."
            ]
    return []


def _p(p: float | None) -> str:
    if p is None:
        return "p not kept"
    if p < 0.001:
        return "p below 0.001"
    # 0.0499 is below 0.05, and is not written as 0.05.
    digits = next(n for n in range(3, 18) if (round(p, n) < 0.05) == (p < 0.05))
    return "p = " + f"{p:.{digits}f}".rstrip("0").rstrip(".")
