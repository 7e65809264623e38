"""DPO and KTO through the real worker: exact, separable rows are learnt, runs are saved, stopped and resumed."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from core.data import actions as data_actions
from core.engine.rendering import render
from core.engine.scoring import score
from core.errors import UserError
from core.jobs import queue
from core.jobs.events import EventLog, read
from core.jobs.follow import wait
from core.models import loading
from core.models.sides import load_sides
from core.tokens import rows
from core.training import actions as training_actions
from core.training import methods, worker
from core.training.preference import preference_trainer
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from core.types import Example
from tests.core.training.test_training import curve, train_here, wait_for_step

SETTINGS = TrainSettings(
    objective="dpo", epochs=4, learning_rate=1e-2, max_length=128, rank=4, alpha=8, dropout=0.0, batch_size=8
)


def written(tmp_path, lines: list[dict]):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


def pairs(count: int = 40) -> list[dict]:
    return [
        {"prompt": f"say {i}", "chosen": f"the cat sat on mat {i}", "rejected": f"and dog {i} ran to the user"}
        for i in range(count)
    ]


def marks(count: int = 40) -> list[dict]:
    made = [{"prompt": f"say {i}", "completion": f"the cat sat on mat {i}", "label": True} for i in range(count)]
    return made + [{"prompt": f"say {i}", "completion": f"and dog {i} ran", "label": False} for i in range(count)]


@pytest.fixture
def prepare(workspace, tmp_path, tiny_model_folder):
    """A function: rows and settings → (project id, spec)."""

    def prepare(lines: list[dict], settings: TrainSettings):
        project = workspace.create_project(f"p{len(workspace.projects())}")
        version, _ = data_actions.import_file(workspace, project.id, written(tmp_path, lines))
        return project.id, RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)), settings)

    return prepare


def logprobs(model, tokenizer, examples: list[Example], targets: list[str]) -> np.ndarray:
    """Log-probability of each answer, by our rendering and scorer: nothing of TRL's."""
    made = [render(replace(e, target=t), tokenizer, 128) for e, t in zip(examples, targets, strict=True)]
    return np.array([s.logprob_sum for s in score(model, [(r.ids, r.trained) for r in made])])


def rewards(spec: RunSpec, adapter, models, examples, targets) -> np.ndarray:
    """beta * (log-probability under the adapter - under the base): what DPO and KTO call a reward."""
    tokenizer = loading.tokenizer(spec.model, models)
    sides = load_sides(spec.model, adapter, models)
    with sides.use("tuned") as model:
        tuned = logprobs(model, tokenizer, examples, targets)
    with sides.use("base") as model:
        base = logprobs(model, tokenizer, examples, targets)
    return spec.settings.preference_beta * (tuned - base)


def margins(spec: RunSpec, adapter, models, examples) -> np.ndarray:
    chosen = rewards(spec, adapter, models, examples, [e.target for e in examples])
    return chosen - rewards(spec, adapter, models, examples, [e.rejected for e in examples])


def test_dpo_learns_what_is_preferred_and_the_saved_adapter_prefers_it_as_much(workspace, prepare):
    project_id, spec = prepare(pairs(), SETTINGS)
    _, folder, outcome = train_here(workspace, project_id, spec)
    validation, accuracy = curve(folder, "validation_loss"), curve(folder, "validation_preference_accuracy")
    assert outcome.state == "finished"
    assert outcome.step == outcome.steps == SETTINGS.steps(32) == len(curve(folder))
    assert curve(folder)[1] == pytest.approx(math.log(2), abs=1e-5)
    assert validation[0] == pytest.approx(math.log(2), abs=1e-5)
    assert outcome.best_validation_loss == min(validation.values()) < 0.5
    assert accuracy[0] == 0.0 and accuracy[outcome.steps] == 1.0
    run = json.loads((folder / "run.json").read_text())
    assert run["rows"] == {"train": 32, "validation": 4}
    assert sorted(p.name for p in (folder / "adapter").iterdir() if p.is_dir()) == []  # no reference adapter

    by_hand = margins(
        spec, folder / "adapter", workspace.models, workspace.examples(spec.dataset_version, "validation")
    )
    best = outcome.best_step
    assert outcome.best_validation_loss == pytest.approx(np.log1p(np.exp(-by_hand)).mean(), rel=1e-5)
    assert accuracy[best] == (by_hand > 0).mean()
    assert curve(folder, "validation_preference_margin")[best] == pytest.approx(by_hand.mean(), rel=1e-4)


