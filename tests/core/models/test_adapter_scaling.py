"""Strengths lie on the way from base to tuned, leave no trace, and what is saved is what was measured."""

from __future__ import annotations

import json

import pytest

from core.errors import UserError
from core.models import adapter_scaling, loading
from core.models.sides import adapter_hash, load_sides
from core.training import methods
from core.training.settings import TrainSettings

IDS = [[5, 17, 42, 99, 7, 230, 11, 3]]
LINEAR = ["lora", "rslora", "dora", "ia3", "full"]


def make_run(folder, base: str, method: str, quantization: str = "none"):
    """A run's folder with random weights in the place of trained ones."""
    import torch

    settings = TrainSettings(method=method, rank=4, alpha=8, block_size=8, virtual_tokens=4, quantization=quantization)
    torch.manual_seed(3)
    model = methods.attach(loading.load(base, folder, None, quantization), settings)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter) * parameter.abs().mean().clamp(min=0.3))
    tokenizer = loading.tokenizer(base, folder)
    methods.save(model, tokenizer, folder / "adapter", settings, folder / "start")
    spec = {"model": base, "revision": None, "settings": {"method": method, "quantization": quantization}}
    run = {"spec": spec, "base_weights_sha256": loading.weights_hash(base, folder)}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def logits(model):
    import torch

    with torch.no_grad():
        return model(input_ids=torch.tensor(IDS), use_cache=False).logits


def weights(model) -> dict:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


@pytest.fixture
def gpt2_folder(tmp_path, tiny_model, tiny_tokenizer):
    """GPT-2 keeps its linear weights transposed."""
    folder = tmp_path / "gpt2"
    tiny_model("gpt2", len(tiny_tokenizer)).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


def load(run):
    base = json.loads((run / "run.json").read_text())["spec"]["model"]
    return load_sides(base, run / "adapter", run)


def merged(run):
    """The tuned model as one without an adapter, on plain transformers and PEFT."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = json.loads((run / "run.json").read_text())["spec"]["model"]
    if not (run / "adapter" / "adapter_config.json").is_file():
        return AutoModelForCausalLM.from_pretrained(run / "adapter").eval()
    plain = AutoModelForCausalLM.from_pretrained(base)
    return PeftModel.from_pretrained(plain, run / "adapter").merge_and_unload().eval()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("method", LINEAR)
def test_weights_are_that_part_of_the_way(tmp_path, tiny_model_folder, gpt2_folder, method, kind):
    """Against plain weights interpolated by hand, at three strengths."""
    import torch
    from transformers import AutoModelForCausalLM

    base = str(tiny_model_folder if kind == "llama" else gpt2_folder)
    run = make_run(tmp_path, base, method)
    sides, tuned = load(run), merged(run)
    begun, ended = weights(AutoModelForCausalLM.from_pretrained(base)), weights(tuned)
    with sides.use("tuned") as model:
        whole = logits(model)
    assert torch.allclose(whole, logits(tuned), atol=1e-5)
    for s in (0.25, 0.5, 0.9):
        with torch.no_grad():
            for name, parameter in tuned.named_parameters():
                parameter.copy_(begun[name] + s * (ended[name] - begun[name]))
        with adapter_scaling.at(sides, s) as model:
            found = logits(model)
        assert (found - whole).abs().max() > 1e-3
        assert torch.allclose(found, logits(tuned), atol=1e-5)


@pytest.mark.parametrize("method", [*LINEAR, "oft"])
def test_afterwards_every_weight_is_what_it_was(tmp_path, tiny_model_folder, method):
    import torch

    sides = load(make_run(tmp_path, str(tiny_model_folder), method))
    models = [m for m in (sides.model, sides.whole) if m is not None]
    before = [weights(m) for m in models]
    with sides.use("base") as model:
        base = logits(model)
    with sides.use("tuned") as model:
        tuned = logits(model)
    with adapter_scaling.at(sides, 0.5) as model:
        half = logits(model)
    with pytest.raises(RuntimeError, match="in between"), adapter_scaling.at(sides, 0.3):
        raise RuntimeError("in between")
    for model, kept in zip(models, before, strict=True):
        assert all(torch.equal(p, kept[name]) for name, p in model.named_parameters())
    with adapter_scaling.at(sides, 0) as model:
        assert torch.equal(logits(model), base)
    with adapter_scaling.at(sides, 1) as model:
        assert torch.equal(logits(model), tuned)
    assert not torch.equal(half, base)
    assert not torch.equal(half, tuned)


def test_oft_turns_by_that_part(tmp_path, tiny_model_folder):
    """Every strength is a rotation of the base, and the way has no jumps."""
    import torch
    from peft.tuners.oft.layer import OFTRotationModule

    sides = load(make_run(tmp_path, str(tiny_model_folder), "oft"))
    turns = [m for m in sides.model.modules() if isinstance(m, OFTRotationModule)]
    far = []
    for s in (0.0, 0.01, 0.5, 0.99, 1.0):
        with adapter_scaling.at(sides, s) as model:
            far.append(logits(model))
            if s == 0.5:
                for turn in turns:
                    r = turn.get_weight().detach()
                    assert torch.allclose(r @ r.T, torch.eye(len(r)), atol=5e-3)  # as near as PEFT's own series is
    steps = [(b - a).abs().max().item() for a, b in zip(far, far[1:], strict=False)]
    assert steps[0] < 0.1 * steps[1]
    assert steps[3] < 0.1 * steps[2]


# PEFT's OFT takes no transposed layers.
@pytest.mark.parametrize(
    ("method", "kind"), [*((m, kind) for m in LINEAR for kind in ("llama", "gpt2")), ("oft", "llama")]
)
def test_what_is_saved_gives_the_logits_that_were_measured(tmp_path, tiny_model_folder, gpt2_folder, method, kind):
    """Reloaded by plain PEFT and transformers."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = str(tiny_model_folder if kind == "llama" else gpt2_folder)
    run = make_run(tmp_path / "run", base, method)
    before = adapter_hash(run / "adapter")
    adapter_scaling.save_at(run, 0.5, tmp_path / "half", tmp_path)
    with adapter_scaling.at(load(run), 0.5) as model:
        expected = logits(model)
    if method == "full":
        saved = AutoModelForCausalLM.from_pretrained(tmp_path / "half", use_safetensors=True)
    else:
        saved = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "half")
    assert torch.allclose(logits(saved.eval()), expected, atol=1e-5)
    assert AutoTokenizer.from_pretrained(tmp_path / "half").get_vocab()
    made = json.loads((tmp_path / "half" / "strength.json").read_text())
    assert (made["strength"], made["of_adapter_sha256"]) == (0.5, before)
    assert adapter_hash(run / "adapter") == before  # the run's own stays
    assert adapter_hash(tmp_path / "half") != before
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob(".*.partial"))
    load_sides(base, tmp_path / "half", tmp_path)  # and by ours, with its proof


