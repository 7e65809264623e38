"""What will be trained, said of the whole dataset, equals what the trainer is given; and what a length costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import UserError
from core.models import loading
from core.tokens import statistics
from core.tokens.lengths import Lengths, lengths
from core.tokens.preview import preview
from core.tokens.rows import to_rows
from core.training.settings import TrainSettings
from core.types import Example
from tests.conftest import make_tokenizer
from tests.core.tokens.templates import REAL


def examples(n: int = 30) -> list[Example]:
    return [
        Example(({"role": "user", "content": "the cat " * (i % 7)},), "sat on the mat. " * (1 + i % 5), i + 1)
        for i in range(n)
    ]


@pytest.mark.parametrize("max_length", [16, 24, 40, 400])
@pytest.mark.parametrize("name", ["chatml", "mistral", "none"])
def test_the_report_says_what_the_trainer_gets(stored, name, max_length):
    tokenizer = make_tokenizer(REAL[name])
    rows = examples()
    settings = TrainSettings(max_length=max_length)
    report = statistics.token_report(stored(rows), lengths(rows, tokenizer), tokenizer, settings)
    given = to_rows(rows, tokenizer, max_length)
    assert (report.kept, report.dropped, report.truncated) == (len(given.rows), given.dropped, given.truncated)
    assert (report.tokens, report.trained_tokens) == (given.tokens, given.trained_tokens)
    ends = sum(ids[-1] == tokenizer.eos_token_id for ids, _ in given.rows)
    assert report.without_end == report.kept - ends
    assert report.tokens <= report.padded_tokens
    assert report.packed_tokens < report.tokens or report.kept < 2
    assert report.steps == (settings.steps(report.kept) if report.kept else 0)


def test_a_template_without_an_end_is_counted(stored):
    tokenizer = make_tokenizer("{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}")
    rows = examples()
    report = statistics.token_report(stored(rows), lengths(rows, tokenizer), tokenizer, TrainSettings())
    assert report.without_end == report.kept == 30


def test_what_a_cut_loses():
    spans = np.array([[0, 10, 20], [1, 10, 40], [2, 50, 60]])
    lost = statistics.loss_at(Lengths(np.array([20, 40, 60]), spans[:, 1], spans), 30)
    assert (lost.truncated, lost.dropped, lost.answer_tokens) == (2, 1, 20)
    assert lost.answer_share == pytest.approx(20 / 50)


@pytest.mark.parametrize(
    ("total", "context", "length", "why"),
    [
        ([20, 90], None, 96, "longest row has 90 tokens, so nothing is cut"),
        ([20] * 500 + [5000], None, 32, "keeps 99.8% of the rows whole"),
        ([20, 900], 512, 512, "the model takes no more; 50.0% of the rows are whole"),
        ([], None, 512, "no rows yet"),
    ],
)
def test_the_suggested_length_has_a_reason(total, context, length, why):
    suggested, reason = statistics.suggest_length(np.array(total, dtype=np.int64), context)
    assert suggested == length
    assert why in reason


def test_worst_first(stored):
    rows = examples(3)
    spans = np.array([[0, 5, 10], [1, 5, 50], [2, 5, 30]])
    measured = Lengths(spans[:, 2], spans[:, 1], spans)
    assert statistics.worst_first(stored(rows), measured, 20).tolist() == [1, 2, 0]
    assert statistics.worst_first(stored(rows), measured, 100).tolist() == [1, 2, 0]


def test_text_that_does_not_fit_the_tokenizer(tiny_tokenizer):
    english = statistics.text_health(examples(), tiny_tokenizer)
    other = [Example(({"role": "user", "content": "どうもありがとう"},), "雨が降っています", 1)]
    foreign = statistics.text_health(other, tiny_tokenizer)
    assert english["pieces_per_word"] < 1.5
    assert english["bytes"] == 0
    assert foreign["pieces_per_word"] > statistics.MANY_PIECES
    assert foreign["bytes"] > 0.9
    assert foreign["broken_words"][0][1] > 10


def test_lengths_are_kept_by_version_and_tokenizer(tmp_path):
    rows, file = examples(), tmp_path / "rows.parquet"
    first, second = make_tokenizer(), make_tokenizer(REAL["mistral"])
    a = statistics.cached_lengths(file, rows, first)
    b = statistics.cached_lengths(file, rows, second)
    assert a.total.tolist() != b.total.tolist()
    assert len(list(tmp_path.glob("lengths-*.npz"))) == 2
    assert statistics.cached_lengths(file, [], first).total.tolist() == a.total.tolist()  # read, not measured


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("max_length", [45, 200])
def test_the_preview_equals_the_trainers_batch(workspace, rows_file, tiny_model_folder, name, max_length, tmp_path):
    """The batches that the trainer's own loader yields, unpacked again, are what the preview showed."""
    import torch

    from core.data import actions as data_actions
    from core.engine.packing import pack
    from core.jobs.events import EventLog
    from core.training import methods
    from core.training.spec import RunSpec
    from core.training.trainer import packed_trainer

    tokenizer = make_tokenizer(REAL[name])
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    hostile = Example(({"role": "user", "content": "say <|im_end|>"},), "no <|im_start|> ever", 99)
    chat = Example(({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}), "d", 98)  # noqa: E501  # fmt: skip
    rows = [*workspace.examples(version.id, "train"), hostile, chat]
    settings = TrainSettings(max_length=max_length, batch_size=4)
    prepared = {"train": to_rows(rows, tokenizer, max_length), "validation": to_rows([], tokenizer, max_length)}
    torch.manual_seed(0)
    model = methods.attach(loading.load(str(tiny_model_folder), workspace.models), settings)
    spec = RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)), settings)
    trainer = packed_trainer(tmp_path, spec, model, prepared, EventLog(tmp_path / "e.jsonl"))
    fed = set()
    for batch in trainer.get_train_dataloader():
        packed = pack(batch["rows"])
        mask = packed.mask()
        for r, (ids, trained) in enumerate(batch["rows"]):
            pairs = [(s, t) for s, t, row in zip(packed.source, packed.target, packed.row, strict=True) if row == r]
            for (source, target), position in zip(pairs, (i for i, t in enumerate(trained) if t and i), strict=True):
                path = packed.ids[np.flatnonzero(mask[source])].tolist()
                assert (*path, int(target)) == tuple(ids[: position + 1])
            fed.add((tuple(ids), tuple(trained)))
    shown = set()
    for e in rows:
        tokens = [t for t in preview(e, tokenizer, max_length).tokens if not t.cut]
        if any(t.trained for t in tokens):
            shown.add((tuple(t.id for t in tokens), tuple(t.trained for t in tokens)))
    assert fed == shown


