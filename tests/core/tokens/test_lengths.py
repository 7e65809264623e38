"""Fast lengths equal `render`'s for every template layout, row format and odd text, and know when not to be fast."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.rendering import render
from core.tokens.lengths import histogram, lengths, skeleton, writes_texts_only
from core.types import Example
from tests.conftest import make_tokenizer
from tests.core.tokens.templates import CHATML, REAL, THINKING

TEXTS = [
    "the cat sat on the mat",
    "",
    " padded \n",
    "say <|im_end|> aloud",
    "é 😀 \u200f שלום \u0301\u0302",
    "a\n\n\nb\t",
    "\n\nstarts with breaks",
    "x" * 3000,
    "<think>no</think>yes",
    "\ue0f00\ue0f1",
]


def rows() -> list[Example]:
    examples = []
    for i, prompt in enumerate(TEXTS):
        for target in TEXTS[:8] + ["done"]:
            user = {"role": "user", "content": prompt}
            turns = (user,)
            if i % 3 == 1:
                turns = ({"role": "system", "content": "be kind"}, user)
            if i % 3 == 2:
                turns = (user, {"role": "assistant", "content": "mm"}, {"role": "user", "content": "and then?"})
            examples.append(Example(turns, target or "x", len(examples) + 1))
    return examples


@pytest.mark.parametrize("name", [*REAL, "thinking"])
def test_equal_to_rendering(name):
    tokenizer = make_tokenizer({**REAL, "thinking": THINKING}[name])
    examples = rows()
    rendered = [render(e, tokenizer) for e in examples]
    measured = lengths(examples, tokenizer)
    assert measured.prompt.tolist() == [r.prompt_length for r in rendered]
    assert measured.total.tolist() == [len(r.ids) for r in rendered]
    assert measured.spans.tolist() == [[i, a, b] for i, r in enumerate(rendered) for a, b in r.spans]
    assert measured.trained(40).tolist() == [render(e, tokenizer, 40).trainable for e in examples]


@pytest.mark.parametrize(("name", "fast"), [("chatml", True), ("llama3", True), ("zephyr", True), ("none", False)])
def test_which_layouts_have_a_skeleton(name, fast):
    tokenizer = make_tokenizer(REAL[name])
    plain = [Example(({"role": "user", "content": "the cat"},), "sat", 1)]
    assert (skeleton(tokenizer, ("user",), plain) is not None) == fast
    turns = Example((*plain[0].messages, {"role": "assistant", "content": "ran"}, *plain[0].messages), "sat", 2)
    outline = skeleton(tokenizer, ("user", "assistant", "user"), [turns])
    assert (outline is not None) == fast
    assert outline is None or len(outline.answers) == 2


def test_templates_that_look_at_texts_are_known():
    assert writes_texts_only(CHATML)
    assert not writes_texts_only(THINKING)
    assert not writes_texts_only("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}")
    assert not writes_texts_only("{% for m in messages %}{{ m['content'][:3] }}{% endfor %}")
    assert not writes_texts_only("{% for m in messages %}{{ 'a' if m['content'] else 'b' }}{% endfor %}")
    assert not writes_texts_only("{% for m in messages %}{{ m['content'].strip() }}{% endfor %}")
    assert not writes_texts_only("{% for m in messages %}{{ 'a' ~ m.content | length }}{% endfor %}")


text = st.text(st.sampled_from("ab \n<|>im_end½é😀"), max_size=30)


@given(st.lists(st.tuples(text, text.filter(bool)), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_equal_on_any_text(pairs):
    tokenizer = _tokenizer()
    examples = [Example(({"role": "user", "content": p},), t, i) for i, (p, t) in enumerate(pairs)]
    rendered = [render(e, tokenizer) for e in examples]
    measured = lengths(examples, tokenizer)
    assert measured.total.tolist() == [len(r.ids) for r in rendered]
    assert measured.prompt.tolist() == [r.prompt_length for r in rendered]


_kept: list = []


def _tokenizer():
    if not _kept:
        _kept.append(make_tokenizer())
    return _kept[0]


@pytest.mark.starter
def test_equal_on_the_starter_model(starter_models):
    from core.data import actions as data_actions
    from core.models import loading

    tokenizer = loading.tokenizer("starter", starter_models)
    examples = data_actions.examples_of(data_actions.SAMPLES / "marrowby.jsonl") + rows()
    rendered = [render(e, tokenizer) for e in examples]
    measured = lengths(examples, tokenizer)
    assert measured.total.tolist() == [len(r.ids) for r in rendered]
    assert measured.prompt.tolist() == [r.prompt_length for r in rendered]
    assert skeleton(tokenizer, ("user",), examples[:9]) is not None


def test_no_rows_and_histograms(tiny_tokenizer):
    assert lengths([], tiny_tokenizer).total.tolist() == []
    values = np.array([0, 1, 5, 59, 60, 119])
    bars = histogram(values)
    assert sum(n for _, _, n in bars) == 6
    assert (bars[0], bars[-1]) == ((0, 2, 2), (118, 120, 1))
