"""Every method learns, saves, and reloads to the same numbers, while the base side stays the base."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch

from core.data import actions as data_actions
from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation.result import report_of
from core.jobs import answers
from core.jobs.events import EventLog, read
from core.jobs.follow import wait
from core.models import loading
from core.models.sides import load_sides
from core.tokens.rows import to_rows
from core.training import methods, saving, worker
from core.training.presets import suggested_rate
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from tests.core.training.test_training import curve, train_here

ADAPTERS = ["lora", "rslora", "dora", "pissa", "ia3", "oft", "prompt", "prefix"]
QUANTIZED = [("lora", "8bit"), ("ia3", "8bit"), ("prompt", "8bit")]
QUANTIZED += [(m, "4bit") for m in ("lora", "dora", "oft", "prefix")]
CASES = [(m, "none") for m in (*ADAPTERS, "full")] + QUANTIZED


def settings_of(method: str, quantization: str = "none", **changes) -> TrainSettings:
    rate = {"prompt": 0.03, "prefix": 0.03, "ia3": 0.03, "oft": 0.01, "full": 3e-3}.get(method, 3e-3)
    common = {"epochs": 3, "max_length": 128, "rank": 4, "alpha": 8, "virtual_tokens": 4, "block_size": 8}
    return TrainSettings(method=method, quantization=quantization, learning_rate=rate, **{**common, **changes})


@pytest.fixture
def prepared(workspace, rows_file, tiny_model_folder):
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    return project.id, RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)))


def logits_of(model) -> torch.Tensor:
    """Of a fixed text, as the model answers: adapter on, no dropout."""
    training = model.training
    with torch.no_grad():
        found = model.eval()(input_ids=torch.tensor([list(range(3, 40))])).logits.clone()
    model.train(training)
    return found


def validation_loss(model, rows) -> float:
    from core.engine.scoring import score

    scores = score(model, rows)
    return -sum(s.logprob_sum for s in scores) / sum(s.tokens for s in scores)


@pytest.mark.parametrize(("method", "quantization"), CASES, ids=lambda v: v)
def test_trains_saves_and_reloads_to_the_same_logits(workspace, prepared, method, quantization, monkeypatch):
    project_id, spec = prepared
    spec = replace(spec, settings=settings_of(method, quantization))
    kept, save = [], methods.save

    def keep_logits_and_save(model, *rest):
        kept.append(logits_of(model))
        save(model, *rest)

    monkeypatch.setattr(methods, "save", keep_logits_and_save)
    _, folder, outcome = train_here(workspace, project_id, spec)
    validation = curve(folder, "validation_loss")
    assert outcome.state == "finished"
    assert outcome.best_validation_loss < validation[0]
    run = json.loads((folder / "run.json").read_text())
    assert run["trainable_parameters"] > 0
    assert run["packed"] is (method not in ("prompt", "prefix"))
    assert not list((folder / "adapter").glob("*.bin"))
    assert not list(folder.glob("*.partial"))
    told = [e.payload.text for e in read(folder / "events.jsonl")[0] if e.kind == "log"]
    assert any("a step takes up to twice the time" in text for text in told) is (quantization != "none")

    sides = load_sides(spec.model, folder / "adapter", workspace.models, None, run["base_weights_sha256"], quantization)
    tokenizer = loading.tokenizer(spec.model, workspace.models)
    rows = to_rows(workspace.examples(spec.dataset_version, "validation"), tokenizer, 128).rows
    losses = {}
    for side in ("base", "tuned"):
        with sides.use(side) as model:
            losses[side] = validation_loss(model, rows)
            found = logits_of(model)
    torch.testing.assert_close(found, kept[0], rtol=1e-5, atol=1e-5)
    assert losses["tuned"] == pytest.approx(outcome.best_validation_loss, rel=1e-5)
    plain = loading.load(spec.model, workspace.models, None, quantization)
    assert losses["base"] == pytest.approx(validation_loss(plain, rows), rel=1e-6)
    assert sides.proof["largest_logit_difference_base_to_plain"] == 0.0
    assert sides.proof["largest_logit_difference_tuned_to_base"] > 0
    assert sides.proof["copies"] == (2 if method == "full" else 1)


@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_virtual_tokens_give_the_loss_and_gradients_of_separate_rows(tiny_model_folder, workspace, method):
    """Padded batches behind virtual tokens against each row alone through PEFT itself."""
    from core.engine.packing import forward
    from tests.core.engine.test_packing import ROWS, assert_same, loss_and_gradients

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


@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_virtual_tokens_begin_as_tokens_of_the_vocabulary(tiny_model_folder, workspace, method):
    """Before any step the tuned model answers as the base does behind the tokens that were drawn."""

    from core.engine.packing import forward

    torch.manual_seed(3)
    base = loading.load(str(tiny_model_folder), workspace.models)
    model = methods.attach(base, settings_of(method)).eval()
    begun = model.prompt_encoder["default"].embedding.weight.detach()
    with torch.no_grad():
        if method == "prompt":
            known = base.get_input_embeddings().weight
        else:  # the first layer's values depend on the token alone
            every = torch.arange(base.config.vocab_size)[:, None]
            with model.disable_adapter():
                values = base(input_ids=every, use_cache=True).past_key_values.layers[0].values
            known = values.flatten(1)
            begun = begun.view(len(begun), 4, -1)[:, 1]  # keys and values of two layers
        drawn = torch.cdist(begun, known).argmin(dim=1).tolist()
        rows = [([3, 4, 5, 6, 7], [False, False, True, True, True]), ([8, 9, 3], [False, True, True])]
        tuned = forward(model, rows, False)[0]
        with model.disable_adapter():
            behind = [(drawn + ids, [False] * len(drawn) + mask) for ids, mask in rows]
            expected = forward(model, behind, False)[0]
    assert torch.allclose(tuned, expected, atol=1e-5)


def test_answers_behind_virtual_tokens_do_not_depend_on_the_batch(tiny_tokenizer):
    """PEFT gives padding places of the context that alone a prompt does not have; GPT-2 learns what those mean."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from core.models.generation import generate
    from core.types import Decoding, Example

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(tiny_tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=128)
    model = methods.attach(GPT2LMHeadModel(config).eval(), settings_of("prompt")).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    asked = ["the cat", "the dog ran to the mat and the cat sat", "a", "the cat sat on the mat", "the dog"]
    examples = [Example(({"role": "user", "content": text},), "", row) for row, text in enumerate(asked, 1)]
    answers = [
        [made.text for made in generate(model, tiny_tokenizer, examples, "tuned", Decoding(max_new_tokens=8), size)]
        for size in (1, 16)
    ]
    assert answers[0] == answers[1]
    assert len(set(answers[0])) > 1


