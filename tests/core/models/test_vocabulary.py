"""A tokenizer with more tokens than its model has embeddings is refused with both numbers, before anything is made."""

from __future__ import annotations

import shutil

import pytest

from core.data import actions as data_actions
from core.errors import UserError
from core.models import vocabulary
from core.training import actions as training_actions
from core.training.spec import RunSpec
from tests.conftest import make_tokenizer


@pytest.fixture
def small_model(tmp_path, tiny_model_folder):
    """Its embeddings end twenty tokens before its tokenizer does."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path / "small"
    shutil.copytree(tiny_model_folder, folder)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(make_tokenizer()) - 20, **size)).save_pretrained(folder)
    return folder


def test_both_numbers_are_said_before_a_run_is_made(workspace, rows_file, small_model):
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    spec = RunSpec(str(small_model), version.id, str(workspace.rows_file(version.id)))
    size = len(make_tokenizer())
    with pytest.raises(
        UserError, match=f"makes {size:,} different tokens, but the model has embeddings for {size - 20:,}"
    ):
        training_actions.start_training(workspace, project.id, spec)
    assert workspace.jobs(project.id, "train") == []


def test_padded_embeddings_are_fine(tmp_path):
    tokenizer = make_tokenizer()
    vocabulary.check_size("m", tokenizer, len(tokenizer))
    vocabulary.check_size("m", tokenizer, len(tokenizer) + 100)
    vocabulary.check_size("m", tokenizer, None)


def test_a_control_token_that_nothing_writes_is_no_harm():
    """As in Gemma 3's models of text: their tokenizer has a token for images, their embeddings none."""
    tokenizer = make_tokenizer()
    rows = len(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    assert len(tokenizer) == rows + 1
    vocabulary.check_size("m", tokenizer, rows)
    tokenizer.chat_template += "{{ '<image>' }}"
    with pytest.raises(UserError, match="from “<image>” on"):
        vocabulary.check_size("m", tokenizer, rows)


def test_words_that_a_person_added_are_no_control_tokens():
    tokenizer = make_tokenizer()
    rows = len(tokenizer)
    tokenizer.add_tokens(["Tunewright"])
    with pytest.raises(UserError, match="from “Tunewright” on"):
        vocabulary.check_size("m", tokenizer, rows)
