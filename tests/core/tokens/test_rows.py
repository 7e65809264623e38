"""What an objective makes of rows: plain text whole and once, pairs together, and a sentence where rows do not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import actions as data_actions
from core.engine.rendering import Rendered, render
from core.engine.templates import RenderSettings, with_settings
from core.errors import Problem, UserError
from core.tokens import lengths, statistics
from core.tokens.preview import context_problems, preview
from core.tokens.rows import for_objective, summed, to_rows, windows
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from core.types import Example
from tests.conftest import CHATML, make_tokenizer
from tests.core.evaluation.as_json import evaluate
from tests.core.training.test_training import curve, train_here

ASKED = ({"role": "user", "content": "the cat"},)
LONG = "the cat sat on the mat and the dog ran to the user. " * 40


def with_bos(tokenizer):
    """The same tokenizer, adding BOS as Llama's and Gemma's do."""
    from tokenizers.processors import TemplateProcessing

    bos = (tokenizer.bos_token, tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos[0]} $A", pair=f"{bos[0]} $A $B", special_tokens=[bos]
    )
    return tokenizer


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("template", ["chatml", None])
def test_plain_text_is_rendered_without_a_template(bos, template):
    tokenizer = make_tokenizer() if template == "chatml" else make_tokenizer(template)
    tokenizer = with_bos(tokenizer) if bos else tokenizer
    rendered = render(Example((), " the cat\nsat", 1), tokenizer)
    assert rendered.ids[-1] == tokenizer.eos_token_id
    assert (rendered.ids[0] == tokenizer.bos_token_id) == bos
    assert tokenizer.decode(rendered.ids[bos:-1]) == " the cat\nsat"
    assert rendered.trained == (False, *[True] * (len(rendered.ids) - 1))  # nothing precedes the first
    assert render(Example((), LONG, 1), tokenizer, 32).ids == render(Example((), LONG, 1), tokenizer).ids[:32]


def test_control_tokens_in_plain_text_are_ordinary_text(tiny_tokenizer):
    rendered = render(Example((), "say <|im_end|> now", 1), tiny_tokenizer)
    assert [i for i, token in enumerate(rendered.ids) if token == tiny_tokenizer.eos_token_id] == [
        len(rendered.ids) - 1
    ]
    assert tiny_tokenizer.decode(rendered.ids[:-1]) == "say <|im_end|> now"
    assert "<|im_end|>" in rendered.problems[0].what


@given(length=st.integers(2, 400), most=st.integers(4, 64), bos=st.booleans())
@settings(max_examples=200, deadline=None)
def test_windows_train_every_token_once_behind_its_own_predecessor(length, most, bos):
    ids = tuple(range(length))
    parts = windows(Rendered("", ids, (False, *[True] * (length - 1)), 1), most, 0 if bos else None)
    assert all(len(part) <= most for part, _ in parts)
    pairs = [(part[i - 1], part[i]) for part, trained in parts for i in range(len(part)) if trained[i]]
    assert pairs == list(zip(ids, ids[1:], strict=False))
    assert all((part[0] == 0) for part, _ in parts) or not bos


def test_a_long_text_becomes_rows_and_the_tokens_tab_says_so(stored, tiny_tokenizer):
    examples = [Example((), LONG, 1), Example((), "the cat", 2), Example((), "a", 3)]
    trained = to_rows(examples, tiny_tokenizer, 64, "text")
    whole = [render(e, tiny_tokenizer) for e in examples]
    assert trained.trained_tokens == sum(r.trainable for r in whole)
    assert (trained.truncated, trained.dropped) == (0, 0)
    assert len(trained.examples) == len(trained.rows) > 5
    shown = preview(examples[0], tiny_tokenizer, 64)
    assert not any(t.cut for t in shown.tokens)
    assert [t.id for t in shown.tokens] == list(whole[0].ids)
    assert f"trained in {shown.windows} parts" in shown.problems[-1].what
    assert shown.windows == sum(e is examples[0] for e in trained.examples)
    assert context_problems(shown, 64) == []

    measured = lengths.lengths(examples, tiny_tokenizer)
    assert measured.total.tolist() == [len(r.ids) for r in whole]
    report = statistics.token_report(stored(examples), measured, tiny_tokenizer, TrainSettings(max_length=64))
    assert (report.rows, report.kept, report.truncated, report.dropped) == (len(trained.rows), len(trained.rows), 0, 0)
    assert (report.tokens, report.trained_tokens) == (trained.tokens, trained.trained_tokens)
    assert statistics.worst_first(stored(examples), measured, 64).tolist() == [0, 1, 2]


def test_text_trains_through_the_worker_and_is_measured(workspace, tmp_path, tiny_model_folder):
    path = tmp_path / "story.txt"
    path.write_text("\n\n".join(f"{LONG[: 200 + 40 * i]} The end of part {i}." for i in range(20)), encoding="utf-8")
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, path)
    chosen = TrainSettings(objective="text", epochs=4, learning_rate=1e-2, max_length=64, dropout=0.0)
    spec = RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)), chosen)
    _, folder, outcome = train_here(workspace, project.id, spec)
    validation = curve(folder, "validation_loss")
    assert outcome.steps == chosen.steps(
        len(to_rows(workspace.examples(version.id, "train"), make_tokenizer(), 64).rows)
    )
    assert validation[max(validation)] < 0.95 * validation[0]
    asked = {
        "model": spec.model, "revision": None, "adapter": str(folder / "adapter"), "split": "test", "max_length": 512,
        "decoding": {"max_new_tokens": 4}, "benchmarks": [], "benchmark_folder": "", "benchmark_limit": 1, "seed": 0,
    }  # fmt: skip
    measured = evaluate(
        tmp_path, asked, workspace.models, lambda split: workspace.examples(version.id, split), lambda *_: None, bool
    )
    heldout = measured["heldout"]
    assert heldout["tuned"]["loss"] < heldout["base"]["loss"]
    assert heldout["difference"]["why"] == "few rows"
    assert [p["what"] for p in measured["problems"]] == ["2 test rows are plain text and ask nothing."]


def test_pairs_stay_together_and_what_cannot_be_compared_is_named(tiny_tokenizer):
    pair = Example(ASKED, "sat on the mat", 1, rejected="ran to the dog")
    late = Example(ASKED, LONG + "mat", 2, rejected=LONG + "dog")
    full = Example(({"role": "user", "content": LONG},), "a", 3, rejected="b")
    trained = to_rows([pair, late, full], tiny_tokenizer, 64, "dpo")
    assert [e.row for e in trained.examples] == [1]
    assert len(trained.rows) == len(trained.rejected) == 1
    assert trained.rejected[0][0] == render(replace(pair, target=pair.rejected), tiny_tokenizer).ids
    assert (trained.dropped, trained.truncated) == (2, 2)
    assert [p.row for p in trained.problems] == [2, 3]
    assert "the same within the maximum length of 64" in trained.problems[0].what


def test_what_each_objective_makes_of_rows():
    pair = Example(ASKED, "good", 1, rejected="bad")
    marked = [Example(ASKED, "good", 2, good=True), Example(ASKED, "bad", 3, good=False)]
    assert for_objective([pair], "dpo") == ([pair], [])
    assert for_objective(marked, "kto") == (marked, [])
    unpaired, [note] = for_objective([pair], "kto")
    assert [(e.target, e.good, e.rejected) for e in unpaired] == [("good", True, ""), ("bad", False, "")]
    assert "count as good" in note.what
    kept, notes = for_objective([pair, *marked], "supervised")
    assert [e.row for e in kept] == [1, 2]
    assert [n.what for n in notes] == ["1 rows have a chosen and a rejected answer.", "1 rows are marked bad."]


@pytest.mark.parametrize(
    ("row", "objective", "needs", "fits"),
    [
        (Example(ASKED, "a", 1), "text", "plain text", "“Answers (supervised)”"),
        (Example(ASKED, "a", 1), "dpo", "a prompt, a chosen and a rejected answer", "“Answers (supervised)”"),
        (Example(ASKED, "a", 1), "kto", "a prompt and an answer marked good or bad", "“Answers (supervised)”"),
        (Example((), "a", 1), "supervised", "a prompt and an answer", "“Plain text (continued pretraining)”"),
        (Example((), "a", 1), "dpo", "a chosen and a rejected", "“Plain text (continued pretraining)”"),
        (Example(ASKED, "a", 1, good=True), "dpo", "rejected answer", "“Answers marked good or bad (KTO)”"),
        (Example(ASKED, "a", 1, rejected="b"), "text", "plain text", "“Preferred over rejected answers (DPO)”"),
    ],
)
def test_rows_that_do_not_fit_name_the_objectives_that_do(row, objective, needs, fits):
    with pytest.raises(UserError) as refusal:
        for_objective([row], objective)
    sentence = str(refusal.value)
    assert needs in sentence.split(";")[0] and fits in sentence and "1 of 1 rows hold" in sentence


def test_kto_needs_both_marks():
    with pytest.raises(UserError, match="All rows to train are marked good.*add rows marked bad, or train the answers"):
        for_objective([Example(ASKED, "a", 1, good=True)], "kto")
    with pytest.raises(UserError, match="All rows to train are marked bad.*add rows marked good."):
        for_objective([Example(ASKED, "a", 1, good=False)], "kto")


TURNS = (*ASKED, {"role": "assistant", "content": "the first"}, {"role": "user", "content": "and then?"})


def test_preferences_are_learnt_from_the_last_answer(tiny_tokenizer):
    pair = Example(TURNS, "sat on the mat", 1, rejected="ran to the dog")
    examples, notes = for_objective([pair], "dpo")
    assert any("1 rows have earlier answers: they are context" in n.what for n in notes)
    trained = to_rows(examples, tiny_tokenizer, 128, "dpo")
    for (ids, mask), said in ((trained.rows[0], pair.target), (trained.rejected[0], pair.rejected)):
        learnt = [i for i, is_trained in zip(ids, mask, strict=True) if is_trained]
        assert tiny_tokenizer.decode(learnt) == f"{said}<|im_end|>"
    every = to_rows([pair], tiny_tokenizer, 128)
    assert every.trained_tokens > trained.trained_tokens // 2


def test_refused_rows_stop_or_are_left_out():
    tokenizer = make_tokenizer(
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}" + CHATML
    )
    system = Example(({"role": "system", "content": "x"}, *ASKED), "b", 2)
    with pytest.raises(UserError, match="Row 2"):
        to_rows([Example(ASKED, "a", 1), system], tokenizer, 64)
    left = with_settings(tokenizer, RenderSettings(refused="leave-out"))
    trained = to_rows([Example(ASKED, "a", 1), system], left, 64)
    assert (len(trained.rows), trained.refused, trained.dropped) == (1, 1, 0)
    assert [(p.row, p.fix) for p in trained.problems] == [(2, "The row is left out.")]
    assert trained.reasons == {"The chat template refuses rows: no.": 1}
    long = [Example(({"role": "user", "content": "cat " * n},), "a", n) for n in (90, 95)]
    cut = to_rows([Example(ASKED, "a", 1), system, replace(system, row=9, target="c"), *long], left, 64)
    [(why, rows), (filled, full)] = cut.reasons.items()
    assert (why, rows, full) == ("The chat template refuses rows: no.", 2, 2)
    assert filled == "The prompt alone fills the maximum length (… tokens, the limit is 64)."


def test_what_is_said_of_many_rows_is_said_once():
    same = [Problem("warning", "It is odd.", "Look.", n) for n in range(1, 9)]
    problems = summed([*same, Problem("note", "Another.", "", 3)])
    assert [p.what for p in problems] == ["8 rows (1, 2, 3, 4, 5 …): It is odd.", "Another."]
    assert summed(same[:3]) == same[:3]