@pytest.mark.parametrize("method", ["pissa", "full", "prompt", "prefix", "ia3", "oft"])
def test_a_stopped_run_goes_on_to_the_same_curve(workspace, prepared, method):
    project_id, spec = prepared
    spec = replace(spec, settings=settings_of(method, epochs=2, evaluations_per_epoch=2, checkpoints_kept=10))
    _, whole, _ = train_here(workspace, project_id, spec)
    job, folder, _ = train_here(workspace, project_id, spec)
    # As if it had been killed after its second checkpoint: what came later is gone.
    for checkpoint in (folder / "checkpoints").glob("checkpoint-*"):
        if int(checkpoint.name.split("-")[1]) > 4:
            shutil.rmtree(checkpoint)
    assert saving.newest_checkpoint(folder) is not None
    log = EventLog(folder / "events.jsonl")
    worker.train(folder, workspace.models, log)
    log.close()
    for name in ("loss", "validation_loss"):
        before, after = curve(whole, name), curve(folder, name)
        assert list(after.values()) == pytest.approx(list(before.values()), rel=1e-5)


def test_a_resumed_pissa_run_trains_on_the_base_it_began_with(tiny_model_folder, workspace, tmp_path):

    def begin(seed: int, start) -> dict:
        torch.manual_seed(seed)
        model = methods.attach(
            loading.load(str(tiny_model_folder), workspace.models), settings_of("pissa"), start=start
        )
        return {name: tensor.clone() for name, tensor in model.state_dict().items()}

    first, again, other = begin(0, tmp_path / "a"), begin(1, tmp_path / "a"), begin(1, tmp_path / "b")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_frozen_layers_and_embeddings_stay_as_they_are(tiny_model_folder, workspace):
    model = methods.attach(loading.load(str(tiny_model_folder), workspace.models), settings_of("full", frozen_layers=1))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert any(".layers.1." in name for name in trained)
    assert not any(".layers.0." in name or "embed" in name for name in trained)
    with pytest.raises(UserError, match="2 layers are to stay frozen, but the model has 2"):
        methods.attach(model, settings_of("full", frozen_layers=2))


