"""A report as tables, and how each number was measured: what every file format shows."""

from __future__ import annotations

from core.evaluation.report.measures import ABOUT, Measure, Value, listed, measures
from core.wording import count

HEAD = ("Measure", "Base", "Tuned", "Difference", "95 % interval", "n")


def table_rows(report: Value) -> list[list[str]]:
    """A row for `HEAD` of every measure, and of perplexity, which has no interval of its own."""
    rows = []
    for m in measures(report):
        rows.append(row(m))
        heldout = report["heldout"] if m.key == "loss" else {}
        if "perplexity" in heldout.get("base", {}):
            values = [f"{heldout[side]['perplexity']:,.1f}" for side in ("base", "tuned")]
            rows.append(["Perplexity (lower is better)", *values, "", "", str(heldout["rows"])])
    return rows


def row(m: Measure) -> list[str]:
    d = m.difference
    if m.group == "benchmarks":
        name = f"{m.task.get('title', m.key)} {m.unit}"
    else:
        name = m.name + (f", {m.unit}" if m.unit and m.key == "loss" else "")
    name += "" if m.more_is_better else " (lower is better)"
    interval = m.interval or "one alone has none"
    return [name, m.plain(d["base"]), m.plain(d["tuned"]), m.signed(d["difference"]), interval, f"{d['n']:,}"]


def tables(report: Value) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
    """(title, head, rows) of what was measured in more detail: subjects, slices, labels, checkpoints, strengths."""
    heldout, found = report.get("heldout") or {}, []
    for task in (report.get("benchmarks") or {}).values():
        if task.get("subjects"):
            head = ("Subject", "Base", "Tuned", "Difference", "95 % interval", "n")
            rows = [subject_row(s) for s in task["subjects"]]
            found.append((f"{task['title']} by subject", head, rows))
    for kind, slices in (heldout.get("slices") or {}).items():
        head = (kind.capitalize(), "Rows", "Loss", "95 % interval", "Token F1", "95 % interval")
        found.append((f"Your rows by {kind}", head, [slice_row(s) for s in slices]))
    labels = heldout.get("labels") or {}
    for side, counts in (labels.get("confusion") or {}).items():
        head = ("True label", *labels["names"], "other")
        rows = [[name, *map(str, line)] for name, line in zip(labels["names"], counts, strict=True)]
        found.append((f"Labels given by {side}", head, rows))
    if report.get("checkpoints"):
        head = ("Step", "Loss", "Against the base", "95 % interval")
        found.append(("Checkpoints", head, [checkpoint_row(p) for p in report["checkpoints"]]))
    points = (report.get("strength") or {}).get("points") or []
    if points:
        names = list(dict.fromkeys(name for p in points for name in p.get("benchmarks") or {}))
        titles = [(report.get("benchmarks") or {}).get(name, {}).get("title", name) for name in names]
        head = ("Strength", "Loss against the base", *(f"{title} (points)" for title in titles))
        found.append(("Adapter strength", head, [strength_row(p, names) for p in points]))
    return found


def subject_row(s: Value) -> list[str]:
    d = s["difference"]
    if not isinstance(d, dict):
        d = {"difference": d, "low": None, "high": None}
    m = Measure(s["name"], "benchmarks", s["name"], "", d, "points")
    values = [side["mean"] if isinstance(side, dict) else side for side in (s["base"], s["tuned"])]
    name = s["name"].removeprefix("mmlu_").replace("_", " ")
    return [name, *map(m.plain, values), m.signed(d["difference"]), m.interval or "–", f"{s['n']:,}"]


def slice_row(s: Value) -> list[str]:
    cells = []
    for d in (s["loss"], s.get("token_f1")):
        if d is None:
            cells += ["–", "–"]
            continue
        m = Measure("", "rows", "", "", d)
        cells += [f"{m.plain(d['base'])} → {m.plain(d['tuned'])}", m.interval or "–"]
    return [s["name"] + (" (few rows)" if s.get("small") else ""), f"{s['n']:,}", *cells]


def checkpoint_row(p: Value) -> list[str]:
    d = p["difference_to_base"]
    m = Measure("", "rows", "", "", d)
    step = "unknown" if p["step"] is None else f"{p['step']:,}"
    step += " (the one that was kept)" if p.get("final") else ""
    return [step, m.plain(p["loss"]["mean"]), m.signed(d["difference"]), m.interval or "–"]


def strength_row(p: Value, names: list[str]) -> list[str]:
    return [f"{100 * p['strength']:.0f} %", _cell(p.get("heldout"), "score")] + [
        _cell((p.get("benchmarks") or {}).get(name), "points") for name in names
    ]


def _cell(d: Value | None, kind: str) -> str:
    if not d:
        return "–"
    m = Measure("", "rows", "", "", d, kind)
    return m.signed(d["difference"]) + (f" ({m.interval})" if m.known else "")


