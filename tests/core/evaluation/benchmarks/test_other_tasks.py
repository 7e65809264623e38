"""Any task of lm-eval: its stock definition over rows of our own, base against tuned, with statistics that fit it."""

from __future__ import annotations

import json
import random

import pytest

from core.errors import UserError
from core.evaluation.benchmarks import tasks
from core.evaluation.benchmarks.asking import How
from core.evaluation.report import measures, sentences
from tests.core.evaluation.as_json import ask
from tests.core.evaluation.full_report import read

NOUNS = ["cat", "dog", "bird", "fish", "horse", "mouse", "duck", "frog", "goat", "sheep", "lion", "bear"]
WINOGRANDE = [
    {
        "sentence": f"The {noun} chased the {other} because _ was {('hungry', 'slow')[i % 2]} {i}.",
        "option1": f"the {noun}",
        "option2": f"the {other}",
        "answer": str(1 + i % 2),
    }
    for i, (noun, other) in enumerate((n, m) for n in NOUNS for m in NOUNS[:3] if n != m)
]
DRAW = random.Random(0)
PIQA = [
    {
        "goal": f"How to feed {noun} {i}",
        # Of the same words: a random model takes either, and not always the shorter one.
        "sol1": " ".join(DRAW.sample(NOUNS[:5], 5)),
        "sol2": " ".join(DRAW.sample(NOUNS[:5], 5)),
        "label": i % 2,
    }
    for i, noun in enumerate(NOUNS * 4)
]
WIKITEXT = [
    {"page": f" = {noun} = \n\n The {' '.join(DRAW.sample(NOUNS, 9))} . " * (1 + DRAW.randrange(3))}
    for noun in NOUNS * 3
]
GSM8K = [
    {"question": f"Add {i} to {i + 1} {noun}s.", "answer": f"It is {2 * i + 1}.\n#### {2 * i + 1}"}
    for i, noun in enumerate(NOUNS[:6])
]


@pytest.fixture
def rows_of(monkeypatch):
    """rows_of({split: rows}): lm-eval's own definitions, asked over these rows in place of the Hub's."""
    own = tasks._stock

    def use(rows: dict[str, list[dict]], **changes) -> None:
        def stock(yaml: str, functions: bool = True) -> dict:
            spec = tasks._over_files(own(yaml, functions), rows) | changes
            spec.pop("dataset_path", None)  # nobody asks the Hub for its newest commit
            return spec

        monkeypatch.setattr(tasks, "_stock", stock)

    return use


def one_task(found: dict, name: str) -> dict:
    assert not found["problems"], found["problems"]
    json.dumps(found)
    return found["tasks"][name]


def shown(task: dict) -> list[dict]:
    return [*task["lost"], *task["gained"]]


def test_winogrande_has_its_choices_in_the_context(rows_of, tiny_sides, tiny_tokenizer):
    rows_of({"validation": WINOGRANDE})
    task = one_task(ask(tiny_sides, tiny_tokenizer, ["winogrande"], None, How()), "winogrande")
    assert (task["n"], task["metric"], task["test"]) == (len(WINOGRANDE), "acc", "mcnemar")
    assert len(shown(task)) == task["mcnemar"]["lost"] + task["mcnemar"]["gained"] > 0
    for item in shown(task):
        row = WINOGRANDE[item["item"]]
        beginning, rest = row["sentence"].split("_")
        assert item["question"] == f"… {rest.strip()}"
        assert item["choices"] == [beginning + row["option1"], beginning + row["option2"]]
        assert item["gold"] == int(row["answer"]) - 1
    assert all(item["base"] == item["gold"] != item["tuned"] for item in task["lost"])
    assert all(item["tuned"] == item["gold"] != item["base"] for item in task["gained"])


def test_piqa_shows_its_whole_prompt(rows_of, tiny_sides, tiny_tokenizer):
    rows_of({"validation": PIQA})
    task = one_task(ask(tiny_sides, tiny_tokenizer, ["piqa"], None, How()), "piqa")
    assert task["metric"] == "acc_norm" and set(task["metrics"]) == {"acc", "acc_norm"}
    assert len(shown(task)) == task["mcnemar"]["lost"] + task["mcnemar"]["gained"] > 0
    for item in shown(task):
        row = PIQA[item["item"]]
        assert item["question"] == f"Question: {row['goal']}\nAnswer:"
        assert (item["choices"], item["gold"]) == ([row["sol1"], row["sol2"]], row["label"])
    assert all(item["base"] == item["gold"] != item["tuned"] for item in task["lost"])


