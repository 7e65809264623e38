"""An evaluation's report as sentences and as Markdown. Reads the dict that `run.evaluate` makes; computes nothing new.

Where an interval contains 0 the sentence says that no difference can be told: a number alone would mislead.
"""

from __future__ import annotations

from typing import Any

Value = dict[str, Any]

TEXT_METRICS = {
    "token_f1": "The words shared with your answers (token F1)",
    "rouge_l": "The word order shared with your answers (ROUGE-L)",
    "exact_match": "The share of answers equal to yours (exact match)",
}


def summarise(report: dict[str, Any]) -> list[str]:
    """The findings, one sentence or two each, the most important first. Works on a report that was stopped early."""
    heldout = report.get("heldout") or {}
    lines = [_loss(heldout)] if heldout.get("difference") else []
    if heldout.get("skipped"):
        lines.append(f"{_count(heldout['skipped'], 'row')} could not be measured: no answer within the maximum length.")
    lines += [
        _sentence(title, heldout[key]["difference"], _points, _signed_points, "rows")
        for key, title in TEXT_METRICS.items()
        if heldout.get(key)
    ]
    for task in (report.get("benchmarks") or {}).values():
        lines += _benchmark(task)
    lines += [f"{p['what']} {p['fix']}".strip() for p in report.get("problems", [])]
    return lines


def to_markdown(report: dict[str, Any]) -> str:
    """A whole page: the sentences, a table of all measures, and how they were made."""
    parts = ["# Base against tuned", "", *(f"- {line}" for line in summarise(report))]
    rows = [*_heldout_rows(report.get("heldout") or {}), *_benchmark_rows(report.get("benchmarks") or {})]
    if rows:
        head = ("Measure", "Base", "Tuned", "Difference", "95 % interval", "n")
        parts += ["", _table_row(head), _table_row(["---", *["---:"] * 5]), *map(_table_row, rows)]
    return "\n".join([*parts, "", "## How it was measured", "", *_method(report), ""])


def _loss(heldout: Value) -> str:
    n = heldout["rows"]
    where = f"On your {_count(n, 'test row')} the loss"
    return _sentence(where, heldout["difference"], _two, _signed, "rows", by_number=False)


def _benchmark(task: Value) -> list[str]:
    """What changed, then which items and what so many of them can show."""
    difference = task["metrics"][task["metric"]]["difference"]
    shots = f"{task['shots']}-shot"
    title = f"{task['title']} (lm-eval {task['lm_eval']}, task version {task['version']}, {shots}, {task['metric']})"
    lines = [_sentence(title, difference, _percent, _signed_points, "questions")]
    if "mcnemar" in task:
        flips = task["mcnemar"]
        lines.append(
            f"{task['title']}: {_count(flips['lost'], 'question')} lost, {flips['gained']} gained, "
            f"{flips['unchanged']} unchanged (McNemar's exact p = {_p(flips['p'])}). So many questions usually show a "
            f"difference of {100 * task['minimum_detectable_difference']:.1f} points or more."
        )
    if task.get("truncated"):
        lines.append(f"{task['title']}: {_count(task['truncated'], 'choice')} cut at the beginning to fit the model.")
    return lines


def _sentence(subject: str, d: Value, plain, signed, items: str, by_number: bool = True) -> str:
    before, after = plain(d["base"]), plain(d["tuned"])
    n = _count(d["n"], items.removesuffix("s"))
    on = f" on {n}" if by_number else ""
    if d["low"] is None:
        change = f"difference {signed(d['difference'])}; one alone gives no interval"
        return f"{subject} went from {before} to {after}{on} ({change})."
    interval = f"difference {signed(d['difference'])}, 95 % interval {signed(d['low'])} to {signed(d['high'])}"
    if d["low"] <= 0 <= d["high"]:
        return f"{subject} went from {before} to {after}{on} ({interval}): no difference can be told with {n}."
    return f"{subject} {'rose' if d['difference'] > 0 else 'fell'} from {before} to {after}{on} ({interval})."


def _heldout_rows(heldout: Value) -> list[list[str]]:
    rows = []
    if heldout.get("difference"):
        rows.append(_row("Loss per token (nats)", heldout["difference"], _two, _signed))
        perplexity = [f"{heldout[side]['perplexity']:,.1f}" for side in ("base", "tuned")]
        rows.append(["Perplexity", *perplexity, "", "", str(heldout["rows"])])
    names = {"token_f1": "Token F1 (%)", "rouge_l": "ROUGE-L (%)", "exact_match": "Exact match (%)"}
    rows += [_row(name, heldout[k]["difference"], _points, _signed_points) for k, name in names.items() if k in heldout]
    return rows


def _benchmark_rows(benchmarks: Value) -> list[list[str]]:
    return [
        _row(f"{task['title']} {metric} (%)", values["difference"], _points, _signed_points)
        for task in benchmarks.values()
        for metric, values in task["metrics"].items()
    ]


def _row(title: str, d: Value, plain, signed) -> list[str]:
    interval = "" if d["low"] is None else f"{signed(d['low'])} to {signed(d['high'])}"
    return [title, plain(d["base"]), plain(d["tuned"]), signed(d["difference"]), interval, str(d["n"])]


def _table_row(cells) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _method(report: dict[str, Any]) -> list[str]:
    spec, proof = report.get("spec") or {}, report.get("proof") or {}
    decoding = spec.get("decoding") or {}
    how = f"temperature {decoding['temperature']}" if decoding.get("temperature") else "greedy"
    lines = [
        f"- Model: {spec.get('model')}" + (f", revision {spec['revision']}" if spec.get("revision") else ""),
        f"- Rows: split {spec.get('split')}, maximum length {spec.get('max_length')} tokens",
        f"- Answers: {how}, at most {decoding.get('max_new_tokens')} new tokens, seed {decoding.get('seed')}",
        "- Intervals: over rows or questions, of the paired difference (Student's t; Bonett and Price for right/wrong)",
    ]
    if proof.get("adapter_off_equals_plain_model"):
        lines.append(
            "- Both sides are one copy of the weights; with the adapter off its output equals the plain model's exactly"
        )
        lines.append(f"- Base weights SHA-256: {proof['base_weights_sha256']}")
        lines.append(f"- Adapter SHA-256: {proof['adapter_sha256']}")
    elif proof.get("copies") == 2:
        lines.append("- All weights were trained: base and tuned are two models, and the base is the one it began with")
        lines.append(f"- Base weights SHA-256: {proof['base_weights_sha256']}")
        lines.append(f"- Trained model SHA-256: {proof['adapter_sha256']}")
    return lines


def _two(x: float) -> str:
    return f"{x:,.2f}"


def _signed(x: float) -> str:
    return _with_sign(f"{abs(x):,.2f}", x)


def _points(x: float) -> str:
    return f"{100 * x:.1f}"


def _percent(x: float) -> str:
    return f"{100 * x:.1f} %"


def _signed_points(x: float) -> str:
    return _with_sign(f"{abs(100 * x):.1f}", x)


def _with_sign(text: str, x: float) -> str:
    if not float(text.replace(",", "")):
        return text
    return ("−" if x < 0 else "+") + text


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}".rstrip("0").rstrip(".")


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
