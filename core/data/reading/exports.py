"""Records that tools export (Argilla, Label Studio, Prodigy, Tunewright) → rows: what was labelled, and the labels.

Known by their keys. A record that people rejected, skipped or did not answer is no row, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from core.data.columns.choice import is_missing, parsed
from core.data.reading.table import Reading, Source, Table

Row = dict[str, Any]
_PRODIGY = ("_input_hash", "_task_hash", "_view_id", "_session_id", "_annotator_id")
_VERDICTS = ("accept", "reject", "ignore")
_LABELS = frozenset(("evaluation_id", "example_id", "reference", "verdict", "correction"))
_ROWS = frozenset(("id", "messages", "target", "split", "row"))
_STUDIO = frozenset(("annotation_id", "lead_time"))


def rows(tables: Iterator[Table], source: Source) -> Iterator[Table]:
    """The same rows; records of a labelling tool as rows."""
    convert: Callable[[Row, int, Reading], Row | None] | None = None
    first = True
    for table in tables:
        if first and table.rows:
            first = False
            tool, convert = _tool(table.rows)
            if tool:
                source.reading.tell("note", f"The file is an export of {tool}; its records became rows.")
        if convert is None:
            yield table
            continue
        made = [(convert(row, n, source.reading), n) for row, n in zip(table.rows, table.numbers, strict=True)]
        yield Table([row for row, _ in made if row is not None], [n for row, n in made if row is not None])


def _tool(rows: list[Row]) -> tuple[str, Callable[[Row, int, Reading], Row | None] | None]:
    """Which tool wrote records like these, and what makes rows of them."""
    some = rows[:20]
    for name, known, convert in (
        ("labels of Tunewright", lambda row: row.keys() >= _LABELS, _of_own_labels),
        ("rows of Tunewright", lambda row: row.keys() >= _ROWS, _of_own_row),
        ("Argilla", _is_argilla, _of_argilla),
        ("Argilla", _is_flat_argilla, _of_flat_argilla),
        ("Label Studio", _is_studio, _of_studio),
        ("Label Studio", lambda row: row.keys() >= _STUDIO, _of_flat_studio),
        ("Prodigy", _is_prodigy, _of_prodigy),
    ):
        if all(known(row) for row in some):
            return name, convert
    return "", None


# Argilla


def _is_argilla(row: Row) -> bool:
    return isinstance(row.get("fields"), dict) and ("responses" in row or "suggestions" in row)


def _of_argilla(row: Row, number: int, reading: Reading) -> Row | None:
    """Records as `to_json` of Argilla 2 writes them, and those of Argilla 1."""
    responses: dict[str, list[Any]] = {}
    discarded = 0
    given = row.get("responses") or []
    if isinstance(given, dict):  # Argilla 2: question → [{"value": …, "user_id": …}]
        for question, answers in given.items():
            for answer in answers if isinstance(answers, list) else [answers]:
                value = answer.get("value") if isinstance(answer, dict) else answer
                status = answer.get("status") if isinstance(answer, dict) else None
                discarded += status in ("discarded", "draft")
                if status not in ("discarded", "draft") and not is_missing(value):
                    responses.setdefault(question, []).append(value)
    for answer in given if isinstance(given, list) else ():  # Argilla 1: [{"status": …, "values": …}]
        if not isinstance(answer, dict) or answer.get("status") in ("discarded", "draft"):
            discarded += 1
            continue
        for question, value in (answer.get("values") or {}).items():
            value = value.get("value") if isinstance(value, dict) else value
            if not is_missing(value):
                responses.setdefault(question, []).append(value)
    suggested = _suggestions(row.get("suggestions") or {})
    return _answered(dict(row["fields"]), responses, suggested, discarded, row, number, reading)


def _suggestions(given: Any) -> dict[str, Any]:
    if isinstance(given, list):
        given = {s.get("question_name"): s for s in given if isinstance(s, dict)}
    if not isinstance(given, dict):
        return {}
    values = {str(name): s.get("value") if isinstance(s, dict) else s for name, s in given.items() if name}
    return {name: value for name, value in values.items() if not is_missing(value)}


def _answered(
    fields: Row,
    responses: dict[str, list[Any]],
    suggested: dict[str, Any],
    discarded: int,
    record: Row,
    number: int,
    reading: Reading,
) -> Row | None:
    """What was asked, with what most people answered; where nobody did, with what a model suggested."""
    if not responses and (discarded or record.get("status") == "discarded"):
        reading.count_unused("discarded or left as drafts in Argilla", number)
        return None
    if not responses and not suggested:
        reading.count_unused("without a response in Argilla", number)
        return None
    if not responses:
        what = "Records without a response have the value that a model suggested; nobody has confirmed it."
        reading.tell("warning", what, "Answer them in Argilla and export again, where only people's answers are meant.")
    metadata = record.get("metadata") if isinstance(record.get("metadata"), dict) else {}
    beside = {name: value for name, value in {"id": record.get("id"), **(metadata or {})}.items() if name not in fields}
    return {**fields, **suggested, **{name: _most(values) for name, values in responses.items()}, **beside}


def _most(values: list[Any]) -> Any:
    """What most people said, the first of them where they disagree; several labels of one person in one text."""
    texts = [", ".join(v) if isinstance(v, list) and all(isinstance(x, str) for x in v) else v for v in values]
    counts = Counter(map(repr, texts))
    return max(texts, key=lambda text: counts[repr(text)])


def _is_flat_argilla(row: Row) -> bool:
    return any(name.endswith((".responses", ".suggestion")) for name in row) and (
        "status" in row or "_server_id" in row or any(name.endswith(".responses.status") for name in row)
    )


def _of_flat_argilla(row: Row, number: int, reading: Reading) -> Row | None:
    """Records as Argilla 2 pushes them to the Hub: label.responses, label.responses.status, label.suggestion …"""
    questions = {name.rsplit(".", 1)[0] for name in row if name.endswith((".responses", ".suggestion"))}
    responses: dict[str, list[Any]] = {}
    suggested: dict[str, Any] = {}
    discarded = 0
    for question in questions:
        values, states = row.get(f"{question}.responses") or [], row.get(f"{question}.responses.status") or []
        values = values if isinstance(values, list) else [values]
        for i, value in enumerate(values):
            state = states[i] if isinstance(states, list) and i < len(states) else "submitted"
            discarded += state != "submitted"
            if state == "submitted" and not is_missing(value):
                responses.setdefault(question, []).append(value)
        if not is_missing(row.get(f"{question}.suggestion")):
            suggested[question] = row[f"{question}.suggestion"]
    own = ("id", "_server_id", "status")
    begins = tuple(f"{q}.{kind}" for q in questions for kind in ("responses", "suggestion"))
    fields = {name: value for name, value in row.items() if name not in own and not name.startswith(begins)}
    return _answered(fields, responses, suggested, discarded, row, number, reading)


# Label Studio


def _is_studio(row: Row) -> bool:
    return isinstance(row.get("data"), dict) and isinstance(row.get("annotations", row.get("completions")), list)


def _of_studio(row: Row, number: int, reading: Reading) -> Row | None:
    annotations = [a for a in row.get("annotations", row.get("completions")) or [] if isinstance(a, dict)]
    done = [a for a in annotations if not a.get("was_cancelled")]
    if not done:
        why = "skipped in Label Studio" if annotations else "without an annotation in Label Studio"
        reading.count_unused(why, number)
        return None
    if len(done) > 1:
        what = "Records with several annotations have that which is marked as ground truth, else the first."
        reading.tell("note", what)
    chosen = next((a for a in done if a.get("ground_truth")), done[0])
    values: dict[str, list[Any]] = {}
    for region in chosen.get("result") or []:
        if isinstance(region, dict) and isinstance(region.get("value"), dict):
            values.setdefault(str(region.get("from_name", region.get("type"))), []).append(_of_region(region))
    labels = {name: found[0] if len(found) == 1 else found for name, found in values.items()}
    return {**row["data"], **labels, **({"id": row["id"]} if "id" in row and "id" not in row["data"] else {})}


def _of_region(region: Row) -> Any:
    """One answer of a person: a label, a text, a number; a part of a text with its label as it is."""
    kind, value = str(region.get("type", "")), region["value"]
    inner = value.get({"textarea": "text", "pairwise": "selected"}.get(kind, kind))
    if "start" in value or is_missing(inner):
        return value
    return _one_text(inner)


def _one_text(value: Any) -> Any:
    """Several labels in one text; a list of lists (a taxonomy) by their paths."""
    if not isinstance(value, list):
        return value
    texts = [" / ".join(map(str, v)) if isinstance(v, list) else v for v in value]
    return ", ".join(texts) if all(isinstance(text, str) for text in texts) else value


def _of_flat_studio(row: Row, number: int, reading: Reading) -> Row | None:
    """Records as JSON_MIN and CSV have them: labels in columns already, several of one in an object."""
    return {
        name: _one_text(value["choices"]) if isinstance(value, dict) and value.keys() == {"choices"} else value
        for name, value in row.items()
    }


# Tunewright


def _of_own_labels(row: Row, number: int, reading: Reading) -> Row | None:
    """What people said of a row's answers: the corrected answer is trained where there is one, else the file's."""
    what = "The labels are of test rows. A model that is trained on them cannot be measured on these rows any more."
    reading.tell("warning", what, "Corrections go into the project's own next version by Error review, without that.")
    answer = row.get("correction") or row.get("reference")
    if is_missing(answer) or is_missing(row.get("prompt")):
        reading.count_unused("without a prompt or an answer", number)
        return None
    names = {"base", "tuned", "verdict", "note", "annotator", "created", "evaluation_id", "example_id", "row"}
    return {"prompt": row["prompt"], "answer": answer, **{name: row[name] for name in row if name in names}}


def _of_own_row(row: Row, number: int, reading: Reading) -> Row | None:
    """A row of a dataset version, as its Parquet file or `Example.to_dict` has it."""
    more = {**_of_json(row.get("more")), **{k: row[k] for k in ("answer", "tools", "references") if row.get(k)}}
    messages = _list_of_json(row.get("messages"))
    if not messages and row.get("prompt"):
        messages = [{"role": "user", "content": row["prompt"]}]
    beside = {**_of_json(row.get("meta")), "split": row["split"]}
    target = row.get("target") or ""
    if not messages:
        return {**beside, "text": target}
    if more.get("tools"):
        beside["tools"] = more["tools"]
    if row.get("rejected"):
        return {**beside, "prompt": messages, "chosen": target, "rejected": row["rejected"]}
    if row.get("good") is not None:
        return {**beside, "prompt": messages, "answer": target, "mark": row["good"]}
    answer = {"role": "assistant", "content": target, **(more.get("answer") or {})}
    return {**beside, "messages": [*messages, answer]}


def _of_json(value: Any) -> Row:
    value = parsed(value)
    return value if isinstance(value, dict) else {}


def _list_of_json(value: Any) -> list[Any]:
    value = parsed(value)
    return value if isinstance(value, list) else []


# Prodigy


def _is_prodigy(row: Row) -> bool:
    return row.get("answer") in _VERDICTS and any(key in row for key in _PRODIGY)


def _of_prodigy(row: Row, number: int, reading: Reading) -> Row | None:
    if row.get("answer") != "accept":
        verdict = "rejected" if row.get("answer") == "reject" else "ignored"
        reading.count_unused(f"{verdict} in Prodigy", number)
        return None
    kept = {name: value for name, value in row.items() if name != "answer" and not name.startswith("_")}
    if isinstance(row.get("options"), list) and isinstance(row.get("accept"), list):
        texts = {o["id"]: str(o.get("text", o["id"])) for o in row["options"] if _is_option(o)}
        chosen = [texts.get(i, str(i)) for i in row["accept"] if isinstance(i, str | int)]
        if not chosen:
            reading.count_unused("accepted in Prodigy without an option", number)
            return None
        kept = {name: value for name, value in kept.items() if name not in ("options", "accept")}
        kept["label" if "label" not in kept else "choice"] = ", ".join(chosen)
    return kept


def _is_option(option: Any) -> bool:
    return isinstance(option, dict) and isinstance(option.get("id"), str | int)