@pytest.mark.parametrize(
    ("target", "gold"),
    [
        (lambda doc: (doc["sol1"], doc["sol2"])[doc["label"]], "named"),  # by its text
        (lambda doc: [0, 1][: 1 + doc["label"]], None),  # several are right
        (lambda doc: "none of them", None),
        (lambda doc: -1, None),
    ],
)
def test_a_right_answer_that_is_no_index(target, gold, rows_of, tiny_sides, tiny_tokenizer):
    rows_of({"validation": PIQA}, doc_to_target=target)
    task = one_task(ask(tiny_sides, tiny_tokenizer, ["piqa"], None, How()), "piqa")
    assert task["n"] == len(PIQA)
    if gold is None:
        assert shown(task) == []
    else:
        assert len(shown(task)) == task["mcnemar"]["lost"] + task["mcnemar"]["gained"] > 0
        assert all(item["gold"] == PIQA[item["item"]]["label"] for item in shown(task))


def test_perplexities_are_compared_and_lower_is_better(rows_of, tiny_sides, tiny_tokenizer):
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    rows_of({"test": WIKITEXT})
    task = one_task(ask(tiny_sides, tiny_tokenizer, ["wikitext"], None, How()), "wikitext")
    assert (task["n"], task["metric"], task["test"]) == (len(WIKITEXT), "word_perplexity", "ratio")
    stock = tasks.load("wikitext", None).tasks
    for side in ("base", "tuned"):
        with tiny_sides.use(side) as model:
            theirs = HFLM(pretrained=model, tokenizer=tiny_tokenizer, batch_size=4)
            expected = evaluate(theirs, {"tasks": stock, "groups": {}}, bootstrap_iters=0)["results"]["wikitext"]
        for metric in ("word_perplexity", "byte_perplexity", "bits_per_byte"):
            found = task["metrics"][metric]
            assert found[side]["mean"] == pytest.approx(expected[f"{metric},none"], rel=1e-4)
            assert found["difference"][side] == found[side]["mean"]
            assert found[side]["low"] < found[side]["mean"] < found[side]["high"]
            assert found["higher_is_better"] is False
    for found in task["metrics"].values():
        d = found["difference"]
        assert d["low"] < d["difference"] == d["tuned"] - d["base"] < d["high"]
        assert (task["p"] < 0.05) == (not d["low"] <= 0 <= d["high"])
    # These random weights predict the texts surely worse, or surely better: a rise is a loss.
    made = measures.measures(read({"benchmarks": {"wikitext": task}}))
    assert task["p"] < 0.05
    rose = task["metrics"]["word_perplexity"]["difference"]["difference"] > 0
    assert [m.verdict for m in made] == ["worse" if rose else "better"] * 3
    assert {m.kind for m in made} == {"plain"}
    word = "rose" if rose else "fell"
    assert any(
        f"word_perplexity) {word} from" in line
        for line in sentences.summarise(read({"benchmarks": {"wikitext": task}}))
    )


def test_a_loss_in_perplexity_is_said_in_its_unit(rows_of, tiny_sides, tiny_tokenizer):
    rows_of({"test": WIKITEXT})
    task = one_task(ask(tiny_sides, tiny_tokenizer, ["wikitext"], None, How()), "wikitext")
    d = task["metrics"]["word_perplexity"]["difference"]
    if d["difference"] < 0:  # turned, so that the loss is told
        d |= {
            "base": d["tuned"],
            "tuned": d["base"],
            "difference": -d["difference"],
            "low": -d["high"],
            "high": -d["low"],
        }
    level, text = measures.warning(measures.measures(read({"benchmarks": {"wikitext": task}})))
    assert level == "warning" and "in word_perplexity" in text and "points" not in text


def test_early_stopping_leaves_a_perplexity_alone(rows_of, tiny_sides, tiny_tokenizer):
    rows_of({"test": WIKITEXT})
    run = lambda how: ask(tiny_sides, tiny_tokenizer, ["wikitext"], None, how)  # noqa: E731
    early, whole = (one_task(run(how), "wikitext") for how in (How(early_stop=True), How()))
    assert early["n"] == len(WIKITEXT) and "stopped_early" not in early
    assert early["metrics"]["bits_per_byte"]["difference"]["n"] == len(WIKITEXT)
    assert early["p"] == pytest.approx(whole["p"])


def test_of_several_filters_one_counts(rows_of, tiny_sides, tiny_tokenizer):
    rows_of({"train": GSM8K, "test": GSM8K}, generation_kwargs={"until": ["\n"], "max_gen_toks": 8, "do_sample": False})
    found = ask(tiny_sides, tiny_tokenizer, ["gsm8k"], None, How(shots={"gsm8k": 0}))
    task = one_task(found, "gsm8k")
    assert (task["n"], task["filter"], task["shots"]) == (6, "strict-match", 0)
    assert (task["metric"], task["metrics"]["exact_match"]["base"]["n"]) == ("exact_match", 6)
    assert "filter" not in one_task_of_piqa(rows_of, tiny_sides, tiny_tokenizer)