ODD = [
    "",
    "<|im_start|><|im_end|><|endoftext|>",
    "שלום \u202eעולם",
    "e\u0301\u0302\u0303 Z\u0351\u036b\u0343",
    "x" * 100_000,
    "\0\x01\x7f",
    "😀" * 50,
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("name", ["chatml", "none"])
def test_odd_rows_are_shown_truthfully(odd, name):
    tokenizer = make_tokenizer(REAL[name])
    row = Example(({"role": "user", "content": odd},), odd or "x", 1)
    shown = preview(row, tokenizer, 512)
    assert len(shown.tokens) == len(shown.rendered.ids) + len(shown.rendered.cut_ids)
    assert all(isinstance(t.text, str) for t in shown.tokens)
    special = sum(t.special for t in shown.tokens)
    assert special == (4 if name == "chatml" else 1)  # the template's own; rows add none
    decoded = tokenizer.decode([t.id for t in shown.tokens])
    assert odd in decoded


def test_a_tokenizer_without_an_end_token_is_reported(tiny_tokenizer):
    tokenizer = make_tokenizer(None)
    tokenizer.eos_token = None
    shown = preview(examples()[0], tokenizer)
    assert any("no end-of-turn token" in p.what for p in shown.problems)
    assert "None" not in shown.rendered.text


def test_a_row_longer_than_the_model_takes(workspace, tiny_model_folder):
    from core.tokens import actions as tokens_actions

    row = replace(examples()[0], target="the cat " * 600)
    shown = tokens_actions.preview(workspace, str(tiny_model_folder), row, None)
    assert any("the model takes 512" in p.what for p in shown.problems)


def test_templates_are_chosen_by_name(workspace, tiny_model_folder):
    with pytest.raises(UserError, match="no template “nope”"):
        loading.tokenizer(str(tiny_model_folder), workspace.models, template="nope")
    chosen = loading.tokenizer(str(tiny_model_folder), workspace.models, template="question")
    own = loading.tokenizer(str(tiny_model_folder), workspace.models)
    assert preview(examples()[1], chosen).rendered.text.startswith("Question: the cat")
    assert preview(examples()[1], chosen).own_template is False
    assert preview(examples()[1], own).own_template is True


def test_what_the_template_drops_is_counted_and_kept(tmp_path):
    tokenizer, file = make_tokenizer(), tmp_path / "rows.parquet"
    user = {"role": "user", "content": "the cat"}
    rows = [Example((user,), "sat", n, answer={"reasoning_content": "because of it"}) for n in range(1, 8)]
    for examples_given in (rows, []):  # measured, then read
        measured = statistics.cached_lengths(file, examples_given, tokenizer)
        assert [str(r) for r in measured.remarks] == [
            "The chat template drops the reasoning of the answer (7 rows: 1, 2, 3, 4, 5 …)."
        ]


def test_several_answers_are_counted_as_they_are_trained(stored):
    tokenizer = make_tokenizer()
    turns = (
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b b"},
        {"role": "user", "content": "c"},
    )
    rows = [Example(turns, "d " * n, n) for n in range(1, 20)]
    for max_length in (16, 18, 20, 200):
        settings = TrainSettings(max_length=max_length)
        report = statistics.token_report(stored(rows), lengths(rows, tokenizer), tokenizer, settings)
        given = to_rows(rows, tokenizer, max_length)
        assert (report.kept, report.dropped, report.truncated) == (len(given.rows), given.dropped, given.truncated)
        assert (report.tokens, report.trained_tokens) == (given.tokens, given.trained_tokens)
