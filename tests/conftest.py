"""Shared fixtures: a workspace of its own for every test, tiny models built in a moment, the starter model once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded: see core/engine/kernels/threads.py

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

SLOW = (
    "tests/browser",
    "tests/core/augmentation/test_reviewing.py",
    "tests/core/augmentation/test_worker.py",
    "tests/core/chat/test_actions.py",
    "tests/core/checking/test_mending.py::test_a_process_of_its_own_checks_and_mends_and_can_be_cancelled",
    "tests/core/cli",
    "tests/core/data/test_actions.py::test_a_streamed_import_is_what_it_would_be_row_by_row",
    "tests/core/data/test_columns.py::test_any_values_are_examples_or_named_problems_and_survive_json",
    "tests/core/data/test_hub.py",
    "tests/core/engine/test_score_cache.py::test_a_killed_evaluation_goes_on_to_the_same_numbers",
    "tests/core/engine/test_templates.py",
    "tests/core/evaluation/benchmarks",
    "tests/core/evaluation/heldout/test_loss.py::test_losses_equal_transformers_own",
    "tests/core/evaluation/heldout/test_turns.py::test_a_whole_evaluation_asks_for_each",
    "tests/core/evaluation/test_identity.py::test_an_evaluation_does_not_go_on_with_answers_of_another_base",
    "tests/core/evaluation/test_headline.py::test_with_no_difference_one_evaluation_in_twenty_tells_any",
    "tests/core/evaluation/test_measuring.py",
    "tests/core/evaluation/test_resume.py",
    "tests/core/evaluation/test_starter.py",
    "tests/core/judge/test_actions.py",
    "tests/core/judge/test_verdicts.py::test_the_win_rates_interval_covers",
    "tests/core/models/test_adapter_scaling.py",
    "tests/core/models/test_adapter_scaling_versions.py",
    "tests/core/models/test_checkpoints.py",
    "tests/core/models/test_hub.py",
    "tests/core/models/test_process.py::test_nobody_asks_and_it_ends",
    "tests/core/review/detectors/test_suggesting.py::test_a_megabyte_of_anything_takes_bounded_time",
    "tests/core/statistics/test_coverage.py",
    "tests/core/statistics/test_sequential.py::test_coverage_over_all_looks",
    "tests/core/statistics/test_sequential.py::test_coverage_over_all_looks_where_subjects_are_random",
    "tests/core/tokens/test_rows.py::test_text_trains_through_the_worker_and_is_measured",
    "tests/core/tokens/test_statistics.py::test_odd_rows_are_shown_truthfully",
    "tests/core/training/test_log.py",
    "tests/core/training/test_memory.py",
    "tests/core/training/test_methods.py",
    "tests/core/training/test_patience.py",
    "tests/core/training/test_preference.py",
    "tests/core/training/test_processes.py",
    "tests/core/training/test_saving.py",
    "tests/core/training/test_training.py",
    "tests/test_package.py",
    "tests/ui/data/test_checks.py::test_a_finding_is_told_and_mended",
    "tests/ui/test_launch.py",
    "tests/ui/test_space.py",
)
"""Folders, modules and tests that take more than a few seconds: `make test-fast` leaves them out."""


def pytest_collection_modifyitems(items):
    for item in items:
        place = item.nodeid.split("[")[0]
        if any(place == name or place.startswith((f"{name}/", f"{name}::")) for name in SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def workspace(tmp_path):
    from core.settings import Settings
    from core.store.workspace import open_workspace

    return open_workspace(Settings(home=tmp_path / "home"))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """A PostgreSQL server of our own, as a function that makes a database with our tables and gives its address."""
    from tests import postgres

    if postgres.programs() is None:
        if os.environ.get("TUNEWRIGHT_REQUIRE_BROWSER"):
            pytest.fail("PostgreSQL is missing, and TUNEWRIGHT_REQUIRE_BROWSER is set. Install “postgresql”.")
        pytest.skip("PostgreSQL is not installed")
    import sqlalchemy as sa

    from core.settings import Settings
    from core.store.workspace import open_workspace

    with postgres.cluster() as address:
        server = sa.create_engine(
            address.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        numbers = iter(range(10**6))

        def database(template: str = "tables") -> str:
            name = f"test_{next(numbers)}"
            with server.connect() as db:
                db.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
            return address.replace("/postgres?", f"/{name}?")

        with server.connect() as db:
            db.execute(sa.text("CREATE DATABASE tables TEMPLATE template0"))
        home = tmp_path_factory.mktemp("postgres")
        template = open_workspace(Settings(home=home, database_url=address.replace("/postgres?", "/tables?")))
        template.engine.dispose()
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request) -> str:
    """For DATABASE_URL: empty, which means SQLite in the home, and then a new database of PostgreSQL."""
    return request.getfixturevalue("postgres_server")() if request.param == "postgresql" else ""


@pytest.fixture
def workspace_on_both(tmp_path, database_url):
    """`workspace`, once on each database: where a room's tests are about what the database does."""
    from core.settings import Settings
    from core.store.workspace import open_workspace

    opened = open_workspace(Settings(home=tmp_path / "home", database_url=database_url))
    yield opened
    opened.engine.dispose()


@pytest.fixture(scope="session")
def tiny_tokenizer():
    return make_tokenizer()


def make_tokenizer(template: str | None = CHATML):
    """A byte-level BPE tokenizer with ChatML's control tokens, trained on a few sentences."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(["the cat sat on the mat and the dog ran to the user assistant system"] * 50, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>", bos_token="<|im_start|>"
    )
    tokenizer.chat_template = template
    return tokenizer


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory, tiny_tokenizer) -> Path:
    """A folder with a random Llama of two layers and its tokenizer: a model that trains in a second."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-llama")
    config = LlamaConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=tiny_tokenizer.eos_token_id,
        pad_token_id=tiny_tokenizer.pad_token_id,
        bos_token_id=tiny_tokenizer.bos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def starter_models() -> Path:
    """The folder of models with the real starter model, fetched once and kept between test runs."""
    from platformdirs import user_cache_dir

    from core.models import starter

    models = Path(os.environ.get("TUNEWRIGHT_TEST_MODELS") or Path(user_cache_dir("tunewright-tests")) / "models")
    starter.ensure(models)
    return models


@pytest.fixture
def rows_file(tmp_path) -> Path:
    """Forty rows of one task, as a person would bring them."""
    import json

    path = tmp_path / "rows.jsonl"
    lines = [{"instruction": f"Say the number {i}.", "output": f"The number is {i}."} for i in range(40)]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path