def one_task_of_piqa(rows_of, sides, tokenizer) -> dict:
    rows_of({"validation": PIQA})
    return one_task(ask(sides, tokenizer, ["piqa"], None, How(4)), "piqa")


def test_a_metric_of_all_items_at_once_is_no_mean(rows_of, tiny_sides, tiny_tokenizer):
    """F1 over a set has no value for one item: accuracy is compared, and alone F1 is a problem that names it."""
    f1 = {"metric": "f1", "aggregation": "f1", "higher_is_better": True}
    acc = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
    rows_of({"validation": PIQA}, metric_list=[f1, acc])
    task = one_task(ask(tiny_sides, tiny_tokenizer, ["piqa"], None, How()), "piqa")
    assert list(task["metrics"]) == [task["metric"]] == ["acc"]
    rows_of({"validation": PIQA}, metric_list=[f1])
    found = ask(tiny_sides, tiny_tokenizer, ["piqa"], None, How())
    assert found["tasks"] == {}
    assert found["problems"][0]["what"].startswith("piqa: its metric (f1) is no mean over the questions")


def test_each_metric_has_its_own_direction(rows_of, tiny_sides, tiny_tokenizer):
    listed = [{"metric": m, "aggregation": "mean", "higher_is_better": m == "acc"} for m in ("acc", "acc_norm")]
    rows_of({"validation": PIQA}, metric_list=listed)
    task = one_task(ask(tiny_sides, tiny_tokenizer, ["piqa"], None, How()), "piqa")
    made = {m.unit: m.more_is_better for m in measures.measures(read({"benchmarks": {"piqa": task}}))}
    assert made == {"acc": True, "acc_norm": False}


def test_what_a_task_raises_leaves_the_others(rows_of, tiny_sides, tiny_tokenizer, samples, capfd):
    """In its code at loading, in a package that is not there, and in a metric: each is one problem."""

    def fails(doc, results):
        raise IndexError("list index out of range")

    rows_of({"validation": PIQA, "test": PIQA}, process_results=fails)
    found = ask(tiny_sides, tiny_tokenizer, ["piqa"], None, How(2))
    assert found["tasks"] == {}
    assert [p["level"] for p in found["problems"]] == ["error"]
    assert found["problems"][0]["what"] == "piqa could not be asked. IndexError: list index out of range."
    assert "Traceback" in capfd.readouterr().err

    def needs(docs):
        import no_such_package_of_ours  # noqa: F401

    rows_of({"validation": PIQA}, process_docs=needs)
    found = ask(tiny_sides, tiny_tokenizer, ["piqa"], None, How(2))
    assert found["problems"][0]["what"] == "piqa needs the package no_such_package_of_ours, which is not installed."


def test_one_that_fails_is_no_end_of_the_others(tiny_sides, tiny_tokenizer, own_benchmarks, monkeypatch):
    """And what is complete is handed on before the next begins."""
    task = tasks.load("hellaswag", own_benchmarks).tasks["hellaswag"]
    own = type(task).process_results

    def process(self, doc, results):
        if self.config.task == "hellaswag":
            raise IndexError("of hellaswag")
        return own(self, doc, results)

    monkeypatch.setattr(type(task), "process_results", process)
    seen = []
    names = ["arc_easy", "hellaswag", "arc_challenge"]
    found = ask(tiny_sides, tiny_tokenizer, names, own_benchmarks, How(4), keep=lambda t: seen.append(list(t)))
    assert list(found["tasks"]) == ["arc_easy", "arc_challenge"]
    assert seen == [["arc_easy"], ["arc_easy", "arc_challenge"]]
    assert [p["what"] for p in found["problems"]] == ["HellaSwag could not be asked. IndexError: of hellaswag."]


def test_what_cannot_be_asked_here_is_said_before_its_code_is_run():
    for name, message in (("humaneval", "runs programs that the model writes"), ("mmmu_val_art", "pictures or sound")):
        found = ask(None, None, [name], None, How())
        assert found["tasks"] == {}
        assert message in found["problems"][0]["what"]


def test_a_group_is_refused_with_its_tasks():
    (problem,) = ask(None, None, ["glue"], None, How())["problems"]
    assert "“glue” is a group of lm-eval, and only single tasks can be asked" in problem["what"]
    assert all(name in problem["what"] for name in ("cola", "mrpc", "wnli"))
    assert len(tasks._groups()["mmlu"]) == 57  # through groups within a group
    with pytest.raises(UserError, match="There is no benchmark “no_such”"):
        tasks._other("no_such")


def test_definitions_are_read_once(monkeypatch):
    tasks._other("piqa")
    monkeypatch.setattr(tasks, "re", None)  # without which no line is found
    assert tasks._other("wikitext").yaml == "wikitext/wikitext.yaml"
