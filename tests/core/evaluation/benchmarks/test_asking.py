"""Our numbers are lm-eval's: every log-likelihood and every metric against its own HF backend, item by item."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from core.errors import UserError
from core.evaluation.benchmarks import asking, paired, tasks
from core.evaluation.benchmarks.asking import How
from core.evaluation.benchmarks.packed_lm import packed_lm
from core.evaluation.benchmarks.table import BENCHMARKS
from core.statistics import clustered, intervals, tests
from core.statistics.intervals import Interval
from tests.core.evaluation.as_json import ask


def with_bos(tokenizer):
    """The same tokenizer, but it starts every text with BOS, as Llama's does."""
    from copy import deepcopy

    from tokenizers.processors import TemplateProcessing

    made = deepcopy(tokenizer)
    bos, id_ = made.bos_token, made.bos_token_id
    made.backend_tokenizer.post_processor = TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, id_)])
    assert made.encode("the")[0] == id_
    return made


def compare(model, tokenizer, name, folder, items, max_length=None):
    """Ours and HFLM's samples of the same items; asserts that they agree."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    task = tasks.load(name, folder).tasks[name]
    found, truncated = asking.answers(model, tokenizer, {name: task}, {name: items})
    ours = found[name]
    theirs = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, max_length=max_length)
    found = evaluate(theirs, {"tasks": {name: task}, "groups": {}}, samples={name: items}, bootstrap_iters=0)
    assert len(ours) == len(items)
    for mine, other in zip(ours, sorted(found["samples"][name], key=lambda s: s["doc_id"]), strict=True):
        assert mine["arguments"] == other["arguments"]
        for (one,), (two,) in zip(mine["resps"], other["resps"], strict=True):
            assert one[0] == pytest.approx(two[0], abs=1e-3)
            assert one[1] == two[1]
        for metric in mine["metrics"]:
            assert mine[metric] == pytest.approx(other[metric], abs=1e-4)
    return ours, truncated


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("bos", [False, True])
def test_every_loglikelihood_equals_lm_evals_own(kind, bos, tiny_tokenizer, samples, tiny_model):
    tokenizer = with_bos(tiny_tokenizer) if bos else tiny_tokenizer
    ours, truncated = compare(tiny_model(kind, len(tokenizer)), tokenizer, "arc_easy", samples, list(range(24)))
    assert truncated == 0
    assert {len(sample["resps"]) for sample in ours} == {3, 4, 5}


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_what_does_not_fit_is_cut_at_the_left_and_counted(kind, tiny_tokenizer, samples, tiny_model):
    """HFLM feeds all ids but the last: told to take one token less, it keeps as many as we do."""
    model = tiny_model(kind, len(tiny_tokenizer), positions=64)
    _, truncated = compare(model, tiny_tokenizer, "arc_easy", samples, list(range(24)), max_length=64)
    assert truncated > 20


@pytest.mark.parametrize("name", [name for name, b in BENCHMARKS.items() if not b.by_subject])
def test_real_questions_of_every_benchmark(name, tiny_tokenizer, real_benchmarks, tiny_model):
    model = tiny_model("llama", len(tiny_tokenizer), positions=4096)
    ours, truncated = compare(model, tiny_tokenizer, name, real_benchmarks, [3, 17, 41, 250])
    assert truncated == 0
    assert len({sample["doc_hash"] for sample in ours}) == 4  # four questions, and not one four times
    assert all(len(sample["resps"]) > 1 and sample["resps"][0] != sample["resps"][1] for sample in ours)


def test_edges_of_encoding_equal_lm_evals_own(tiny_tokenizer, tiny_model):
    """Empty contexts, trailing spaces, a BOS that the text already has, unusual letters."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    pairs = [
        ("", " the cat"),
        ("the cat  ", "sat"),
        ("<|im_start|>the", " dog"),
        ("größe 北京", " é\n"),
        ("", "<|im_start|>a"),
    ]
    requests = [Instance("loglikelihood", {}, pair, 0) for pair in pairs]
    model, tokenizer = tiny_model("llama", len(tiny_tokenizer)), with_bos(tiny_tokenizer)
    expected = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1).loglikelihood(requests, disable_tqdm=True)
    found = packed_lm(model, tokenizer).loglikelihood(requests)
    assert [f[0] for f in found] == pytest.approx([e[0] for e in expected], abs=1e-3)
    assert [f[1] for f in found] == [e[1] for e in expected]


