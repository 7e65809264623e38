"""A prompt as a text with columns in braces: filled alike row by row and in batches, and refused with the place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import actions, manifest
from core.data.columns import templates
from core.data.columns.batches import convert, of_examples
from core.data.columns.choice import Columns, check
from core.data.columns.rows import to_examples
from core.data.reading.table import Table
from core.errors import UserError
from core.store import prompts
from core.store.datasets import to_examples as stored

BAD = {
    "Translate {word}.": "names “{word}”, and there is no such column. The file has: {text}, {language}",
    "Translate {{text}}.": "two braces, “{{text}}”",
    "Translate {text into it.": "single “{” near “Translate {text into",
    "Translate text}.": "single “}”",
    "Translate it.": "names no column",
    "{}": "names “{}”",
    "{text}" + "x" * 30_000: "the limit is 20,000",
}


@pytest.mark.parametrize("template", BAD)
def test_a_template_that_cannot_be_filled_is_a_sentence(template):
    with pytest.raises(UserError) as refusal:
        templates.check(template, ["text", "language"])
    assert BAD[template] in str(refusal.value)


def test_columns_of_a_template_count_as_taken(tmp_path, workspace):
    path = tmp_path / "rows.csv"
    lines = "".join(f"word {i},French,mot {i},noun\n" for i in range(8))
    path.write_text(f"text,language,output,kind\n{lines},,nothing,noun\nlast,,dernier,noun\n", encoding="utf-8")
    columns = Columns(answer="output", template='Say {text} in {language}, as {{"word": …}}.')
    draft = actions.inspect(path, workspace, columns)
    assert (draft.rows, [u.what for u in draft.unused]) == (9, ["kind"])
    assert [e.prompt for e in (draft.first, *draft.others)] == [
        f'Say word {i} in French, as {{"word": …}}.' for i in range(3)
    ]
    assert draft.sample[1]["text"] == "word 1"
    project = workspace.create_project("p")
    version, problems = actions.import_file(workspace, project.id, path, columns)
    assert version.manifest["columns"]["template"] == columns.template
    assert any(p.row == 9 and "prompt is empty" in p.what for p in problems)
    assert "prompt ← “Say {text} in {language}" in manifest.taken_of(version.manifest)
    with pytest.raises(UserError, match="both the column “text” and a template"):
        check(["text", "output"], Columns("text", "output", template="{text}!"))


cell = st.none() | st.text("ab {}\n", max_size=4) | st.integers(0, 9)


@given(
    rows=st.lists(st.fixed_dictionaries({}, optional={"a": cell, "b.c": cell, "answer": cell, "s": cell}), max_size=5),
    template=st.sampled_from(["{a}", "x {a} y {b.c}{a}", "{{ {b.c} }}"]),
    system=st.sampled_from(["", "Be kind."]),
    column=st.sampled_from([None, "s"]),
)
@settings(max_examples=50, deadline=None)
def test_batches_fill_templates_as_rows_do(rows, template, system, column):
    table = Table(rows, list(range(1, len(rows) + 1)))
    columns = Columns(answer="answer", system=column, template=template, system_prompt=system)
    batch, (examples, problems) = convert(table, columns), to_examples(table, columns)
    again = of_examples(examples, problems)
    assert stored(batch.table) == stored(again.table) and batch.problems == problems
    assert batch.texts == again.texts and batch.keys.asks.tolist() == again.keys.asks.tolist()


def test_rows_without_a_system_message_get_the_projects(tmp_path, workspace):
    path = tmp_path / "rows.csv"
    lines = "".join(f"Ask {i}?,Say {i}.,{'Own.' if i % 4 == 0 else ''}\n" for i in range(8))
    path.write_text(f"prompt,answer,system\n{lines}", encoding="utf-8")
    project = workspace.create_project("p")
    prompts.set_system_prompt(workspace, project.id, " Be brief. ")
    draft = actions.inspect(path, workspace, system_prompt=prompts.system_prompt(workspace, project.id))
    assert any("6 rows that brought no system prompt" in p.what for p in draft.problems)
    version, _ = actions.import_file(workspace, project.id, path)
    systems = [e.messages[0]["content"] for e in workspace.examples(version.id)]
    assert (systems.count("Be brief."), systems.count("Own.")) == (6, 2)
    assert version.manifest["system_prompt"] == {"text": "Be brief.", "rows": 6}
    text = tmp_path / "text.txt"
    text.write_text("one\n\n\ntwo\n\n\nthree\n", encoding="utf-8")
    version, _ = actions.import_file(workspace, project.id, text)
    assert all(not e.messages for e in workspace.examples(version.id))
    with pytest.raises(UserError, match="the limit is 20,000"):
        prompts.set_system_prompt(workspace, project.id, "x" * 20_001)
    with pytest.raises(UserError, match="somebody else's"):
        prompts.set_system_prompt(workspace.as_owner("other"), project.id, "x")
    assert prompts.system_prompt(workspace, project.id) == "Be brief."
