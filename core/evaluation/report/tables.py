"""A report as tables, and how each number was measured: what every file format shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from core.evaluation.benchmarks.result import BenchmarkResult, Source, Subject
from core.evaluation.benchmarks.table import about
from core.evaluation.heldout.result import HeldOut, Slice
from core.evaluation.report.measures import Measure, details, listed, measures
from core.evaluation.result import Checkpoint, DatasetAbout, Proof, Report, StrengthPoint
from core.evaluation.spec import EvaluationSpec
from core.statistics.bounds import LEVEL
from core.statistics.intervals import Interval
from core.types import SIDES
from core.wording import count

HEAD = ("Measure", "Base", "Tuned", "Difference", "95 % interval", "n")


def table_rows(report: Report) -> list[list[str]]:
    """A row for `HEAD` of every measure that is no detail; of perplexity, and of cut answers, which have no interval of
    their own."""
    shown = [m for m in measures(report) if m.gate is None]
    last = next((m for m in reversed(shown) if m.group == "rows"), None)
    rows: list[list[str]] = []
    for m in shown:
        rows.append(row(m))
        if m.key == "loss" and (heldout := report.heldout):
            values = [f"{getattr(heldout, side).perplexity:,.1f}" for side in SIDES]
            rows.append(["Perplexity (lower is better)", *values, "", "", str(heldout.rows)])
        if m is last and report.heldout and report.heldout.cut and report.heldout.answered:
            n = report.heldout.answered
            values = [f"{report.heldout.cut[side]:,} ({report.heldout.cut[side] / n:.0%})" for side in SIDES]
            rows.append(["Answers cut at the longest length", *values, "", "", f"{n:,}"])
    return rows


DETAILS = "Further metrics of the same answers"


def details_table(report: Report) -> Table | None:
    """The details, and what the reference programs of three of them say, without an interval of their own."""
    rows = [row(m) for m in details(measures(report))]
    for key, published in report.heldout.published.items() if report.heldout else ():
        values = f"{published.base:.2f}", f"{published.tuned:.2f}"
        by = "rouge-score" if key == "rouge_l" else "SQuAD"
        n = f"{report.heldout.answered:,}" if report.heldout and report.heldout.answered else ""
        rows.append([f"{PUBLISHED[key][0]}, as {by} has it", *values, "", "", n])
    return (DETAILS, HEAD, rows) if rows else None


def row(m: Measure) -> list[str]:
    d = m.difference
    if m.result:
        name = f"{m.result.title} {m.unit}"
    else:
        name = m.name + (f", {m.unit}" if m.unit and m.key == "loss" else "")
    name += "" if m.more_is_better else " (lower is better)"
    interval = m.interval or f"none: {m.why_none}"
    interval += f" (at {100 * d.level:.4g} %)" if m.known and d.level > LEVEL else ""
    return [name, m.plain(d.base), m.plain(d.tuned), m.signed(d.difference), interval, f"{d.n:,}"]


OVERLAP = "Benchmark questions among the training rows"
Table = tuple[str, tuple[str, ...], list[list[str]]]
"""(title, head, rows)"""


def tables(report: Report) -> list[Table]:
    """What was measured in more detail: subjects, slices, labels, checkpoints, strengths."""
    strength, further = strength_table(report), details_table(report)
    return [
        *([further] if further else []),
        *([overlap_table(report)] if any(result.overlap for result in report.benchmarks.values()) else ()),
        *(_subjects(result) for result in report.benchmarks.values() if result.subjects),
        *(_of_heldout(report.heldout) if report.heldout else ()),
        *([checkpoints_table(report.checkpoints)] if report.checkpoints else ()),
        *([strength] if strength else ()),
    ]


def overlap_table(report: Report) -> Table:
    """Of each benchmark the questions that stand in the training rows, and its difference without them."""
    head = ("Benchmark", "Asked", "In training rows", "Difference", "Without them", "95 % interval")
    rows = []
    for m in measures(report):
        if not (m.main and m.result and (overlap := m.result.overlap)):
            continue
        without, interval = "–", "–"
        if overlap.without:
            other = replace(m, difference=overlap.without)
            without, interval = other.signed(overlap.without.difference), other.interval or "–"
        difference = m.signed(m.difference.difference)
        rows.append([m.name, f"{m.result.n:,}", f"{overlap.n:,}", difference, without, interval])
    return OVERLAP, head, rows


def _subjects(result: BenchmarkResult) -> Table:
    head = ("Subject", "Base", "Tuned", "Difference", "95 % interval", "n")
    return f"{result.title} by subject", head, [subject_row(s) for s in result.subjects]


def _of_heldout(heldout: HeldOut) -> list[Table]:
    """Slices of the rows, and the confusion matrices of a label task."""
    detail: list[Table] = []
    for kind, slices in heldout.slices.items():
        head: tuple[str, ...] = (kind.capitalize(), "Rows", "Loss", "95 % interval", "Token F1", "95 % interval")
        detail.append((f"Your rows by {kind}", head, [slice_row(s) for s in slices]))
    if labels := heldout.labels:
        head = ("True label", *labels.names, "other")
        for side, counts in labels.confusion.items():
            rows = [[name, *map(str, line)] for name, line in zip(labels.names, counts, strict=True)]
            detail.append((f"Labels given by {side}", head, rows))
    return detail


def checkpoints_table(checkpoints: Sequence[Checkpoint]) -> Table:
    return (
        "Checkpoints",
        ("Step", "Loss", "Against the base", "95 % interval"),
        [checkpoint_row(c) for c in checkpoints],
    )


def strength_table(report: Report) -> Table | None:
    points = report.strength.points if report.strength else ()
    if not points:
        return None
    names = strength_benchmarks(report)
    head = ("Strength", "Loss against the base", *(f"{title} (points)" for title in names.values()))
    return "Adapter strength", head, [strength_row(p, list(names)) for p in points]


def strength_benchmarks(report: Report) -> dict[str, str]:
    """Name → title of the benchmarks that were asked at several strengths."""
    points = report.strength.points if report.strength else ()
    names = dict.fromkeys(name for p in points for name in p.benchmarks)
    return {name: report.benchmarks[name].title if name in report.benchmarks else name for name in names}


def subject_row(s: Subject) -> list[str]:
    m = _shown(s.difference, "points")
    name = s.name.removeprefix("mmlu_").replace("_", " ")
    return [name, m.plain(s.base), m.plain(s.tuned), m.signed(s.difference.difference), m.interval or "–", f"{s.n:,}"]


def slice_row(s: Slice) -> list[str]:
    cells = []
    for d in (s.loss, s.token_f1):
        if d is None:
            cells += ["–", "–"]
            continue
        m = _shown(d)
        cells += [f"{m.plain(d.base)} → {m.plain(d.tuned)}", m.interval or "–"]
    return [s.name + (" (few rows)" if s.small else ""), f"{s.n:,}", *cells]


def checkpoint_row(checkpoint: Checkpoint) -> list[str]:
    d = checkpoint.difference_to_base
    m = _shown(d)
    step = "unknown" if checkpoint.step is None else f"{checkpoint.step:,}"
    step += " (the one that was kept)" if checkpoint.final else ""
    return [step, m.plain(checkpoint.loss.mean), m.signed(d.difference), m.interval or "–"]


def strength_row(point: StrengthPoint, names: list[str]) -> list[str]:
    cells = [_cell(point.heldout, "score"), *(_cell(point.benchmarks.get(name), "points") for name in names)]
    return [f"{100 * point.strength:.0f} %", *cells]


def _cell(d: Interval | None, kind: Literal["score", "points"]) -> str:
    if not d:
        return "–"
    m = _shown(d, kind)
    return m.signed(d.difference) + (f" ({m.interval})" if m.known else "")


def _shown(d: Interval, kind: Literal["score", "points"] = "score") -> Measure:
    """A difference as a measure without a name: how its numbers are written."""
    return Measure("", "rows", "", "", d, kind)


def method(report: Report) -> list[tuple[str, str]]:
    """(name, value): everything that is needed to repeat the evaluation, and to know what it was of."""
    spec, decoding, heldout = report.spec, report.spec.decoding, report.heldout
    how = f"temperature {decoding.temperature}" if decoding.temperature else "greedy"
    lines = [
        ("Model", spec.model + (f", revision {spec.revision}" if spec.revision else "")),
        ("Rows", f"split {spec.split}, maximum length {spec.max_length} tokens" + _first(spec)),
    ]
    if report.about:
        data = report.about.dataset
        lines.append(("Dataset", f"version {data.version}, content hash {data.content_hash}"))
        if data.synthetic:
            lines.append(("Synthetic rows", _written_by_a_model(data)))
    room = f" after up to {decoding.reasoning_tokens:,} of reasoning" if decoding.reasoning_tokens else ""
    most = f"at most {decoding.max_new_tokens:,} new tokens{_followed(spec)}{room}"
    lines.append(("Answers", f"{how}, {most}, seed {decoding.seed}"))
    if spec.answers == "all":
        lines.append(("Asked for", "each trained answer of a conversation, after what is truly said before it"))
    if heldout:
        lines += heldout.signatures.items()
        lines += [("Remark", note) for note in heldout.notes]
    if spec.template:
        lines.append(("Chat template", spec.template))
    if spec.quantization != "none":
        lines.append(("Quantisation", spec.quantization))
    lines += benchmark_method(report)
    if report.judge:
        what = "each pair with its reference, in both orders; a verdict that follows the place is a tie"
        lines.append(("Judge", f"{report.judge.model} at {report.judge.endpoint}: {what}"))
    if report.strength:
        lines.append(("Strength", report.strength.how))
    lines += _published(heldout) if heldout else []
    lines.append(("Intervals", f"95 %, of the paired difference; what is random: {_random(report)}"))
    if heldout and any(c.difference.level > LEVEL for c in heldout.metrics.values()):
        text = "corrected for their number by Holm's method (1979), each interval at the level at which it tests; a "
        text += "difference is told only where the headline, which was named before the run, has one"
        lines.append(("Further metrics", text))
    return lines + _identity(report)


def _written_by_a_model(data: DatasetAbout) -> str:
    """How many of the training rows are real and how many a model wrote; none of these should measure."""
    synthetic = data.synthetic or {}
    train, whole = synthetic.get("train", 0), data.rows.get("train", 0)
    text = f"of {count(whole, 'training row')} {whole - train:,} are real and {train:,} were written by a model"
    measuring = {split: synthetic.get(split, 0) for split in ("validation", "test")}
    if not any(measuring.values()):
        return f"{text}; no row that measures is synthetic"
    parts = " and ".join(f"{n:,} {split}" for split, n in measuring.items() if n)
    return f"{text}. So were {parts} rows: what they measure is how near the model comes to that other one"


def _followed(spec: EvaluationSpec) -> str:
    """Where the limit comes from, if no person gave it."""
    known = spec.references
    if not known:
        return ""
    if not known.references:
        return " (there is no reference to follow)"
    return f" (the references' 99th percentile is {known.tokens:,})"


PUBLISHED = {
    "rouge_l": ("ROUGE-L", "words of all scripts; rouge-score's own, of a-z and 0-9 only, would give"),
    "token_f1": ("Token F1", "signs that carry meaning count; SQuAD's own rules would give"),
    "exact_match": ("Exact match", "signs that carry meaning count; SQuAD's own rules would give"),
}


def _published(heldout: HeldOut) -> list[tuple[str, str]]:
    """Where a metric reads words otherwise than its reference program does, and what that program says."""
    lines = []
    for key, published in heldout.published.items():
        name, text = PUBLISHED[key]
        n = 2 * heldout.answered if heldout.answered else 0
        value = f"base {published.base:.3f}, tuned {published.tuned:.3f}"
        lines.append((name, f"{text} {value}; they differ from ours in {published.differ:,} of {n:,} answers"))
    return lines


def _random(report: Report) -> str:
    """What is drawn again and again in the intervals: rows, questions, or the subjects of questions."""
    heldout = report.heldout
    units = ["your conversations" if heldout.asked else "your test rows"] if heldout else []
    for result in report.benchmarks.values():
        by = result.clustered_by if result.looks is None else result.looks_by
        what = f"{by}s" if by else "texts" if result.test == "ratio" else "questions"
        units.append(f"the {what} of {result.title}")
    return listed(dict.fromkeys(units)) if units else "nothing was measured"


def _first(spec: EvaluationSpec) -> str:
    return f", the first {spec.max_rows:,}" if spec.max_rows else ""


TESTS = {
    "mcnemar": "; p by McNemar's exact test",
    "t": "; p by the paired t-test",
    "clustered": "; p by a t-test with the jackknife over subjects (CR3)",
    "ratio": "; p by a t-test with the jackknife over texts",
}


def benchmark_method(report: Report) -> list[tuple[str, str]]:
    lines = [(result.title, _asked(key, result, report.spec)) for key, result in report.benchmarks.items()]
    if len(lines) > 1:
        lines.append(("Several benchmarks", "p-values corrected for their number by Holm's method (1979)"))
    return lines


def _asked(key: str, result: BenchmarkResult, spec: EvaluationSpec) -> str:
    """How the benchmark was asked, and what it measures."""
    drawn = "all" if result.available in (None, result.n) else f"drawn at random of {result.available:,}"
    lm_eval = f"lm-eval {result.lm_eval}, " if result.lm_eval else ""
    text = f"{lm_eval}task {key} version {result.version}, {result.shots or 0}-shot, {result.metric}"
    text += f", answers read by the filter {result.filter}" if result.filter else ""
    text += ", in the model's chat template" if result.chat_template else ""
    text += f", {result.n:,} questions ({drawn}), seed {spec.seed if result.seed is None else result.seed}"
    text += _source(result.source)
    text += TESTS.get(result.test or "", "")
    text += _early(result)
    return text + (f". {about(key)}" if about(key) else "")


def _early(result: BenchmarkResult) -> str:
    """What makes an interval hold that was looked at several times; see `sequential`."""
    if result.looks is None:
        return ""
    looks = count(result.looks, "look")
    return f"; interval by an asymptotic confidence sequence (Waudby-Smith et al., 2024), {looks}; p is of one look"


def _source(source: Source | None) -> str:
    if source and source.folder:
        return f", from the folder {source.folder}"
    return f", from {source.hub} on the Hub, commit {source.revision or 'unknown'}" if source else ""


def _identity(report: Report) -> list[tuple[str, str]]:
    """What proves that the two sides are what they are called, and what they were measured on."""
    lines = _sides(report.proof) if report.proof else []
    if environment := report.environment:
        versions = {"python": environment.python, **environment.versions}
        lines.append(("Versions", ", ".join(f"{name} {version}" for name, version in versions.items() if version)))
        threads = f"{environment.threads} threads" if environment.threads else None
        where = (environment.device, environment.dtype, threads)
        lines.append(("Device", ", ".join(str(part) for part in where if part)))
    if report.seconds:
        lines.append(("Seconds", ", ".join(f"{phase} {s:g}" for phase, s in report.seconds.items())))
    return lines


def _sides(proof: Proof) -> list[tuple[str, str]]:
    lines = []
    if proof.adapter_off_equals_plain_model:
        text = "one copy of the weights; with the adapter off its output equals the plain model's exactly"
        lines.append(("Both sides are", text))
    elif proof.copies == 2:
        text = "all weights were trained: base and tuned are two models, and the base is the one it began with"
        lines.append(("Both sides", text))
    lines.append(("Base weights SHA-256", proof.base_weights_sha256))
    if proof.base_settings:
        files = ", ".join(f"{name} {hash_[:12]}" for name, hash_ in proof.base_settings.items())
        lines.append(("Base's other files, SHA-256", files))
    known = {name: value for name, value in (("precision", proof.dtype), *proof.computed_by.items()) if value}
    if proof.quantization and proof.quantization != "none":
        known["quantisation"] = proof.quantization
    if known:
        lines.append(("Computed by", ", ".join(f"{name} {value}" for name, value in known.items())))
    trained = "Trained model SHA-256" if proof.copies == 2 else "Adapter SHA-256"
    return [*lines, (trained, proof.adapter_sha256)]


def questions(report: Report) -> str:
    """What the command cannot say of the benchmarks' questions: their commit on the Hub, or their folder; else ""."""
    sources = [result.source for result in report.benchmarks.values() if result.source]
    hub = {source.hub: source.revision for source in sources if source.hub}
    lines = []
    if hub:
        named = listed(f"{name} at commit {commit or 'unknown'}" for name, commit in hub.items())
        lines.append(f"The command asks the newest questions on the Hub; these were {named}.")
    if any(source.folder for source in sources):
        lines.append("Put your folder of benchmark files in the place of BENCHMARKS.")
    return " ".join(lines)


def size_of(spec: EvaluationSpec) -> list[str]:
    """The words of the command line that ask for so many questions."""
    if spec.size:
        return ["--size", spec.size]
    return ["--items", str(spec.benchmark_limit)] if spec.benchmark_limit else ["--size", "full"]