@pytest.mark.parametrize(("smoothing", "beta"), [(0.0, 0.1), (0.2, 0.1), (0.0, 0.4)])
def test_the_loss_of_a_dpo_step_is_the_papers(workspace, prepare, smoothing, beta):
    """All rows in one step: the loss of step 2 is that of the adapter which step 1 left."""
    settings = replace(SETTINGS, epochs=2, warmup=0.0, label_smoothing=smoothing, preference_beta=beta)
    project_id, spec = prepare(pairs(10), settings)
    _, folder, _ = train_here(workspace, project_id, spec)
    train = workspace.examples(spec.dataset_version, "train")
    found = margins(spec, folder / "checkpoints" / "checkpoint-1", workspace.models, train)
    assert len(train) == 8 and np.abs(found).min() > 1e-3
    kept, flipped = np.log1p(np.exp(-found)), np.log1p(np.exp(found))
    loss = ((1 - smoothing) * kept - smoothing * flipped) / (1 - 2 * smoothing)
    assert curve(folder)[2] == pytest.approx(loss.mean(), rel=1e-5)
    assert curve(folder, "preference_margin")[2] == pytest.approx(found.mean(), rel=1e-4)


def test_kto_learns_what_is_good_and_its_loss_is_the_papers(workspace, prepare):
    """Eight rows for validation in one batch: drift from answers moved on by one, then equation 7 of the paper."""
    settings = replace(SETTINGS, objective="kto", epochs=6, learning_rate=5e-3, preference_beta=0.15)
    project_id, spec = prepare(marks(), settings)
    _, folder, outcome = train_here(workspace, project_id, spec)
    validation = curve(folder, "validation_loss")
    assert validation[0] == pytest.approx(0.5, abs=1e-5)
    assert outcome.best_validation_loss == min(validation.values()) < 0.45
    margin = curve(folder, "preference_margin")
    assert margin[max(margin)] > 0.5 > 0.01 > margin[1]

    rows = workspace.examples(spec.dataset_version, "validation")
    assert len(rows) == 8
    targets = [e.target for e in rows]
    beta, adapter = settings.preference_beta, folder / "adapter"
    drift = rewards(spec, adapter, workspace.models, rows, [targets[-1], *targets[:-1]]).mean() / beta
    found = rewards(spec, adapter, workspace.models, rows, targets) - beta * max(0.0, drift)
    good = np.array([e.good for e in rows])
    train = [e.good for e in workspace.examples(spec.dataset_version, "train")]
    weights = np.where(
        good, max(1, train.count(False) / train.count(True)), max(1, train.count(True) / train.count(False))
    )
    loss = 1 - 1 / (1 + np.exp(-np.where(good, found, -found)))
    assert outcome.best_validation_loss == pytest.approx((weights * loss).mean(), rel=1e-5)


def test_the_trainers_are_fed_our_ids(workspace, prepare, tmp_path):
    """Rule 2 for preferences: what reaches the model is what `render` gives, also where a row holds control tokens."""
    lines = [{**p, "chosen": p["chosen"] + " <|im_end|>"} for p in pairs(24)]
    for objective, sides in (("dpo", ("target", "rejected")), ("kto", ("target",))):
        settings = replace(SETTINGS, objective=objective)
        _, spec = prepare(lines, settings)
        tokenizer = loading.tokenizer(spec.model, workspace.models)
        examples, _ = rows.for_objective(workspace.examples(spec.dataset_version), objective)
        prepared = {
            s: rows.to_rows([e for e in examples if e.split == s], tokenizer, 128, objective)
            for s in ("train", "validation")
        }
        model = methods.attach(loading.load(spec.model, workspace.models), settings)
        log = EventLog(tmp_path / "events.jsonl")
        trainer = preference_trainer(tmp_path, spec, model, tokenizer, prepared, log)
        expected = {
            (r.ids, tuple(map(int, r.trained)))
            for e in prepared["train"].examples
            for r in (render(replace(e, target=getattr(e, side)), tokenizer, 128) for side in sides)
        }
        fed = set()
        for batch in trainer.get_train_dataloader():
            for ids, mask, there in zip(
                batch["input_ids"], batch["completion_mask"], batch["attention_mask"], strict=True
            ):
                n = int(there.sum())
                fed.add((tuple(ids[:n].tolist()), tuple(mask[:n].tolist())))
        assert fed == expected, objective


