"""A writer says piece by piece what generation says at once, and never half a character."""

from __future__ import annotations

import shutil

import pytest

from core.engine.rendering import prompt_ids
from core.errors import UserError
from core.models.generation import generate
from core.models.sides import Sides, load_sides
from core.models.streaming import Writer
from core.types import SIDES, Decoding


@pytest.mark.parametrize("decoding", [Decoding(12), Decoding(12, 0.9, 3)])
@pytest.mark.parametrize("side", ["base", "tuned"])
def test_a_writer_says_what_generation_says(tiny_sides, tiny_tokenizer, examples, decoding, side):
    """Token by token with a cache, beside the other side, or all at once by transformers: the same text."""
    example = examples[3]
    prompt = prompt_ids(example, tiny_tokenizer)
    both = {s: Writer(tiny_sides, s, tiny_tokenizer, prompt, decoding) for s in SIDES}
    pieces = {s: "" for s in SIDES}
    while not all(w.finish for w in both.values()):
        for s, writer in both.items():
            if not writer.finish:
                pieces[s] += writer.step()
    with tiny_sides.use(side) as model:
        [wanted] = generate(model, tiny_tokenizer, [example], side, decoding)
    made = both[side]
    assert (made.text, len(made.ids), made.finish) == (wanted.text, wanted.tokens, wanted.finish)
    assert pieces[side].rstrip("\ufffd") == wanted.text.rstrip("\ufffd")


@pytest.mark.parametrize("kind", ["prompt", "prefix"])
def test_virtual_tokens_answer_alike(tiny_model_folder, tiny_tokenizer, examples, kind):
    from peft import PrefixTuningConfig, PromptTuningConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = {"prompt": PromptTuningConfig, "prefix": PrefixTuningConfig}[kind]
    base = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
    model = get_peft_model(base, config(num_virtual_tokens=4, task_type="CAUSAL_LM")).eval()
    sides = Sides(model, {})
    writer = Writer(sides, "tuned", tiny_tokenizer, prompt_ids(examples[0], tiny_tokenizer), Decoding(8))
    while not writer.finish:
        writer.step()
    [wanted] = generate(model, tiny_tokenizer, [examples[0]], "tuned", Decoding(8))
    assert writer.text == wanted.text


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_an_adapter_that_computes_no_numbers_is_named(
    tiny_model_folder, tiny_adapter, tiny_tokenizer, workspace, tmp_path, temperature
):
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_adapter, tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = load_file(file)
    key = next(k for k in weights if "lora_B" in k)
    save_file(weights | {key: weights[key] * float("nan")}, file, {"format": "pt"})
    sides = load_sides(str(tiny_model_folder), tmp_path / "adapter", workspace.models)
    decoding = Decoding(4, temperature, 0)
    with pytest.raises(UserError, match="The tuned model computes no number .* lower the learning rate"):
        Writer(sides, "tuned", tiny_tokenizer, (5,), decoding).step()
    base = Writer(sides, "base", tiny_tokenizer, (5,), decoding)
    base.step()
    assert base.ids or base.finish == "stop"


def test_characters_of_several_tokens_come_whole(tiny_sides, tiny_tokenizer):
    """Byte-level tokens of “ü€🙂” one by one: no half character is ever shown."""
    ids = tiny_tokenizer("aü€🙂b", add_special_tokens=False)["input_ids"]
    writer = Writer(tiny_sides, "base", tiny_tokenizer, (5,), Decoding(100))
    writer._tokens = iter([*ids, tiny_tokenizer.eos_token_id])
    pieces = []
    while not writer.finish:
        pieces.append(writer.step())
    assert "".join(pieces) == writer.text == "aü€🙂b"
    assert len(pieces) > 5 and not any("\ufffd" in p for p in pieces)
