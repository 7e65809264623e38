"""Generated texts of lm-eval's tasks stay generated, and what cannot be generated or encoded is refused."""

from __future__ import annotations

from copy import deepcopy

import pytest

from core.engine.score_cache import Scores, Texts
from core.engine.scoring import Stopped
from core.errors import UserError
from core.evaluation.benchmarks.packed_lm import packed_lm

STOPS = {"until": ["\n\n"], "max_gen_toks": 6, "do_sample": False}
PROMPTS = [" ".join(["the cat sat on the mat"] * (1 + i % 3)) + f" and dog {i}" for i in range(40)]


def requests(kind: str, arguments: list[tuple]):
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, each, i) for i, each in enumerate(arguments)]


def asked(settings: dict = STOPS, prompts: list[str] = PROMPTS):
    return requests("generate_until", [(prompt, settings) for prompt in prompts])


@pytest.fixture
def model(tiny_model, tiny_tokenizer):
    """A tiny Llama that counts how many rows it was asked to go on with, in `rows`."""
    made = tiny_model("llama", len(tiny_tokenizer))
    made.rows = 0
    own = made.generate

    def generate(*args, **kwargs):
        made.rows += len(kwargs["input_ids"])
        return own(*args, **kwargs)

    made.generate = generate
    return made


def test_a_second_call_generates_nothing(model, tiny_tokenizer, tmp_path):
    path = tmp_path / "base.jsonl"
    first = packed_lm(model, tiny_tokenizer, scores=Scores(path)).generate_until(asked())
    assert model.rows == 40 and len(set(first)) > 1
    seen = []
    again = packed_lm(model, tiny_tokenizer, scores=Scores(path), progress=lambda *a: seen.append(a))
    assert again.generate_until(asked()) == first
    assert model.rows == 40
    assert seen[-1] == (40, 40)
    # A look with more questions asks only for what is new, and each setting is a question of its own.
    scores = Scores(path)
    packed_lm(model, tiny_tokenizer, scores=scores).generate_until(asked(prompts=[*PROMPTS, "the user"]))
    assert model.rows == 41
    packed_lm(model, tiny_tokenizer, scores=scores).generate_until(asked({**STOPS, "max_gen_toks": 5}, PROMPTS[:3]))
    packed_lm(model, tiny_tokenizer, scores=scores).generate_until(asked({**STOPS, "until": ["."]}, PROMPTS[:3]))
    assert model.rows == 47


def test_what_a_stop_left_is_gone_on_with(model, tiny_tokenizer, tmp_path):
    path = tmp_path / "tuned-100.jsonl"
    whole = packed_lm(model, tiny_tokenizer).generate_until(asked())
    model.rows, calls = 0, iter([False, False, True])
    stopped = packed_lm(model, tiny_tokenizer, scores=Scores(path), should_stop=lambda: next(calls))
    with pytest.raises(Stopped):
        stopped.generate_until(asked())
    assert model.rows == 32
    file = tmp_path / "tuned-100.texts.jsonl"
    left = file.read_bytes()
    file.write_bytes(left[:-4])  # killed while it wrote
    assert packed_lm(model, tiny_tokenizer, scores=Scores(path)).generate_until(asked()) == whole
    assert model.rows == 32 + 8 + 1
    assert file.read_bytes().startswith(left[: left[:-1].rfind(b"\n") + 1])
    assert len(Texts(file)._found) == 40


def test_equal_requests_are_generated_once_but_each_sampled_one_by_itself(model, tiny_tokenizer, tmp_path):
    greedy = packed_lm(model, tiny_tokenizer).generate_until(asked(prompts=["the cat"] * 6))
    assert len(set(greedy)) == 1 and model.rows == 1
    sampled = {"until": ["\n\n"], "max_gen_toks": 6, "do_sample": True, "temperature": 1.0}
    path = tmp_path / "base.jsonl"
    first = packed_lm(model, tiny_tokenizer, scores=Scores(path)).generate_until(asked(sampled, ["the cat"] * 6))
    assert len(set(first)) > 1 and model.rows == 7
    again = packed_lm(model, tiny_tokenizer, scores=Scores(path)).generate_until(asked(sampled, ["the cat"] * 6))
    assert again == first and model.rows == 7


def test_texts_longer_than_the_model_takes_are_refused(model, tiny_tokenizer):
    with pytest.raises(UserError, match="asks for texts of up to 512 tokens, and the model takes 512 together"):
        packed_lm(model, tiny_tokenizer).generate_until(asked({**STOPS, "max_gen_toks": 512}))
    with pytest.raises(UserError, match="One of the answers has .* tokens, and the model takes 512"):
        packed_lm(model, tiny_tokenizer).loglikelihood(requests("loglikelihood", [("the", " cat sat" * 300)]))
    assert model.rows == 0


def test_no_text_is_made_of_no_numbers(model, tiny_tokenizer, tmp_path):
    import torch

    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = float("nan")
    with pytest.raises(UserError, match="computes no number .* lower the learning rate and train again"):
        packed_lm(model, tiny_tokenizer, scores=Scores(tmp_path / "s.jsonl")).generate_until(asked())
    assert not (tmp_path / "s.texts.jsonl").exists()


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_tokenizer_without_a_beginning_token_asks_as_lm_evals_own(kind, tiny_model, tiny_tokenizer):
    from lm_eval.models.huggingface import HFLM

    tokenizer = deepcopy(tiny_tokenizer)
    tokenizer.bos_token = None
    model = tiny_model(kind, len(tokenizer))
    theirs = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1)
    pairs = [("", " the cat"), ("", "<|im_end|>the"), ("<|im_end|>the", " dog"), ("the cat  ", "sat")]
    single = requests("loglikelihood", pairs)
    expected = theirs.loglikelihood(single, disable_tqdm=True)
    found = packed_lm(model, tokenizer).loglikelihood(single)
    assert [f[0] for f in found] == pytest.approx([e[0] for e in expected], abs=1e-3)
    assert [f[1] for f in found] == [e[1] for e in expected]
    whole = requests("loglikelihood_rolling", [("the cat sat on the mat",), ("the dog ran",)])
    expected = theirs.loglikelihood_rolling(whole, disable_tqdm=True)
    assert packed_lm(model, tokenizer).loglikelihood_rolling(whole) == pytest.approx(expected, abs=1e-3)


def test_a_tokenizer_without_an_end_token_generates_to_the_length(model, tiny_tokenizer):
    tokenizer = deepcopy(tiny_tokenizer)
    tokenizer.eos_token = None
    assert len(packed_lm(model, tokenizer).generate_until(asked(prompts=PROMPTS[:2]))) == 2


def test_a_tokenizer_with_neither_is_refused(model, tiny_tokenizer):
    tokenizer = deepcopy(tiny_tokenizer)
    tokenizer.bos_token = tokenizer.eos_token = None
    with pytest.raises(UserError, match="neither a token that begins a text .* nor one that ends it"):
        packed_lm(model, tokenizer)
