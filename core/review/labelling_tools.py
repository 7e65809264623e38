"""A labelled item as Argilla 2 and Label Studio import it: an item a record, an annotator a response.

Both know errors as a question with several answers for each side, and the verdict as one with one answer. An answer
that somebody judged and found without error says CLEAN, because neither tool stores an empty answer.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

from core.types import REFERENCE, REFERENCE_WRONG, SIDES, Example, Generation, LabelEvent, Suggestion

CLEAN = "no_error"
VERDICTS = ("base", "tuned", "tie", "both_bad")
Labelled = tuple[Example | None, dict[str, Generation], dict[str, list[Suggestion]], list[LabelEvent]]
"""(row, where it is still there; side → answer; side → what detectors say of it; labels, one of an annotator)"""


def user_id(annotator: str) -> str:
    """A UUID that stands for an annotator in Argilla, the same in every export."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tunewright:{annotator}"))


def _fields(example: Example | None, generations: dict[str, Generation]) -> dict[str, str]:
    asked = {"prompt": example.prompt if example else "", "reference": example.target if example else ""}
    return asked | {side: generations[side].text if side in generations else "" for side in SIDES}


def _errors(event: LabelEvent, side: str) -> list[str]:
    marks = event.labels.get(side, {})
    present = [label for label, mark in marks.items() if mark == "present"]
    return present or ([CLEAN] if "absent" in marks.values() else [])


def argilla_record(
    example: Example | None,
    generations: dict[str, Generation],
    suggestions: dict[str, list[Suggestion]],
    events: list[LabelEvent],
) -> dict[str, Any]:
    """As `Dataset.records.to_json` of Argilla 2 writes one, and `from_json` reads it.

    Fields prompt, base, tuned and reference (texts); questions verdict (a label), base_errors and tuned_errors
    (labels), reference_wrong (yes), correction and note (texts).
    """
    of_now = [event for event in events if _is_of(event, generations)]
    responses: dict[str, list[dict[str, Any]]] = {}
    for event in _one_of_each(of_now):
        for question, value in _values(event).items():
            responses.setdefault(question, []).append({"value": value, "user_id": user_id(event.annotator)})
    suggested = {}
    for side in SIDES:
        flagged = [s for s in suggestions.get(side, []) if s.flagged]
        if flagged:
            agents = ", ".join(sorted({s.detector for s in flagged}))
            values, scores = [s.label for s in flagged], [s.score for s in flagged]
            suggested[f"{side}_errors"] = {"value": values, "score": scores, "agent": agents}
    about = {"row": example.row, "split": example.split} if example else {}
    return {
        "id": events[0].example_id,
        "fields": _fields(example, generations),
        "metadata": {"evaluation": events[0].evaluation_id, **about, "annotators": _names(of_now)},
        "suggestions": suggested,
        "responses": responses,
        "vectors": {},
    }


def _names(events: Iterable[LabelEvent]) -> list[str]:
    return list(dict.fromkeys(event.annotator for event in events))


def _values(event: LabelEvent) -> dict[str, Any]:
    said: dict[str, Any] = {f"{side}_errors": _errors(event, side) for side in SIDES}
    said["verdict"] = event.verdict if event.verdict in VERDICTS else None
    wrong = event.labels.get(REFERENCE, {}).get(REFERENCE_WRONG) == "present"
    said |= {REFERENCE_WRONG: "yes" if wrong else None, "correction": event.correction, "note": event.note}
    return {question: value for question, value in said.items() if value}


def _one_of_each(events: list[LabelEvent]) -> list[LabelEvent]:
    """A tool knows one answer of a person: who also settled the item is heard with that."""
    newest = {event.annotator: event for event in sorted(events, key=lambda e: e.act == "adjudicate")}
    return list(newest.values())


def _is_of(event: LabelEvent, generations: dict[str, Generation]) -> bool:
    """Is the label of the texts that are written beside it?"""
    return all(side in generations and generations[side].id == id_ for side, id_ in event.generation_ids.items())


