"""Answers start from the rendered prompt, do not depend on their batch, and stop where a turn ends."""

from __future__ import annotations

import pytest

from core.engine.rendering import prompt_ids, stop_ids
from core.engine.scoring import Stopped
from core.errors import UserError
from core.models import batching
from core.models.generation import _until_stop, generate, generate_both, set_aside, stops_of
from core.types import Decoding, Example

SHORT = Decoding(max_new_tokens=12)


def greedy_alone(model, tokenizer, example, n):
    """Greedy decoding by hand, without a cache."""
    import torch

    ids = list(prompt_ids(example, tokenizer))
    new: list[int] = []
    with torch.no_grad():
        while len(new) < n:
            token = model(input_ids=torch.tensor([ids + new]), use_cache=False).logits[0, -1].argmax().item()
            if token in stop_ids(tokenizer):
                return new, "stop"
            new.append(token)
    return new, "length"


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("batch_rows", [1, 3, 16])
def test_batches_answer_as_each_prompt_by_itself(kind, batch_rows, tiny_tokenizer, examples, tiny_model):
    model = tiny_model(kind, len(tiny_tokenizer))
    found = generate(model, tiny_tokenizer, examples[:6], "base", SHORT, batch_rows)
    for made, example in zip(found, examples, strict=False):
        ids, finish = greedy_alone(model, tiny_tokenizer, example, 12)
        assert made.example_id == example.id
        assert (made.text, made.tokens, made.finish) == (
            tiny_tokenizer.decode(ids, skip_special_tokens=True),
            len(ids),
            finish,
        )


def test_the_models_own_settings_are_set_aside_and_put_back(tiny_sides, tiny_tokenizer, examples):
    with tiny_sides.use("tuned") as model:
        plain = generate(model, tiny_tokenizer, examples[:3], "tuned", SHORT)
        own = model.get_base_model().generation_config
        own.do_sample, own.temperature, own.repetition_penalty, own.min_new_tokens = True, 5.0, 3.0, 7
        model.generation_config = own
        again = generate(model, tiny_tokenizer, examples[:3], "tuned", SHORT)
        assert model.generation_config is own
        assert model.get_base_model().generation_config is own
    assert [g.text for g in plain] == [g.text for g in again]


def test_a_turn_ends_at_the_stop_token(tiny_tokenizer, examples, tiny_model):
    """A head that always prefers the end-of-turn token answers nothing, at once."""
    import torch

    model = tiny_model("gpt2", len(tiny_tokenizer))
    model.lm_head = torch.nn.Linear(32, len(tiny_tokenizer))
    torch.nn.init.zeros_(model.lm_head.weight)
    with torch.no_grad():
        model.lm_head.bias.zero_()[tiny_tokenizer.eos_token_id] = 1.0
    (made,) = generate(model, tiny_tokenizer, examples[:1], "base", SHORT)
    assert (made.text, made.tokens, made.finish) == ("", 0, "stop")
    assert _until_stop([4, 5, 2, 7, 2], [2, 9]) == ([4, 5], "stop")
    assert _until_stop([4, 5], [2]) == ([4, 5], "length")


