"""An answer has its room whatever was reasoned before it; without reasoning nothing changes."""

from __future__ import annotations

import pytest

from core.engine.rendering import prompt_ids, stop_ids
from core.models.generation import generate
from core.models.room import Room
from core.types import Decoding, Example


def new_tokens(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def written(tokenizer, text: str, decoding: Decoding, prompt: str = "Why?") -> str:
    """As much of the text as has room, asked after each token."""
    room = Room(tokenizer, new_tokens(tokenizer, prompt), decoding)
    ids = new_tokens(tokenizer, text)
    n = next((n for n in range(1, len(ids) + 1) if room.full(ids[:n])), len(ids))
    assert list(room.kept(ids)) == list(room.kept(ids[:n]))  # what a batch wrote behind it is cut
    return tokenizer.decode(room.kept(ids))


def cut(tokenizer, text: str, n: int) -> str:
    return tokenizer.decode(new_tokens(tokenizer, text)[:n])


THOUGHT = "<think>\nthe cat sat on the mat and the dog ran to the cat\n</think>"
ANSWER = "\n\nthe mat and the dog and the cat and the user"


@pytest.mark.parametrize("most", [1, 3, 8, 12, 40])
@pytest.mark.parametrize("reasoning", [0, 5, 200])
def test_what_does_not_reason_has_its_usual_room(tiny_tokenizer, most, reasoning):
    decoding = Decoding(most, reasoning_tokens=reasoning)
    assert written(tiny_tokenizer, ANSWER, decoding) == cut(tiny_tokenizer, ANSWER, most)
    assert written(tiny_tokenizer, "I <think> so </think> " + ANSWER, decoding) == cut(
        tiny_tokenizer, "I <think> so </think> " + ANSWER, most
    )


@pytest.mark.parametrize("most", [1, 3, 8, 12, 40])
def test_the_answer_has_its_room_behind_the_reasoning(tiny_tokenizer, most):
    decoding = Decoding(most, reasoning_tokens=200)
    for text, prompt in ((THOUGHT, "Why?"), (THOUGHT.removeprefix("<think>"), "Why?\n<think>\n")):
        n = min(len(new_tokens(tiny_tokenizer, text)) + most, len(new_tokens(tiny_tokenizer, text + ANSWER)))
        wanted = cut(tiny_tokenizer, text + ANSWER, n)
        shown = written(tiny_tokenizer, text + ANSWER, decoding, prompt)
        assert abs(len(new_tokens(tiny_tokenizer, shown)) - n) <= 1 and wanted.startswith(shown[:-1])


def test_reasoning_that_never_ends_is_cut(tiny_tokenizer):
    endless = "<think>\n" + "the cat sat on the mat " * 40
    decoding = Decoding(4, reasoning_tokens=50)
    assert written(tiny_tokenizer, endless, decoding) == cut(tiny_tokenizer, endless, 50)
    assert written(tiny_tokenizer, endless, Decoding(60, reasoning_tokens=50)) == cut(tiny_tokenizer, endless, 60)
    assert written(tiny_tokenizer, endless, Decoding(4)) == cut(tiny_tokenizer, endless, 4)


@pytest.fixture
def thinker(tiny_tokenizer, tiny_model):
    """A model that has learnt by heart to think about one question and not about another."""
    import torch

    model = tiny_model("llama", len(tiny_tokenizer))
    rows = []
    for asked, answer in (("cat?", THOUGHT + "\n\nthe mat<|im_end|>"), ("dog?", "the dog<|im_end|>")):
        prompt = list(prompt_ids(Example(({"role": "user", "content": asked},), "", 1), tiny_tokenizer))
        rows.append((prompt, new_tokens(tiny_tokenizer, answer)))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(150):
        loss = sum(
            model(input_ids=torch.tensor([prompt + answer]), labels=torch.tensor([[-100] * len(prompt) + answer])).loss
            for prompt, answer in rows
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def test_a_model_that_thinks_comes_to_its_answer(thinker, tiny_tokenizer):
    asked = [Example(({"role": "user", "content": text},), "", i) for i, text in enumerate(("cat?", "dog?"), start=1)]
    assert stop_ids(tiny_tokenizer)
    thinks, direct = generate(thinker, tiny_tokenizer, asked, "base", Decoding(6, reasoning_tokens=200))
    assert (thinks.text, thinks.finish) == (THOUGHT + "\n\nthe mat", "stop")
    assert (direct.text, direct.finish) == ("the dog", "stop")
    short, direct = generate(thinker, tiny_tokenizer, asked, "base", Decoding(6))
    assert (short.tokens, short.finish) == (6, "length") and direct.text == "the dog"
    cut_short, _ = generate(thinker, tiny_tokenizer, asked, "base", Decoding(1, reasoning_tokens=200))
    assert cut_short.finish == "length" and cut_short.text.startswith(THOUGHT) and not cut_short.text.endswith("mat")
