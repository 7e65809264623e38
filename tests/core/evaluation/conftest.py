"""Tiny models of two architectures, a random adapter for one of them, and where the benchmark files are."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.types import Example


@pytest.fixture(scope="session")
def samples() -> Path:
    """A benchmark folder of our own, for tests."""
    return Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture(scope="session")
def real_benchmarks() -> Path:
    """A benchmark folder with real questions, beside the repository; where there is none the test is skipped."""
    folder = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "benchmarks"
    if not folder.is_dir():
        pytest.skip("no folder of real benchmark files beside the repository")
    return folder


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
    from core.models import loading

    return loading.load_sides(str(tiny_model_folder), tiny_adapter, tmp_path)


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
