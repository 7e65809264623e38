"""What cannot be trained on rows of text is refused by its configuration, before there is a run."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from core.engine import trial
from core.errors import UserError
from core.models import text
from core.training.actions import start_training
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from tests.core.engine.test_architectures import SHAPE
from tests.core.models import multimodal

AHEAD = ("bert", "roformer", "xlm-roberta", "xlm", "xlnet", "cpmant", "paligemma")


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        (AHEAD, "looks at later tokens"),
        (("t5", "bart", "whisper", "musicgen", "florence2", "t5gemma2"), "reads with one half and writes with another"),
        (("diffusion_gemma",), "by diffusion"),
        (("blip", "blip-2", "instructblip"), "writes of images alone"),
        (("vit", "wav2vec2"), "does not know as one that writes text"),
    ],
)
def test_a_kind_is_refused_with_its_reason(kinds, why):
    for kind in kinds:
        with pytest.raises(UserError, match=rf"“some/model” .*{kind}.* {why}.* for instance the starter model"):
            text.auto_class(AutoConfig.for_model(kind), "some/model")


def test_what_is_refused_for_it_does_see_the_future():
    """The list is true: the same kinds, built small and tried."""
    for kind in set(AHEAD) - {"xlnet", "paligemma"}:  # the one asks for an own kind of rows, the other is composite
        torch.manual_seed(0)
        default = AutoConfig.for_model(kind)
        config = AutoConfig.for_model(kind, **{k: v for k, v in SHAPE.items() if hasattr(default, k)})
        config.num_hidden_layers = 2
        assert trial.sees_the_future(_lively(AutoModelForCausalLM.from_config(config))), kind
    assert trial.sees_the_future(_lively(multimodal.built("paligemma")))


def test_a_decoder_of_such_a_kind_is_taken():
    sizes = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = AutoConfig.for_model("bert", is_decoder=True, num_attention_heads=4, **sizes)
    built = text.auto_class(config, "some/model").from_config(config)
    assert not trial.sees_the_future(_lively(built))


def test_it_is_said_before_there_is_a_run(workspace, tmp_path, tiny_tokenizer):
    from core.data.actions import import_file

    rows = tmp_path / "rows.csv"
    rows.write_text("prompt,answer\n" + "\n".join(f"say {i},it is {i}" for i in range(20)), encoding="utf-8")
    project = workspace.create_project("Images")
    version, _ = import_file(workspace, project.id, rows)
    where = multimodal.folder("paligemma", tmp_path / "model", tiny_tokenizer)
    (where / "model.safetensors").unlink()  # not asked for
    spec = RunSpec(str(where), version.id, str(workspace.rows_file(version.id)), TrainSettings())
    with pytest.raises(UserError, match=r"\(paligemma\) looks at later tokens"):
        start_training(workspace, project.id, spec)
    assert workspace.jobs(project.id) == []


def _lively(model):
    """Every part of the model has a say in its logits."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.15)
    return model.eval()