@pytest.mark.parametrize("method", ["lora", "dora", "oft"])
def test_saved_on_quantized_weights(tmp_path, tiny_model_folder, method):
    """DoRA's magnitudes are those of the quantized base, which the run was trained on."""
    import torch

    run = make_run(tmp_path / "run", str(tiny_model_folder), method, "4bit")
    load = lambda adapter: load_sides(  # noqa: E731
        str(tiny_model_folder), adapter, tmp_path, quantization="4bit"
    )
    sides = load(run / "adapter")
    adapter_scaling.save_at(run, 0.5, tmp_path / "half", tmp_path)
    with adapter_scaling.at(sides, 0.5) as model:
        expected = logits(model)
    with load(tmp_path / "half").use("tuned") as model:
        assert torch.allclose(logits(model), expected, atol=1e-5)
    with sides.use("tuned") as model:
        assert not torch.allclose(logits(model), expected, atol=1e-2)


def test_refusals(tmp_path, tiny_model_folder):
    run = make_run(tmp_path / "run", str(tiny_model_folder), "lora")
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="nothing was overwritten"):
        adapter_scaling.save_at(run, 0.5, tmp_path / "there", tmp_path)
    with pytest.raises(UserError, match="it is the base itself"):
        adapter_scaling.save_at(run, 0, tmp_path / "new", tmp_path)
    with pytest.raises(UserError, match=r"strength 1\.5 is not between 0"):
        adapter_scaling.save_at(run, 1.5, tmp_path / "new", tmp_path)
    with pytest.raises(UserError, match="strength nan is not between 0"):
        adapter_scaling.checked(float("nan"))
    with pytest.raises(UserError, match="has no trained adapter"):
        adapter_scaling.save_at(tmp_path / "there", 0.5, tmp_path / "new", tmp_path)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("method", ["prompt", "prefix"])
def test_virtual_tokens_have_no_strength(tmp_path, tiny_model_folder, method):
    run = make_run(tmp_path / "run", str(tiny_model_folder), method)
    with pytest.raises(UserError, match=r"tuning puts virtual tokens before .* Train with LoRA"):
        adapter_scaling.save_at(run, 0.5, tmp_path / "new", tmp_path)


def test_a_base_that_changed_is_refused(tmp_path, tiny_model_folder):
    run = make_run(tmp_path / "run", str(tiny_model_folder), "dora")
    told = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**told, "base_weights_sha256": "0" * 64}))
    with pytest.raises(UserError, match="base model has changed since the run"):
        adapter_scaling.save_at(run, 0.5, tmp_path / "new", tmp_path)
    assert not (tmp_path / "new").exists()