def test_subjects_are_what_is_random_for_interval_and_test(tiny_sides, tiny_tokenizer, own_benchmarks):
    """One p goes with the interval and is what Holm's method corrects; of McNemar's test the counts are left."""
    found = ask(tiny_sides, tiny_tokenizer, ["arc_easy", "mmlu"], own_benchmarks, How())["tasks"]
    mmlu, arc = found["mmlu"], found["arc_easy"]
    assert (mmlu["test"], mmlu["clustered_by"], arc["test"]) == ("clustered", "subject", "mcnemar")
    difference = mmlu["metrics"]["acc"]["difference"]
    assert (mmlu["p"] < 0.05) == Interval(**difference).settled
    assert set(mmlu["mcnemar"]) == {"lost", "gained", "unchanged"}
    assert arc["p"] == arc["mcnemar"]["p"]
    assert [mmlu["p_holm"], arc["p_holm"]] == tests.holm([mmlu["p"], arc["p"]])


def test_what_subjects_can_show_counts_them_and_not_their_questions(tiny_tokenizer, tiny_model, own_benchmarks):
    """One subject lost everything, the other changed nothing: ten questions show less than ten that are not alike."""
    one = tasks.load("mmlu", own_benchmarks)
    model, items = tiny_model("llama", len(tiny_tokenizer)), {name: list(range(5)) for name in one.tasks}
    found, _ = asking.answers(model, tiny_tokenizer, one.tasks, items)
    base = [sample | {"task": name, "acc": 1.0} for name, samples in found.items() for sample in samples]
    tuned = [sample | {"acc": float(sample["task"] == "mmlu_astronomy")} for sample in base]
    shown = paired.compare(one, base, tuned).minimum_detectable_difference
    differences, clusters = [t["acc"] - 1 for t in tuned], [t["task"] for t in tuned]
    assert shown == pytest.approx(2.8016 * clustered.clustered_error(differences, clusters), rel=1e-4)
    assert shown > 1.5 * intervals.minimum_detectable_difference(7 / 12, 10)
    calm = paired.compare(one, base, base).minimum_detectable_difference
    assert calm == intervals.minimum_detectable_difference(2 / 12, 10) > 0


def test_missing_subjects_are_told_of_a_result_and_of_nothing_else(tiny_sides, tiny_tokenizer, own_benchmarks):
    def told(should_stop) -> tuple[list, list]:
        names = ["arc_easy", "mmlu"]
        found = ask(tiny_sides, tiny_tokenizer, names, own_benchmarks, How(4), should_stop=should_stop)
        return list(found["tasks"]), [p["what"] for p in found["problems"]]

    whole = told(None)
    assert whole[0] == ["arc_easy", "mmlu"] and "of the 57 subjects" in whole[1][0]
    assert told(lambda: True) == ([], [])


