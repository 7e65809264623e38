"""Every log-likelihood and every metric is lm-eval's own: on every benchmark, plain and as chat, base and adapter."""

from __future__ import annotations

import pytest

from core.engine.score_cache import Scores
from core.evaluation.benchmarks import asking, tasks
from core.evaluation.benchmarks.packed_lm import packed_lm
from core.evaluation.benchmarks.table import BENCHMARKS


def theirs(model, tokenizer, batch_size: int = 4):
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)


@pytest.mark.parametrize("chat", [False, True], ids=["plain", "chat"])
@pytest.mark.parametrize("side", ["base", "tuned"])
@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark(name, side, chat, own_benchmarks, tiny_sides, tiny_tokenizer):
    from lm_eval.evaluator import evaluate

    made = tasks.load(name, own_benchmarks).tasks
    items = {task: [0, 2, 3] for task in made}
    with tiny_sides.use(side) as model:
        ours, _ = asking.answers(model, tiny_tokenizer, made, items, chat=chat)
        other = evaluate(
            theirs(model, tiny_tokenizer), {"tasks": made, "groups": {}}, samples=items, bootstrap_iters=0,
            apply_chat_template=chat,
        )["samples"]  # fmt: skip
    for task in made:
        assert len(ours[task]) == 3
        for mine, its in zip(ours[task], sorted(other[task], key=lambda s: s["doc_id"]), strict=True):
            assert mine["arguments"] == its["arguments"]
            one, two = ([r[0] for r in sample["resps"]] for sample in (mine, its))
            assert [x[0] for x in one] == pytest.approx([x[0] for x in two], abs=1e-3, rel=1e-5)
            assert [x[1] for x in one] == [x[1] for x in two]
            for metric in mine["metrics"]:
                assert mine[metric] == pytest.approx(its[metric], abs=1e-6)


def test_five_shots_are_in_the_prompt_and_shared(own_benchmarks, tiny_sides, tiny_tokenizer):
    made = tasks.load("mmlu_5_shots", own_benchmarks).tasks
    with tiny_sides.use("base") as model:
        found, _ = asking.answers(model, tiny_tokenizer, made, {task: [0, 1] for task in made})
    prompt = found["mmlu_anatomy"][0]["arguments"][0][0]
    assert prompt.startswith("The following are multiple choice questions (with answers) about anatomy.")
    assert prompt.count("Answer:") == 6


def requests(kind: str, arguments: list[tuple]):
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, each, i) for i, each in enumerate(arguments)]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_whole_texts_in_windows(kind, tiny_tokenizer, tiny_model):
    model = tiny_model(kind, len(tiny_tokenizer), positions=32)
    texts = [("the cat sat on the mat and the dog ran to the cat " * n,) for n in (1, 3, 7)]
    asked = requests("loglikelihood_rolling", texts)
    expected = theirs(model, tiny_tokenizer).loglikelihood_rolling(asked, disable_tqdm=True)
    assert packed_lm(model, tiny_tokenizer).loglikelihood_rolling(asked) == pytest.approx(expected, abs=1e-3, rel=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_generated_texts(kind, tiny_tokenizer, tiny_model):
    model = tiny_model(kind, len(tiny_tokenizer))
    stops = {"until": ["cat", "\n\n"], "max_gen_toks": 12, "do_sample": False}
    prompts = [("the dog", stops), ("a bird sat on the mat and", stops), ("the", {"until": ["."], "max_gen_toks": 5})]
    asked = requests("generate_until", prompts)
    # Alone: HFLM's padded batches of these tiny models differ in the last bits, which greedy choices may turn on.
    expected = theirs(model, tiny_tokenizer, 1).generate_until(asked, disable_tqdm=True)
    assert packed_lm(model, tiny_tokenizer).generate_until(asked) == expected


def test_mc1_and_mc2_share_what_they_ask(own_benchmarks, tiny_sides, tiny_tokenizer):
    one, two = (tasks.load(name, own_benchmarks).tasks for name in ("truthfulqa_mc1", "truthfulqa_mc2"))
    scores = Scores()
    with tiny_sides.use("base") as model:
        found, _ = asking.answers(model, tiny_tokenizer, one | two, {n: [0, 1] for n in one | two}, scores=scores)
    asked = sum(len(sample["resps"]) for samples in found.values() for sample in samples)
    assert (asked, len(scores._found)) == (14, 8)


def test_a_task_that_is_not_ours_is_found_by_its_name():
    found = tasks._other("wikitext")
    assert found.yaml == "wikitext/wikitext.yaml"
    assert found.one_answer is False
    assert tasks._other("piqa").one_answer is True
