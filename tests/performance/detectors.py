"""Precision and recall of the detectors, on texts that they were tuned on and on texts that they were not.

python -m tests.performance.detectors [FOLDER]   (FOLDER: real data, with review/predictions.jsonl and misspellings.tsv)

`outputs.jsonl` beside the detectors' tests: 201 outputs with their labels, written by hand for this purpose after what
small models do (loops, run-on into a next turn, broken JSON, slips of spelling), in six languages, beside right answers
of kinds that look like errors: a refrain, tags, a weekly plan, quoted misspellings. Thresholds and rules were changed
by what the half “tuned” showed; of “held” only the figures were seen meanwhile, not the texts. Whoever wrote the texts
knew the detectors, so that real outputs may be harder. `clean.jsonl`: right answers of many kinds.

In FOLDER nobody labelled the outputs, so errors are put into a tuned model's answers: a real misspelling, an end that
comes three times more, a next turn, another answer in its place, an end that is missing. The answer as it was is taken
as right, which it not always is.

Prints, last, one JSON line.
"""

from __future__ import annotations

import csv
import json
import random
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.review.detectors import dictionary, form, suggesting
from core.review.detectors.fitting import Accuracy, accuracy
from core.statistics.bounds import of_rate
from core.types import SUGGESTED_LABELS, Example, Generation

TEXTS = Path(__file__).parents[1] / "core" / "review" / "detectors"
ROWS_PER_LABEL = 10


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (TEXTS / name).read_text(encoding="utf-8").splitlines()]


def example(prompt: str, target: str = "", row: int = 1) -> Example:
    return Example(({"role": "user", "content": prompt},), target, row)


def suggested(learnt: suggesting.Detectors, row: Example, text: str, finish: str = "stop") -> dict[str, Any]:
    """Label → suggestion."""
    generation = Generation(row.id, "tuned", text, len(text.split()), finish, 0.0)  # type: ignore[arg-type]
    return {s.label: s for s in suggesting.suggest(learnt, row, generation)}


