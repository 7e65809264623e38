"""Every method learns, saves, and reloads to the same numbers, while the base side stays the base."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from core.data import importing
from core.models import loading
from core.training import methods
from core.training.rows import to_rows
from core.training.spec import RunSpec, TrainSettings, suggested_rate
from core.types import UserError
from tests.core.training.test_training import curve, train_here

ADAPTERS = ["lora", "rslora", "dora", "pissa", "ia3", "oft", "prompt", "prefix"]
CASES = [(m, "none") for m in (*ADAPTERS, "full")] + [("lora", "8bit"), ("lora", "4bit")]


def settings_of(method: str, quantization: str = "none", **changes) -> TrainSettings:
    rate = {"prompt": 0.1, "prefix": 0.05, "ia3": 0.03, "oft": 0.01, "full": 3e-3}.get(method, 3e-3)
    common = {"epochs": 3, "max_length": 128, "rank": 4, "alpha": 8, "virtual_tokens": 4, "block_size": 8}
    return TrainSettings(method=method, quantization=quantization, learning_rate=rate, **{**common, **changes})


@pytest.fixture
def prepared(workspace, rows_file, tiny_model_folder):
    project = workspace.create_project("p")
    version, _ = importing.import_file(workspace, project.id, rows_file)
    return project.id, RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)))


def validation_loss(model, rows) -> float:
    from core.evaluation.scorer import score

    scores = score(model, rows)
    return -sum(s.logprob_sum for s in scores) / sum(s.tokens for s in scores)


@pytest.mark.parametrize(("method", "quantization"), CASES, ids=lambda v: v)
def test_trains_saves_and_reloads_to_the_same_loss(workspace, prepared, method, quantization):
    project_id, spec = prepared
    spec = replace(spec, settings=settings_of(method, quantization))
    _, folder, outcome = train_here(workspace, project_id, spec)
    validation = curve(folder, "validation_loss")
    assert outcome["state"] == "finished"
    assert outcome["best_validation_loss"] < validation[0]
    run = json.loads((folder / "run.json").read_text())
    assert run["trainable_parameters"] > 0
    assert run["packed"] is (method not in ("prompt", "prefix"))
    assert not list((folder / "adapter").glob("*.bin"))

    sides = loading.load_sides(
        spec.model, folder / "adapter", workspace.models, None, run["base_weights_sha256"], quantization
    )
    tokenizer = loading.tokenizer(spec.model, workspace.models)
    rows = to_rows(workspace.examples(spec.dataset_version, "validation"), tokenizer, 128).rows
    losses = {}
    for side in ("base", "tuned"):
        with sides.use(side) as model:
            losses[side] = validation_loss(model, rows)
    # PiSSA is saved as what it changed in the true base: the same function up to float32's rounding.
    assert losses["tuned"] == pytest.approx(outcome["best_validation_loss"], rel=1e-4 if method == "pissa" else 1e-5)
    plain = loading.load(spec.model, workspace.models, None, quantization)
    assert losses["base"] == pytest.approx(validation_loss(plain, rows), rel=1e-6)
    assert sides.proof["largest_logit_difference_base_to_plain"] == 0.0
    assert sides.proof["largest_logit_difference_tuned_to_base"] > 0


@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_virtual_tokens_give_the_loss_and_gradients_of_separate_rows(tiny_model_folder, workspace, method):
    """Padded batches behind virtual tokens against each row alone through PEFT itself."""
    import torch

    from core.packing import forward
    from tests.core.test_packing import ROWS, assert_same, loss_and_gradients

    torch.manual_seed(0)
    model = methods.attach(loading.load(str(tiny_model_folder), workspace.models), settings_of(method)).eval()

    def alone():
        logits, target = [], []
        for ids, trained in ROWS:
            out = model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))).logits[0, -len(ids) :]
            logits += [out[i - 1] for i in range(1, len(ids)) if trained[i]]
            target += [ids[i] for i in range(1, len(ids)) if trained[i]]
        return torch.stack(logits), torch.tensor(target)

    expected = loss_and_gradients(model, alone)
    assert_same(loss_and_gradients(model, lambda: forward(model, ROWS, False)[:2]), expected)


@pytest.mark.parametrize("method", ["pissa", "full"])
def test_a_stopped_run_goes_on_to_the_same_curve(workspace, prepared, method):
    from core.jobs.events import EventLog
    from core.training import worker

    project_id, spec = prepared
    spec = replace(spec, settings=settings_of(method, epochs=2, evaluations_per_epoch=2, checkpoints_kept=10))
    _, whole, _ = train_here(workspace, project_id, spec)
    job, folder, _ = train_here(workspace, project_id, spec)
    # As if it had been killed after its second checkpoint: what came later is gone.
    for checkpoint in (folder / "checkpoints").glob("checkpoint-*"):
        if int(checkpoint.name.split("-")[1]) > 4:
            shutil.rmtree(checkpoint)
    assert worker._newest_checkpoint(folder) is not None
    log = EventLog(folder / "events.jsonl")
    worker.train(folder, workspace.models, log)
    log.close()
    before, after = curve(whole), curve(folder)
    assert list(after.values()) == pytest.approx(list(before.values()), rel=1e-5)


def test_frozen_layers_and_embeddings_stay_as_they_are(tiny_model_folder, workspace):
    model = methods.attach(loading.load(str(tiny_model_folder), workspace.models), settings_of("full", frozen_layers=1))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert any(".layers.1." in name for name in trained)
    assert not any(".layers.0." in name or "embed" in name for name in trained)
    with pytest.raises(UserError, match="2 layers are to stay frozen, but the model has 2"):
        methods.attach(model, settings_of("full", frozen_layers=2))


@pytest.mark.parametrize("method", ["full", "pissa"])
def test_a_quantized_base_takes_adapters_only(tiny_model_folder, workspace, method):
    with pytest.raises(UserError, match="Choose LoRA"):
        methods.attach(loading.load(str(tiny_model_folder), workspace.models), settings_of(method, "4bit"))


def test_each_method_has_a_rate_to_begin_with():
    assert suggested_rate("lora", "supervised") == 1e-3
    assert suggested_rate("full", "supervised") < 1e-3 < suggested_rate("prompt", "supervised")
    assert suggested_rate("lora", "dpo") < suggested_rate("lora", "supervised")