def test_frozen_embeddings_freeze_the_head_tied_to_them_and_positions():
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=3, n_head=2, n_positions=32))
    methods.attach(model, settings_of("full", frozen_layers=2))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name.split(".")[1] for name in trained} == {"h", "ln_f"}
    assert not model.lm_head.weight.requires_grad


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (settings_of("full", "4bit"), "Full fine-tuning changes every weight.* Choose LoRA"),
        (settings_of("pissa", "8bit"), "PiSSA takes its part out of the base weights.* Choose LoRA"),
        (settings_of("dora", "8bit"), "needs a GPU, which is not here. Choose 4 bits"),
        (settings_of("prefix", activation_checkpointing="yes"), "Prefix tuning cannot recompute activations"),
        (settings_of("pissa", rank=17), "Adapter rank 17: PiSSA can take at most 16 out of .*k_proj. Choose 16"),
        (settings_of("oft", block_size=24), "Rotation block 24 does not divide 32, the width of .* Choose 16"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(tiny_model_folder, workspace, settings, sentence):
    with pytest.raises(UserError, match=sentence):
        methods.attach(loading.load(str(tiny_model_folder), workspace.models), settings)


@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_virtual_tokens_take_places_of_the_context(workspace, prepared, method):
    project_id, spec = prepared
    spec = replace(spec, settings=settings_of(method, max_length=510))
    with pytest.raises(UserError, match="510 tokens and 4 virtual tokens before them, but the model takes 512"):
        train_here(workspace, project_id, spec)


def test_ia3_finds_the_layers_of_architectures_that_peft_does_not_know():
    from transformers import Olmo2Config, Olmo2ForCausalLM

    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = methods.attach(Olmo2ForCausalLM(Olmo2Config(vocab_size=50, pad_token_id=0, **shape)), settings_of("ia3"))
    trained = {name.split(".")[-3] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"k_proj", "v_proj", "down_proj"}


def test_each_method_has_a_rate_to_begin_with():
    assert suggested_rate("lora", "supervised") == 1e-3
    assert suggested_rate("full", "supervised") < 1e-3 < suggested_rate("prompt", "supervised")
    assert suggested_rate("lora", "dpo") < suggested_rate("lora", "supervised")


@pytest.mark.parametrize(("method", "quantization"), [("full", "none"), ("prefix", "4bit")])
def test_a_run_is_evaluated_and_taken_along(workspace, prepared, tmp_path, method, quantization):
    """The whole way behind training: the evaluation's own process, then the zip file."""
    import zipfile

    from core.evaluation.report.document import to_markdown
    from core.sharing import bundle

    project_id, spec = prepared
    spec = replace(spec, settings=settings_of(method, quantization, epochs=1))
    job, folder, _ = train_here(workspace, project_id, spec)
    evaluation = evaluation_actions.start_evaluation(workspace, job, max_new_tokens=4, max_rows=2)
    ended = wait(workspace, evaluation)
    assert ended.state == "finished", ended.message
    report = report_of(workspace, evaluation)
    assert report.heldout.tuned.loss != report.heldout.base.loss
    assert ("base and tuned are two models" in to_markdown(report)) is (method == "full")
    assert len(answers.samples(workspace, evaluation, 2)) == 2

    bundle.write_zip(workspace, job, tmp_path / "run.zip")
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        names = set(archive.namelist())
        text = b"".join(archive.read(n) for n in names if not n.endswith(".safetensors")).decode()
    whole = {"config.json", "model.safetensors"}
    assert names > (whole if method == "full" else {"adapter_config.json", "adapter_model.safetensors"})
    assert ("# Model of run" in text) is (method == "full")
    assert str(tmp_path) not in text
    assert spec.model not in text