def judged(items: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(output, label → suggestion), each half with what the prompts and references of the other half teach."""
    found = []
    for half in ("tuned", "held"):
        train = [example(o["prompt"], o["reference"], n) for n, o in enumerate(items, 1) if o["half"] != half]
        learnt = suggesting.prepare(train)
        for o in items:
            if o["half"] == half:
                known = learnt
                if "answers" in o:
                    known = replace(learnt, form=form.learn(o["answers"] * ROWS_PER_LABEL))
                found.append((o, suggested(known, example(o["prompt"], o["reference"]), o["output"], o["finish"])))
    return found


def of_outputs(half: str) -> dict[str, Accuracy]:
    found = [(o, s) for o, s in judged(lines("outputs.jsonl")) if o["half"] == half]
    return {
        label: accuracy([(s[label].score, label in o["labels"]) for o, s in found], suggesting.DEFAULTS[label])
        for label in SUGGESTED_LABELS
    }


def alarms_of_right(half: str) -> dict[str, list[str]]:
    """Label → right outputs that it flags."""
    found = [(o, s) for o, s in judged(lines("outputs.jsonl")) if o["half"] == half and not o["labels"]]
    return {label: [o["output"] for o, s in found if s[label].flagged] for label in SUGGESTED_LABELS}


def alarms_of_clean() -> tuple[dict[str, list[str]], int]:
    """Label → clean texts that it flags, and of how many. Without references, as in a chat."""
    texts = lines("clean.jsonl")
    learnt = suggesting.prepare([example(t["prompt"], t["answer"], n) for n, t in enumerate(texts, 1)])
    # Their own words and lengths teach nothing here: only what is a topic.
    blank = replace(suggesting.prepare([]), letters=learnt.letters)
    found = [(t["answer"], suggested(blank, example(t["prompt"]), t["answer"])) for t in texts]
    return {label: [a for a, s in found if s[label].flagged] for label in SUGGESTED_LABELS}, len(texts)


def of_folder(folder: Path) -> dict[str, Accuracy]:
    """Errors put into real answers, beside the answers as they were."""
    draw = random.Random(0)
    read = [json.loads(line) for line in (folder / "review/predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [example(f"{p['instruction']}\n{p['input']}".strip(), p["reference"], n) for n, p in enumerate(read, 1)]
    learnt = suggesting.prepare(rows[::2])
    typos = _typos(folder / "review/misspellings.tsv")
    # What was taught is no test. The tuned model's answer is what is broken: the reference would be its own reference.
    held = [(row, p["tuned"].strip()) for row, p in zip(rows[1::2], read[1::2], strict=True)]
    held = [(row, text) for row, text in held if 6 <= len(text.split()) <= 150]
    spoilt: dict[str, Callable[[int], str | None]] = {
        "misspelling": lambda i: _with_typo(held[i][1], typos, draw),
        "repetition": lambda i: held[i][1] + (" " + " ".join(held[i][1].split()[-8:])) * 3,
        "too_long": lambda i: held[i][1] + "\n\n### Instruction:\n" + held[(i + 5) % len(held)][0].prompt,
        "off_topic": lambda i: held[(i + 7) % len(held)][1],
        "wrong_format": lambda i: draw.choice(
            ["", "As an AI language model, I cannot do this.", "<|assistant|> " + held[i][1]]
        ),
        "cut_off": lambda i: _half(held[i][1]),
    }
    found = {}
    for label, spoil in spoilt.items():
        pairs = []
        for i, (row, text) in enumerate(held):
            broken = spoil(i)
            if broken is not None:
                pairs.append((suggested(learnt, row, text)[label].score, False))
                pairs.append((suggested(learnt, row, broken)[label].score, True))
        found[label] = accuracy(pairs, suggesting.DEFAULTS[label])
    return found


def references_flagged(folder: Path) -> tuple[dict[str, int], int]:
    """Experts' answers, each without a reference of its own, that are flagged."""
    read = [json.loads(line) for line in (folder / "review/predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [example(f"{p['instruction']}\n{p['input']}".strip(), p["reference"], n) for n, p in enumerate(read, 1)]
    learnt = suggesting.prepare(rows[::2])
    found = [suggested(learnt, example(row.prompt), row.target) for row in rows[1::2]]
    return {label: sum(s[label].flagged for s in found) for label in SUGGESTED_LABELS}, len(found)


def _typos(path: Path) -> dict[str, list[str]]:
    """Right word → misspellings one or two letters away that are no words themselves."""
    found: dict[str, list[str]] = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            wrong, right = row["misspelling"], row["correction"]
            plain = wrong.isascii() and wrong.isalpha() and wrong.islower() and right.islower() and len(right) > 3
            if row["distance"] == "1" and plain and wrong not in dictionary.counts():
                found.setdefault(right, []).append(wrong)
    return found


def _half(text: str) -> str | None:
    """Up to the middle of a sentence of prose; None where there is none."""
    if "\n" in text or len(re.findall(r"[a-z]\. [A-Z]", text)) < 2:
        return None
    return text[: text.index(" ", text.rindex(". ") + 3 + (len(text) - text.rindex(". ")) // 2 - 1)] if text else None


def _with_typo(text: str, typos: dict[str, list[str]], draw: random.Random) -> str | None:
    words = [m for m in re.finditer(r"\b[a-z]{4,}\b", text) if m.group() in typos]
    if not words:
        return None
    word = draw.choice(words)
    return text[: word.start()] + draw.choice(typos[word.group()]) + text[word.end() :]


def _told(title: str, found: dict[str, Accuracy]) -> None:
    print(f"\n{title}")
    for label, a in found.items():
        print(
            f"  {label:13} precision {_share(a.right, a.flagged)}   recall {_share(a.right, a.present)}   of {a.labels}"
        )


def _share(k: int, n: int) -> str:
    if not n:
        return "-- (none)" + " " * 17
    low, high = of_rate(k, n)
    return f"{k / n:.2f} [{low:.2f}, {high:.2f}] {k:3}/{n:<3}"


def _figures(found: dict[str, Accuracy]) -> dict[str, list[float | None]]:
    return {
        label: [a.precision and round(a.precision, 3), a.recall and round(a.recall, 3)] for label, a in found.items()
    }


def _counts(found: Iterable[tuple[str, list[str]]]) -> dict[str, int]:
    return {label: len(texts) for label, texts in found}


def main(folder: Path | None) -> None:
    result: dict[str, Any] = {}
    for half in ("tuned", "held"):
        found = of_outputs(half)
        _told(f"Outputs, half “{half}”", found)
        result[half] = _figures(found)
        result[f"{half}_right_flagged"] = _counts(alarms_of_right(half).items())
    clean, total = alarms_of_clean()
    print(f"\nClean texts flagged, of {total}: {_counts(clean.items())}")
    result |= {"clean_flagged": _counts(clean.items()), "clean": total}
    if folder is not None and (folder / "review/predictions.jsonl").exists():
        found = of_folder(folder)
        _told("Errors put into a tuned model's answers (each beside the answer as it was)", found)
        result["spoilt"] = _figures(found)
        flagged, n = references_flagged(folder)
        print(f"\nExperts' answers flagged, of {n}: {flagged}")
        result |= {"experts_flagged": flagged, "experts": n}
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