def method(report: Value) -> list[tuple[str, str]]:
    """(name, value): everything that is needed to repeat the evaluation, and to know what it was of."""
    spec, proof, about = (report.get(key) or {} for key in ("spec", "proof", "about"))
    decoding = spec.get("decoding") or {}
    how = f"temperature {decoding['temperature']}" if decoding.get("temperature") else "greedy"
    found = [
        ("Model", f"{spec.get('model')}" + (f", revision {spec['revision']}" if spec.get("revision") else "")),
        ("Rows", f"split {spec.get('split')}, maximum length {spec.get('max_length')} tokens" + _first(spec)),
    ]
    if about.get("dataset"):
        data = about["dataset"]
        found.append(("Dataset", f"version {data['version']}, content hash {data['content_hash']}"))
    limit = decoding.get("max_new_tokens")
    found.append(("Answers", f"{how}, at most {limit} new tokens, seed {decoding.get('seed')}"))
    heldout = report.get("heldout") or {}
    found += [(name, signature) for name, signature in (heldout.get("signatures") or {}).items()]
    found += [("Remark", note) for note in heldout.get("notes") or []]
    if spec.get("template"):
        found.append(("Chat template", spec["template"]))
    if spec.get("quantization", "none") != "none":
        found.append(("Quantisation", spec["quantization"]))
    found += benchmark_method(report)
    if report.get("judge"):
        judge = report["judge"]
        what = "each pair with its reference, in both orders; a verdict that follows the place is a tie"
        found.append(("Judge", f"{judge['model']} at {judge['endpoint']}: {what}"))
    if (report.get("strength") or {}).get("how"):
        found.append(("Strength", report["strength"]["how"]))
    found.append(("Intervals", "95 %, of the paired difference over rows or questions"))
    return found + _identity(report, proof)


def _first(spec: Value) -> str:
    return f", the first {spec['max_rows']:,}" if spec.get("max_rows") else ""


TESTS = {
    "mcnemar": "; p by McNemar's exact test",
    "t": "; p by the paired t-test",
    "clustered": "; p by a t-test with the jackknife over subjects (CR3)",
    "ratio": "; p by a t-test with the jackknife over texts",
}


def benchmark_method(report: Value) -> list[tuple[str, str]]:
    spec, found = report.get("spec") or {}, []
    for key, task in (report.get("benchmarks") or {}).items():
        drawn = "all" if task.get("available") in (None, task["n"]) else f"drawn at random of {task['available']:,}"
        lm_eval = f"lm-eval {task['lm_eval']}, " if task.get("lm_eval") else ""
        text = f"{lm_eval}task {key} version {task.get('version')}, {task.get('shots', 0)}-shot, {task['metric']}"
        text += f", answers read by the filter {task['filter']}" if task.get("filter") else ""
        text += ", in the model's chat template" if task.get("chat_template") else ""
        text += f", {task['n']:,} questions ({drawn}), seed {task.get('seed', spec.get('seed'))}"
        text += _source(task.get("source") or {})
        text += TESTS.get(task.get("test"), "")
        text += _early(task)
        found.append((task.get("title", key), text + (f". {ABOUT[key]}" if key in ABOUT else "")))
    if len(found) > 1:
        found.append(("Several benchmarks", "p-values corrected for their number by Holm's method (1979)"))
    return found


def _early(task: Value) -> str:
    """What makes an interval hold that was looked at several times; see `sequential`."""
    if "looks" not in task:
        return ""
    looks = count(task["looks"], "look")
    return f"; interval by an asymptotic confidence sequence (Waudby-Smith et al., 2024), {looks}; p is of one look"


def _source(source: Value) -> str:
    if "hub" in source:
        return f", from {source['hub']} on the Hub, commit {source.get('revision') or 'unknown'}"
    return f", from the folder {source['folder']}" if source else ""


def _identity(report: Value, proof: Value) -> list[tuple[str, str]]:
    found = []
    if proof.get("adapter_off_equals_plain_model"):
        text = "one copy of the weights; with the adapter off its output equals the plain model's exactly"
        found.append(("Both sides are", text))
    elif proof.get("copies") == 2:
        text = "all weights were trained: base and tuned are two models, and the base is the one it began with"
        found.append(("Both sides", text))
    for key, name in (("base_weights_sha256", "Base weights SHA-256"), ("adapter_sha256", "Adapter SHA-256")):
        if proof.get(key):
            found.append(("Trained model SHA-256" if key[0] == "a" and proof.get("copies") == 2 else name, proof[key]))
    environment = report.get("environment") or {}
    if environment:
        versions = {"python": environment.get("python"), **environment.get("versions", {})}
        found.append(("Versions", ", ".join(f"{name} {version}" for name, version in versions.items() if version)))
        where = [environment.get("device"), environment.get("dtype")]
        threads = f"{environment['threads']} threads" if environment.get("threads") else None
        found.append(("Device", ", ".join(str(part) for part in (*where, threads) if part)))
    if report.get("seconds"):
        found.append(("Seconds", ", ".join(f"{phase} {s:g}" for phase, s in report["seconds"].items())))
    return found


def questions(report: Value) -> str:
    """What the command cannot say of the benchmarks' questions: their commit on the Hub, or their folder; else ""."""
    sources = [task.get("source") or {} for task in (report.get("benchmarks") or {}).values()]
    hub = {s["hub"]: s.get("revision") for s in sources if s.get("hub")}
    lines = []
    if hub:
        named = listed(f"{name} at commit {commit or 'unknown'}" for name, commit in hub.items())
        lines.append(f"The command asks the newest questions on the Hub; these were {named}.")
    if any("folder" in s for s in sources):
        lines.append("Put your folder of benchmark files in the place of BENCHMARKS.")
    return " ".join(lines)


def size_of(spec: Value) -> list[str]:
    if spec.get("size"):
        return ["--size", spec["size"]]
    return ["--items", str(spec["benchmark_limit"])] if spec.get("benchmark_limit") else ["--size", "full"]
