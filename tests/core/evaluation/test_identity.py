"""What decides a logit is in the proof, and parts the scores that are kept; what does not, does not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch

from core.engine.scoring import score
from core.evaluation import identity
from core.evaluation.result import Proof
from core.evaluation.spec import EvaluationSpec
from core.models.sides import load_sides
from core.types import Decoding
from tests.core.evaluation.as_json import evaluate


@pytest.fixture
def base(tiny_model_folder, tmp_path):
    """A copy of the tiny model that may be changed."""
    return shutil.copytree(tiny_model_folder, tmp_path / "base")


@pytest.fixture
def proven(base, tiny_adapter, tmp_path):
    """Makes the proof of the base as it now is, with its adapter."""

    def prove(**spec) -> Proof:
        rows = {"dataset_version": "", "rows_file": "", "max_length": None, "decoding": Decoding()}
        asked = EvaluationSpec(**{"model": str(base), "adapter": str(tiny_adapter), **rows, **spec})
        return identity.proof_of(load_sides(str(base), tiny_adapter, tmp_path), asked)

    return prove


def edit(path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def keys(proof: Proof, folder) -> tuple[str, str]:
    return identity.known_by("base", proof, folder), identity.known_by("tuned", proof, folder)


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"rope_parameters": {"rope_type": "default", "rope_theta": 99.0}}),
        ("generation_config.json", {"eos_token_id": 7}),
        ("tokenizer_config.json", {"chat_template": "{{ messages[0]['content'] }}"}),
        ("tokenizer.json", {"truncation": None, "padding": None, "version": "0"}),
    ],
)
def test_each_file_beside_the_weights_parts_the_scores(file, values, base, proven, tiny_adapter):
    before = proven()
    old = (base / file).read_text(encoding="utf-8")
    edit(base / file, **values)
    try:
        after = proven()
    except Exception:  # the tokenizer's version cannot be loaded: what is proven does not load it
        pytest.fail("the proof does not need the tokenizer")
    assert identity.differences(before, after) == [file]
    assert all(a != b for a, b in zip(keys(before, tiny_adapter), keys(after, tiny_adapter), strict=True))
    (base / file).write_text(old, encoding="utf-8")
    assert keys(proven(), tiny_adapter) == keys(before, tiny_adapter)


@pytest.mark.parametrize(
    ("change", "named", "both"),
    [
        ({"quantization": "4bit"}, "the quantization", True),
        ({"dtype": "bfloat16"}, "the precision", True),
        ({"template": "chatml"}, "the chat template", True),
        ({"base_weights_sha256": "0" * 64}, "the base's weights", True),
        ({"adapter_sha256": "0" * 64}, "what was trained", False),
        ({"torch": "0.1"}, "torch", True),
        ({"transformers": "0.1"}, "transformers", True),
        ({"tunewright": "0.0.1"}, "tunewright", True),
        ({"kernels": "0"}, "kernels", True),
        ({"device": "cuda NVIDIA H100"}, "device", True),
        ({"peft": "0.1"}, "peft", False),
    ],
)
def test_whatever_else_decides_a_logit_parts_them_too(change, named, both, proven, tiny_adapter):
    """What was trained, and PEFT, decide nothing of the base: its answers are taken again."""
    proof = proven()
    [(name, value)] = change.items()
    other = replace(proof, **change) if hasattr(proof, name) else replace(proof, computed_by=proof.computed_by | change)
    assert identity.differences(proof, other) == [named]
    (base, tuned), (base_other, tuned_other) = keys(proof, tiny_adapter), keys(other, tiny_adapter)
    assert (base != base_other) == both and tuned != tuned_other


def test_the_proof_says_what_it_was_made_with(proven):
    proof = proven(template="chatml")
    assert (proof.dtype, proof.quantization, proof.template) == ("float32", "none", "chatml")
    assert proof.computed_by["torch"] == torch.__version__
    assert proof.computed_by["device"] == f"cpu {torch.backends.cpu.get_cpu_capability()}"
    assert "bitsandbytes" not in proof.computed_by and "bitsandbytes" in identity.versions("4bit")


def test_the_kernels_are_known_by_their_code(monkeypatch, tmp_path):
    """A change in what computes, without a new number of the version, is another one."""
    from pathlib import Path

    engine = Path(identity.__file__).parents[1] / "engine"
    shutil.copytree(engine, tmp_path / "engine")
    monkeypatch.setattr(identity, "__file__", str(tmp_path / "evaluation" / "identity.py"))
    known = identity.kernels_hash.__wrapped__
    same = known()
    assert same == identity.kernels_hash()
    for name in ("kernels/linear.py", "packing.py"):
        with open(tmp_path / "engine" / name, "a", encoding="utf-8") as file:
            file.write("# changed\n")
        assert known() != same
        same = known()


def test_a_whole_models_own_files_part_its_scores(proven, base, tmp_path):
    """It may end its texts by its own generation_config."""
    proof, trained = replace(proven(), copies=2), shutil.copytree(base, tmp_path / "trained")
    before = keys(proof, trained)
    edit(trained / "generation_config.json", eos_token_id=9)
    after = keys(proof, trained)
    assert before[0] == after[0] and before[1] != after[1]


def test_threads_decide_nothing(tiny_sides):
    """So they are no part of it: with one or two, each score is the same to the last bit."""
    rows = [([5, 9, 4, 7, 3, 8] * (n + 2), [False] + [True] * (6 * (n + 2) - 1)) for n in range(4)]
    threads, found = torch.get_num_threads(), []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            found.append(score(tiny_sides.model, rows, packed=True))
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


def test_what_an_older_report_does_not_say_is_no_difference(proven):
    proof = proven()
    older = replace(proof, base_settings={}, computed_by={}, template=None, dtype=None, quantization=None)
    assert identity.differences(older, proof) == []


def test_an_evaluation_does_not_go_on_with_answers_of_another_base(spec, examples, tmp_path, base):
    """Stopped, then a file of the base changes: nothing of before is taken, and the report says so."""
    spec |= {"model": str(base), "benchmark_limit": 2}
    folder = tmp_path / "job"
    folder.mkdir()
    measure = lambda: evaluate(folder, spec, tmp_path, lambda split: examples[:2], lambda *a, **k: None, lambda: False)  # noqa: E731
    first = measure()
    assert measure()["problems"] == []
    edit(base / "config.json", rope_parameters={"rope_type": "default", "rope_theta": 3.0})
    again = measure()
    assert [p["what"] for p in again["problems"]] == [
        "Since the first attempt at this evaluation something has changed: config.json."
    ]
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    folder = fresh
    anew = measure()
    assert again["benchmarks"]["arc_easy"]["metrics"] == anew["benchmarks"]["arc_easy"]["metrics"]
    assert again["heldout"]["token_f1"] == anew["heldout"]["token_f1"]
    assert again["heldout"]["base"] != first["heldout"]["base"]
