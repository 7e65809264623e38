"""Tiny models of two architectures, a random adapter for one of them, and where the benchmark files are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from core.types import Example


@pytest.fixture(scope="session")
def samples() -> Path:
    """A benchmark folder of our own, for tests."""
    return Path(__file__).resolve().parents[1] / "samples"


@pytest.fixture(scope="session")
def real_benchmarks() -> Path:
    """A benchmark folder with real questions, beside the repository; where there is none the test is skipped."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "benchmarks"
    if not folder.is_dir():
        pytest.skip("no folder of real benchmark files beside the repository")
    return folder


@pytest.fixture(scope="session")
def own_benchmarks(tmp_path_factory, samples) -> Path:
    """A benchmark folder with few questions of our own for each benchmark, in the rows of the Hub's data sets."""
    folder = tmp_path_factory.mktemp("benchmarks")
    shutil.copytree(samples / "arc_easy", folder / "arc_easy")
    shutil.copytree(samples / "arc_easy", folder / "arc_challenge")
    nouns = ["cat", "dog", "bird", "fish", "horse", "mouse", "duck", "frog"]
    hellaswag, truthfulqa = [], []
    for i, noun in enumerate(nouns):
        endings = [f"sits on mat {n}." for n in range(3)] + [f"[header] runs to  the {noun}."]
        row = {"activity_label": "Walking", "ctx_a": f"A {noun} is in the garden.", "ctx_b": "it [title] then"}
        hellaswag.append({**row, "endings": endings, "label": str(i % 4)})
        true, false = [f"The {noun} is small.", f"A {noun} is a {noun}."], ["It is a stone.", "Nobody knows."]
        targets = {"mc1_targets": {"choices": [true[0], *false], "labels": [1, 0, 0]}}
        targets |= {"mc2_targets": {"choices": [*true, *false], "labels": [1, 1, 0, 0]}}
        truthfulqa.append({"question": f"What is a {noun}?", **targets})
    write_lines(folder / "hellaswag" / "validation.jsonl", hellaswag)
    write_lines(folder / "truthfulqa" / "validation.jsonl", truthfulqa)
    for subject in ("anatomy", "astronomy"):
        rows = [
            {"question": f"Which {noun} is number {i} of {subject}?", "subject": subject, "choices": nouns[i : i + 4]}
            | {"answer": i % 4}
            for i, noun in enumerate(nouns[:5])
        ]
        write_lines(folder / "mmlu" / subject / "test.jsonl", rows)
        write_lines(folder / "mmlu" / subject / "dev.jsonl", rows[::-1])
    return folder


def write_lines(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def tiny_adapter(tmp_path_factory, tiny_model_folder) -> Path:
    """A LoRA adapter with random weights: tuned differs from base, as after training."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    folder = tmp_path_factory.mktemp("tiny-adapter")
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_sides(tiny_model_folder, tiny_adapter, tmp_path):
    from core.models.sides import load_sides

    return load_sides(str(tiny_model_folder), tiny_adapter, tmp_path)


@pytest.fixture
def examples() -> list[Example]:
    """Twenty rows with prompts of different length."""
    made = []
    for i in range(20):
        system = {"role": "system", "content": "Answer in one sentence."}
        user = {"role": "user", "content": f"Say the number {i}" + " and sit on the mat" * (i % 4) + "."}
        made.append(Example((system, user), f"The number is {i}.", i + 1, "test"))
    return made


@pytest.fixture
def tiny_model():
    """Makes a random model in evaluation mode, float32: tiny_model(kind, vocabulary, positions=512)."""
    return _tiny_model


def _tiny_model(kind: str, vocabulary: int, positions: int = 512):
    import torch
    import transformers as tf

    torch.manual_seed(2)
    if kind == "gpt2":
        config = tf.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=vocabulary, n_positions=positions)
        return tf.GPT2LMHeadModel(config).eval()
    config = tf.LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=vocabulary,
        max_position_embeddings=positions,
        initializer_range=0.2,
    )
    return tf.LlamaForCausalLM(config).eval()


@pytest.fixture
def spec(tiny_model_folder, tiny_adapter, samples):
    """What a small evaluation is asked to measure."""
    return {
        "model": str(tiny_model_folder),
        "revision": None,
        "adapter": str(tiny_adapter),
        "dataset_version": "v1",
        "rows_file": "rows.parquet",
        "split": "test",
        "max_length": 256,
        "decoding": {"max_new_tokens": 6, "temperature": 0.0, "seed": 0, "reasoning_tokens": 0},
        "benchmarks": ["arc_easy"],
        "benchmark_limit": 6,
        "benchmark_folder": str(samples),
        "seed": 0,
    }