def test_base_against_tuned(tiny_sides, tiny_tokenizer, samples):
    seen: list[tuple[int, int]] = []
    report = ask(tiny_sides, tiny_tokenizer, ["arc_easy"], samples, How(20), None, lambda *a: seen.append(a))
    task = report["tasks"]["arc_easy"]
    assert (task["n"], task["available"], task["version"], task["shots"], task["metric"]) == (20, 24, 1.0, 0, "acc")
    assert seen[-1] == (40, 40)
    assert seen == sorted(seen)
    flips, n = task["mcnemar"], task["n"]
    assert flips["lost"] + flips["gained"] + flips["unchanged"] == n
    assert (len(task["lost"]), len(task["gained"])) == (flips["lost"], flips["gained"])
    difference = task["metrics"]["acc"]["difference"]
    assert difference["difference"] == pytest.approx((flips["gained"] - flips["lost"]) / n)
    assert difference["low"] < difference["difference"] < difference["high"]
    for item in task["lost"]:
        assert item["base"] == item["gold"] != item["tuned"]
    for item in task["gained"]:
        assert item["tuned"] == item["gold"] != item["base"]
        assert len(item["choices"]) > item["gold"]
        assert item["question"].endswith(("?", "."))
    assert flips["lost"] + flips["gained"] > 0
    json.dumps(report)


@pytest.mark.parametrize("metric", ["acc", "acc_norm"])
def test_a_pick_is_what_lm_evals_metric_judged(metric, tiny_tokenizer, samples, tiny_model):
    task = tasks.load("arc_easy", samples).tasks["arc_easy"]
    model = tiny_model("llama", len(tiny_tokenizer))
    found, _ = asking.answers(model, tiny_tokenizer, {"arc_easy": task}, {"arc_easy": list(range(24))})
    for sample in found["arc_easy"]:
        pick = paired._pick(sample, task.doc_to_choice(sample["doc"]), metric)
        assert (pick == sample["target"]) == (sample[metric] == 1)


def test_a_split_is_processed_once(own_benchmarks):
    task = tasks.load("hellaswag", own_benchmarks).tasks["hellaswag"]
    assert task.eval_docs["query"]  # a field that lm-eval's processing adds
    assert task.eval_docs is task.eval_docs


def test_a_template_is_compiled_once(samples, monkeypatch):
    from lm_eval.utils import env

    task = tasks.load("arc_easy", samples).tasks["arc_easy"]
    task.doc_to_text(task.eval_docs[0])
    compiled = []
    compile_one = env.compile
    monkeypatch.setattr(env, "compile", lambda *a, **k: compiled.append(a) or compile_one(*a, **k))
    texts = {task.doc_to_text(doc) for doc in task.eval_docs}
    assert len(texts) == len(task.eval_docs) and not compiled


def test_items_are_drawn_at_random_and_the_same_each_time(samples):
    one = tasks.load("arc_easy", samples)
    drawn = asking._draw(one, How(9))
    assert drawn == asking._draw(one, How(9))
    assert len(set(drawn)) == 9
    assert drawn != asking._draw(one, How(9, seed=1))
    everything = [("arc_easy", i) for i in range(24)]
    assert asking._draw(one, How()) == asking._draw(one, How(50)) == everything
    stopping = asking._draw(one, How(early_stop=True))
    assert stopping != everything == sorted(stopping)


def test_a_failing_benchmark_leaves_the_others(tiny_sides, tiny_tokenizer, samples):
    names = ["hellaswag", "arc_easy", "no_such"]
    report = ask(tiny_sides, tiny_tokenizer, names, samples, How(4))
    assert list(report["tasks"]) == ["arc_easy"]
    assert [p["level"] for p in report["problems"]] == ["error", "error"]
    assert "hellaswag/validation.jsonl" in report["problems"][0]["what"]
    assert "no benchmark “no_such”" in report["problems"][1]["what"]