@pytest.mark.parametrize("method", ["dora", "pissa", "ia3", "oft", "prompt", "prefix", "full"])
@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_every_method_learns_preferences(workspace, prepare, method, objective):
    """Each begins at its reference, learns, and leaves one adapter. Virtual tokens begin random: beside the base."""
    rate = {"prefix": 3e-2, "prompt": 1e-1, "ia3": 5e-2}.get(method, 3e-3)
    settings = replace(SETTINGS, method=method, objective=objective, learning_rate=rate, virtual_tokens=4, block_size=8)
    project_id, spec = prepare(pairs(20), settings)
    _, folder, outcome = train_here(workspace, project_id, spec)
    validation = curve(folder, "validation_loss")
    start = math.log(2) if objective == "dpo" else 0.5
    assert validation[0] == pytest.approx(start, abs=0.05 if method in ("prompt", "prefix") else 1e-4)
    assert outcome.best_validation_loss < validation[0]
    assert not any(path.is_dir() for path in (folder / "adapter").iterdir())


def test_a_stopped_run_goes_on_as_if_nothing_had_been(workspace, prepare):
    for objective in ("dpo", "kto"):
        project_id, spec = prepare(pairs(), replace(SETTINGS, objective=objective, epochs=2))
        _, whole, _ = train_here(workspace, project_id, spec)
        job = workspace.add_job(project_id, "train", "t", spec.to_dict())
        queue.stop(workspace, job)  # taken from the queue: no process is to start it
        folder = workspace.folder(job)
        (folder / "stop").touch()
        log = EventLog(folder / "events.jsonl")
        assert worker.train(folder, workspace.models, log).message.startswith("Stopped at step 1 of")
        (folder / "stop").unlink()
        outcome = worker.train(folder, workspace.models, log)
        log.close()
        assert outcome.state == "finished"
        before, after = curve(whole), curve(folder)
        assert list(after) == list(before)
        assert list(after.values()) == pytest.approx(list(before.values()), rel=1e-5)


def test_a_killed_run_resumes_to_the_same_curve(workspace, prepare):
    project_id, spec = prepare(pairs(), replace(SETTINGS, epochs=12))
    _, whole, _ = train_here(workspace, project_id, spec)
    job = training_actions.start_training(workspace, project_id, spec)
    folder = workspace.folder(job)
    wait_for_step(workspace, job, 12)
    os.kill(json.loads((folder / "process.json").read_text())["pid"], signal.SIGKILL)
    assert "can be resumed from step" in wait(workspace, job).message
    queue.resume(workspace, job)
    ended = wait(workspace, job)
    assert ended.state == "finished", ended.message
    assert list(curve(folder).values()) == pytest.approx(list(curve(whole).values()), rel=1e-5)


@pytest.mark.parametrize(
    ("lines", "settings", "sentence"),
    [
        (pairs(10), {"objective": "text"}, "needs rows with plain text; 10 of 10 rows hold a prompt, a chosen and"),
        (marks(10), {"objective": "dpo"}, "Choose “Answers (supervised)” or “Answers marked good or bad (KTO)”"),
        (marks(10), {"objective": "kto", "batch_size": 1}, "Batch size is 1, but KTO compares"),
        (marks(10), {"objective": "kto", "micro_batch_size": 1}, "Micro-batch is 1, but KTO compares"),
        (pairs(10), {"label_smoothing": 0.5}, "Set it below 0.5"),
    ],
)
def test_what_does_not_fit_is_a_sentence(workspace, prepare, lines, settings, sentence):
    project_id, spec = prepare(lines, replace(SETTINGS, **settings))
    with pytest.raises(UserError) as refusal:
        train_here(workspace, project_id, spec)
    assert sentence in str(refusal.value)


def test_kto_weighs_the_rarer_mark_more_and_says_what_it_does_not_use(workspace, prepare):
    lines = marks(24)[:36]  # 24 good, 12 bad
    project_id, spec = prepare(lines, replace(SETTINGS, objective="kto", epochs=1, dropout=0.1))
    _, folder, _ = train_here(workspace, project_id, spec)
    said = " ".join(e.payload.text for e in read(folder / "events.jsonl")[0] if e.kind == "log")
    train = workspace.examples(spec.dataset_version, "train")
    good = sum(e.good for e in train)
    assert f"Good rows weigh 1.00, bad rows {good / (len(train) - good):.2f}." in said
    assert "Adapter dropout is not used in preference training." in said
