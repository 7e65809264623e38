"""The benchmarks there are: one table, with all that is known of each before it is asked.

Whoever adds one adds an entry of `BENCHMARKS`; nothing else names them. Any other task of lm-eval can be asked by its
name: `tasks.load` makes its entry from its definition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
"""A question as the data set on the Hub has it."""


@dataclass(frozen=True)
class Benchmark:
    title: str
    about: str
    """What it measures, in a sentence."""
    questions: int | None
    """That it has on the Hub; None where that is not known here."""
    yaml: str
    """lm-eval's own definition, below its `tasks` folder."""
    files: dict[str, str]
    """Split → file below the benchmark folder."""
    schema: dict[str, Any]
    """The fields that the task reads and their types; [str] is a list of texts, none of them empty."""
    has_answer: Callable[[Row], bool]
    """Does the row say which of its choices is right?"""
    metric: str
    """The metric of lm-eval by which items are called lost or gained, and the one to report; "": `paired` chooses."""
    question: str = "question"
    """Field of lm-eval's document that holds what is asked; "": what is asked is the task's whole prompt."""
    shots: int | None = None
    """Examples before each question; None: as the task says, or none."""
    by_subject: bool = False
    """Is it a group of tasks, whose `yaml` and `files` have {} for the subject?"""
    one_answer: bool = True
    """False where the metric weighs several right answers, so that no item is simply right or wrong."""
    family: str = ""
    """The benchmark whose questions it asks, too: they are drawn alike, and what they share is computed once."""


_ARC = {"question": str, "choices": {"text": [str], "label": [str]}, "answerKey": str}
_HELLASWAG = {"activity_label": str, "ctx_a": str, "ctx_b": str, "endings": [str], "label": str}
_TRUTHFULQA = {
    "question": str,
    "mc1_targets": {"choices": [str], "labels": [int]},
    "mc2_targets": {"choices": [str], "labels": [int]},
}


def _arc_answer(row: Row) -> bool:
    labels = row["choices"]["label"]
    return row["answerKey"] in labels and len(labels) == len(row["choices"]["text"])


def _hellaswag_answer(row: Row) -> bool:
    return row["label"].isdigit() and int(row["label"]) < len(row["endings"])


def _truthfulqa_answer(row: Row) -> bool:
    one, several = row["mc1_targets"], row["mc2_targets"]
    labelled = all(len(targets["labels"]) == len(targets["choices"]) for targets in (one, several))
    return labelled and one["labels"][:1] == [1] and 1 in several["labels"]


_MMLU = {"question": str, "subject": str, "choices": [str], "answer": int}


def _mmlu_answer(row: Row) -> bool:
    return len(row["choices"]) == 4 and 0 <= row["answer"] < 4


BENCHMARKS: dict[str, Benchmark] = {
    "arc_easy": Benchmark(
        "ARC-Easy",
        "School science questions that simple recall can answer.",
        2376,
        "arc/arc_easy.yaml",
        {"test": "arc_easy/test.jsonl"},
        _ARC,
        _arc_answer,
        "acc",
    ),
    "arc_challenge": Benchmark(
        "ARC-Challenge",
        "School science questions that need more than recall.",
        1172,
        "arc/arc_challenge.yaml",
        {"test": "arc_challenge/test.jsonl"},
        _ARC,
        _arc_answer,
        "acc_norm",
    ),
    "hellaswag": Benchmark(
        "HellaSwag",
        "How an everyday scene goes on: common sense about what follows.",
        10042,
        "hellaswag/hellaswag.yaml",
        {"validation": "hellaswag/validation.jsonl"},
        _HELLASWAG,
        _hellaswag_answer,
        "acc_norm",
        question="query",
    ),
    "mmlu": Benchmark(
        "MMLU",
        "Exam questions from 57 subjects, from law to mathematics: general knowledge.",
        14042,
        "mmlu/default/mmlu_{}.yaml",
        {"test": "mmlu/{}/test.jsonl"},
        _MMLU,
        _mmlu_answer,
        "acc",
        shots=0,
        by_subject=True,
    ),
    "mmlu_5_shots": Benchmark(
        "MMLU, 5 shots",
        "The same questions after five answered ones of the subject, which show the form.",
        14042,
        "mmlu/default/mmlu_{}.yaml",
        {"test": "mmlu/{}/test.jsonl", "dev": "mmlu/{}/dev.jsonl"},
        _MMLU,
        _mmlu_answer,
        "acc",
        shots=5,
        by_subject=True,
    ),
    "truthfulqa_mc1": Benchmark(
        "TruthfulQA MC1",
        "Questions that invite a common misconception: is the one true answer the most likely?",
        817,
        "truthfulqa/truthfulqa_mc1.yaml",
        {"validation": "truthfulqa/validation.jsonl"},
        _TRUTHFULQA,
        _truthfulqa_answer,
        "acc",
        shots=0,
        family="truthfulqa_mc1",
    ),
    "truthfulqa_mc2": Benchmark(
        "TruthfulQA MC2",
        "The same questions: how much of the probability goes to true answers?",
        817,
        "truthfulqa/truthfulqa_mc2.yaml",
        {"validation": "truthfulqa/validation.jsonl"},
        _TRUTHFULQA,
        _truthfulqa_answer,
        "acc",
        shots=0,
        one_answer=False,
        family="truthfulqa_mc1",
    ),
}
"""By the name of lm-eval's task; MMLU is its group of 57 tasks, one for each subject."""


def title(name: str) -> str:
    """What a benchmark is called; other tasks of lm-eval by their name."""
    return BENCHMARKS[name].title if name in BENCHMARKS else name


def about(name: str) -> str:
    """What a benchmark measures; empty for other tasks of lm-eval, of which nothing is known here."""
    return BENCHMARKS[name].about if name in BENCHMARKS else ""