def test_stopping_leaves_what_is_complete(tiny_sides, tiny_tokenizer, samples):
    report = ask(tiny_sides, tiny_tokenizer, ["arc_easy"], samples, How(4), should_stop=lambda: True)
    assert report["tasks"] == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines[:2], "{broken", *lines[3:]], "Line 3 of arc_easy/test.jsonl is not JSON"),
        (lambda lines: [lines[0], lines[1].replace('"question"', '"q"')], "Line 2 of .* lacks “question”"),
        (lambda lines: [lines[0].replace('"text"', '"texts"')], "Line 1 of .* lacks “choices.text”"),
        (lambda lines: [lines[0].replace('"the roots"', '""')], "Line 1 of .* lacks “choices.text”"),
        (lambda lines: [lines[0].replace('"answerKey": "B"', '"answerKey": "Z"')], "which of its choices is right"),
        (lambda lines: ["[1, 2]"], "Line 1 of .* lacks"),
        (lambda lines: ["", " "], "arc_easy/test.jsonl is empty"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(change, message, samples, tmp_path):
    (tmp_path / "arc_easy").mkdir()
    lines = (samples / "arc_easy" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "arc_easy" / "test.jsonl").write_text("\n".join(change(lines)), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        tasks.load("arc_easy", tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="ARC-Easy needs the file arc_easy/test.jsonl in the benchmark folder"):
        tasks.load("arc_easy", tmp_path)


def test_a_missing_file_of_a_subject_is_named_from_the_benchmark_folder(own_benchmarks, tmp_path):
    shutil.copytree(own_benchmarks / "mmlu", tmp_path / "mmlu")
    (tmp_path / "mmlu" / "anatomy" / "dev.jsonl").unlink()
    with pytest.raises(UserError) as caught:
        tasks.load("mmlu_5_shots", tmp_path)
    assert f"needs the file mmlu/anatomy/dev.jsonl in the benchmark folder {tmp_path}, which has none" in str(
        caught.value
    )


def test_what_is_no_readable_file_is_refused(tmp_path, samples):
    (tmp_path / "arc_easy" / "test.jsonl").mkdir(parents=True)
    with pytest.raises(UserError, match="the file arc_easy/test.jsonl in .*, which cannot be read: Is a directory"):
        tasks.load("arc_easy", tmp_path)
    (tmp_path / "arc_easy" / "test.jsonl").rmdir()
    shutil.copy(samples / "arc_easy" / "test.jsonl", tmp_path / "arc_easy")
    (tmp_path / "arc_easy" / "test.jsonl").chmod(0)
    if not os.access(tmp_path / "arc_easy" / "test.jsonl", os.R_OK):  # root may read everything
        with pytest.raises(UserError, match="which cannot be read: Permission denied"):
            tasks.load("arc_easy", tmp_path)


@pytest.mark.parametrize("targets", ["mc1_targets", "mc2_targets"])
def test_truths_need_a_label_for_each_choice(targets, own_benchmarks, tmp_path):
    path = tmp_path / "truthfulqa" / "validation.jsonl"
    path.parent.mkdir()
    lines = (own_benchmarks / "truthfulqa" / "validation.jsonl").read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[1])
    row[targets]["labels"].append(0)
    path.write_text("\n".join([lines[0], json.dumps(row)]), encoding="utf-8")
    with pytest.raises(UserError, match="Line 2 of truthfulqa/validation.jsonl does not say which"):
        tasks.load("truthfulqa_mc1", tmp_path)


def test_a_byte_order_mark_and_windows_line_ends_are_read(samples, tmp_path):
    shutil.copytree(samples / "arc_easy", tmp_path / "arc_easy")
    path = tmp_path / "arc_easy" / "test.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(tasks.load("arc_easy", tmp_path).tasks["arc_easy"].eval_docs) == 24
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        tasks.load("arc_easy", tmp_path)


def test_no_network_is_said_so(monkeypatch):
    import datasets

    def unreachable(*args, **kwargs):
        raise ConnectionError("Couldn't reach 'allenai/ai2_arc' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(UserError, match="arc_easy could not be loaded from the Hub: ConnectionError: Couldn't reach"):
        tasks.load("arc_easy", None)


def test_probabilities_that_vanish_are_refused():
    with pytest.raises(UserError, match="item 8 a probability of zero"):
        paired._values([{"doc_id": 2, "acc": 0.5}, {"doc_id": 7, "acc": float("nan")}], "acc")