def label_studio_task(
    example: Example | None,
    generations: dict[str, Generation],
    suggestions: dict[str, list[Suggestion]],
    events: list[LabelEvent],
) -> dict[str, Any]:
    """A task with its annotations and what detectors predict, for a project with `label_studio_config`."""
    texts = _fields(example, generations)
    of_now = [event for event in events if _is_of(event, generations)]
    about = {"row": example.row if example else None, "example_id": events[0].example_id}
    task: dict[str, Any] = {
        "data": {**texts, **about, "evaluation_id": events[0].evaluation_id},
        "annotations": [_annotation(event, texts) for event in _one_of_each(of_now)],
    }
    flagged = [(side, s) for side in SIDES for s in suggestions.get(side, []) if s.flagged]
    if flagged:
        errors = {side: [s.label for of, s in flagged if of == side] for side in SIDES}
        results = [_choice(f"{side}_errors", side, labels) for side, labels in errors.items() if labels]
        for side, s in flagged:
            results += [_place(side, s.label, span, texts[side]) for span in s.spans if span[0] < span[1]]
        score = max(s.score for _, s in flagged)
        version = ", ".join(sorted({s.detector for _, s in flagged}))
        task["predictions"] = [{"model_version": version, "score": score, "result": results}]
    return task


def _annotation(event: LabelEvent, texts: dict[str, str]) -> dict[str, Any]:
    results = []
    if event.verdict in VERDICTS:
        results.append(_choice("verdict", "prompt", [event.verdict]))
    for side in SIDES:
        if errors := _errors(event, side):
            results.append(_choice(f"{side}_errors", side, errors))
        for label, spans in event.spans.get(side, {}).items():
            results += [_place(side, label, span, texts[side]) for span in spans]
    if event.labels.get(REFERENCE, {}).get(REFERENCE_WRONG) == "present":
        results.append(_choice(REFERENCE_WRONG, REFERENCE, ["yes"]))
    for name in ("correction", "note"):
        if text := getattr(event, name):
            results.append(_result(name, "prompt", "textarea", {"text": [text]}))
    meta = {"annotator": event.annotator, "act": event.act, "blind": event.blind}
    return {"result": results, "lead_time": event.seconds, "created_at": event.created, "meta": meta}


def _choice(name: str, to: str, chosen: list[str]) -> dict[str, Any]:
    return _result(name, to, "choices", {"choices": chosen})


def _place(side: str, label: str, span: tuple[int, int], text: str) -> dict[str, Any]:
    """Label Studio counts as JavaScript does, in 16-bit units: a character of an emoji is two."""
    start, end = (len(text[:at].encode("utf-16-le", "surrogatepass")) // 2 for at in span)
    value = {"start": start, "end": end, "text": text[span[0] : span[1]], "labels": [label]}
    return _result(f"{side}_places", side, "labels", value)


def _result(name: str, to: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"id": uuid.uuid4().hex[:10], "from_name": name, "to_name": to, "type": kind, "value": value}


def label_studio_config(labels: Sequence[str]) -> str:
    """The labelling interface, as XML."""
    view = ElementTree.Element("View")
    for name in ("prompt", *SIDES, REFERENCE):
        ElementTree.SubElement(view, "Header", value=name.capitalize())
        ElementTree.SubElement(view, "Text", name=name, value=f"${name}")
    for side in SIDES:
        places = ElementTree.SubElement(view, "Labels", name=f"{side}_places", toName=side)
        errors = ElementTree.SubElement(view, "Choices", name=f"{side}_errors", toName=side, choice="multiple")
        for label in labels:
            ElementTree.SubElement(places, "Label", value=label)
            ElementTree.SubElement(errors, "Choice", value=label)
        ElementTree.SubElement(errors, "Choice", value=CLEAN)
    wrong = ElementTree.SubElement(view, "Choices", name=REFERENCE_WRONG, toName=REFERENCE, choice="single")
    ElementTree.SubElement(wrong, "Choice", value="yes")
    verdict = ElementTree.SubElement(view, "Choices", name="verdict", toName="prompt", choice="single")
    for each in VERDICTS:
        ElementTree.SubElement(verdict, "Choice", value=each)
    for name in ("correction", "note"):
        ElementTree.SubElement(view, "TextArea", name=name, toName="prompt", maxSubmissions="1", editable="true")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"