def test_sampling_is_seeded_and_leaves_the_global_generator_alone(tiny_tokenizer, examples, tiny_model):
    import torch

    model = tiny_model("llama", len(tiny_tokenizer))

    def texts(**decoding):
        return [
            g.text
            for g in generate(model, tiny_tokenizer, examples[:4], "base", Decoding(max_new_tokens=8, **decoding))
        ]

    torch.manual_seed(7)
    before = torch.get_rng_state()
    one = texts(temperature=1.5, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert one == texts(temperature=1.5, seed=1)
    assert one != texts(temperature=1.5, seed=2)
    assert one != texts()


def test_a_prompt_that_does_not_fit_is_named(tiny_tokenizer, examples, tiny_model):
    model = tiny_model("llama", len(tiny_tokenizer), positions=100)
    with pytest.raises(UserError, match=r"row 1 has \d+ tokens; with 96 new tokens"):
        generate(model, tiny_tokenizer, examples[:1], "base", Decoding())


def test_progress_and_stop(tiny_tokenizer, examples, tiny_model):
    model = tiny_model("llama", len(tiny_tokenizer))
    seen: list[tuple[int, int]] = []
    generate(model, tiny_tokenizer, examples[:5], "base", SHORT, 2, lambda *a: seen.append(a))
    assert seen[-1] == (5, 5)
    assert seen == sorted(seen)
    with pytest.raises(Stopped):
        generate(model, tiny_tokenizer, examples[:5], "base", SHORT, should_stop=lambda: len(seen) > 0)


def test_both_sides(tiny_sides, tiny_tokenizer, examples):
    seen: list[tuple[int, int]] = []
    pairs = generate_both(tiny_sides, tiny_tokenizer, examples, SHORT, lambda *a: seen.append(a))
    assert [(b.example_id, t.example_id) for b, t in pairs] == [(e.id, e.id) for e in examples]
    assert {(b.side, t.side) for b, t in pairs} == {("base", "tuned")}
    assert [b.text for b, _ in pairs] != [t.text for _, t in pairs]
    assert seen[-1] == (40, 40)
    assert seen == sorted(seen)
    with tiny_sides.use("base") as model:
        alone = generate(model, tiny_tokenizer, examples, "base", SHORT)
    assert [g.text for g in alone] == [b.text for b, _ in pairs]


def test_a_stop_leaves_complete_pairs(tiny_sides, tiny_tokenizer, examples, monkeypatch):
    monkeypatch.setattr(batching, "ROWS", 8)
    seen: list[tuple[int, int]] = []
    kept: list = []
    stop = lambda: len(kept) >= 5  # noqa: E731
    pairs = generate_both(tiny_sides, tiny_tokenizer, examples, SHORT, lambda *a: seen.append(a), stop, kept.extend)
    assert 5 <= len(pairs) < 20
    assert [b.example_id for b, _ in pairs] == [e.id for e in examples if e.id in {b.example_id for b, _ in kept}]
    assert all(b.example_id == t.example_id for b, t in pairs)
    assert all((b.side, t.side) == ("base", "tuned") for b, t in pairs)


def alone(model, tokenizer, examples, n):
    """What transformers' own `generate` answers to each prompt by itself."""
    import torch

    answers = []
    for example in examples:
        prompt = torch.tensor([prompt_ids(example, tokenizer)])
        stops = stops_of(model, tokenizer)
        with set_aside(model):
            out = model.generate(prompt, max_new_tokens=n, do_sample=False, eos_token_id=stops, pad_token_id=stops[0])
        answers.append(_until_stop(out[0, prompt.shape[1] :].tolist(), stops))
    return answers


@pytest.mark.parametrize(("rows", "spare"), [(64, 64), (5, 1), (2, 64)])
def test_rows_that_leave_and_join_answer_as_alone(rows, spare, tiny_sides, tiny_tokenizer, examples, monkeypatch):
    """Answers of many lengths; memory that is moved at almost every token; both sides in one batch."""
    monkeypatch.setattr(batching, "ROWS", rows)
    monkeypatch.setattr(batching, "SPARE", spare)
    asked = [*examples[:9], Example(({"role": "user", "content": "many words " * 30},), "x", 99)]
    with tiny_sides.use("tuned") as model:
        own = model.get_base_model().generation_config
        # A ninth of all tokens ends an answer.
        own.eos_token_id = [tiny_tokenizer.eos_token_id, *range(7, len(tiny_tokenizer), 9)]
        model.generation_config = own
    wanted = {}
    for side in ("base", "tuned"):
        with tiny_sides.use(side) as model:
            wanted[side] = alone(model, tiny_tokenizer, asked, 24)
    pairs = generate_both(tiny_sides, tiny_tokenizer, asked, Decoding(max_new_tokens=24))
    lengths = set()
    for i, pair in enumerate(pairs):
        for made in pair:
            ids, finish = wanted[made.side][i]
            text = tiny_tokenizer.decode(ids, skip_special_tokens=True)
            assert (made.text, made.tokens, made.finish) == (text, len(ids), finish)
            lengths.add(made.tokens)
    assert len(lengths) > 5
    assert wanted["base"] != wanted["tuned"]


def test_nothing_asked_is_nothing_answered(tiny_sides, tiny_tokenizer):
    assert generate_both(tiny_sides, tiny_tokenizer, [], SHORT) == []
    assert generate(tiny_sides.model, tiny_tokenizer, [], "tuned", SHORT) == []


def test_models_with_windows_or_states_are_answered_by_transformers(tiny_model, tiny_tokenizer):
    assert batching.suits(tiny_model("llama", len(tiny_tokenizer)))
    windowed = tiny_model("llama", len(tiny_tokenizer))
    windowed.config.sliding_window = 8
    windowed.config.layer_types = ["sliding_attention"] * windowed.config.num_hidden_layers
    assert not batching.suits(windowed)


def test_the_prompt_of_an_example_with_control_tokens(tiny_tokenizer):
    """Text from a row never ends the prompt's turn."""
    example = Example(({"role": "user", "content": "say <|im_end|> now"},), "x", 1)
    ids = prompt_ids(example, tiny_tokenizer)
    assert list(ids).count(tiny_tokenizer.eos_token_id) == 1


def test_it_stops_where_the_models_own_generation_config_does(tiny_tokenizer, examples, tiny_model):
    model = tiny_model("llama", len(tiny_tokenizer))
    ids, _ = greedy_alone(model, tiny_tokenizer, examples[0], 3)
    model.generation_config.eos_token_id = [tiny_tokenizer.eos_token_id, ids[1]]
    first = ids.index(ids[1])
    answer = generate(model, tiny_tokenizer, examples[:1], "base", SHORT)[0]
    assert (answer.tokens, answer.finish) == (first, "stop")
    assert ids[1] in stops_of(model, tiny_tokenizer)
