"""Files, pasted and piped text end as one path to read, whatever they are."""

from __future__ import annotations

import pytest

from core.data import bringing
from core.data.reading.files import read
from core.errors import UserError


@pytest.mark.parametrize(
    "text",
    [
        "prompt\tanswer\na b\tc\n",
        "prompt,answer\na b,c\n",
        '{"prompt": "a b", "answer": "c"}',
        '[{"prompt": "a b", "answer": "c"}]',
    ],
)
def test_pasted_rows_are_known_by_their_shape(tmp_path, text):
    assert read(bringing.of_text(text, tmp_path)).rows == [{"prompt": "a b", "answer": "c"}]


def test_pasted_text_that_is_nothing_or_too_much_is_a_sentence(tmp_path):
    for text, sentence in ((" \n", "Nothing is pasted yet"), ("x" * 5_000_001, "the limit is 5,000,000")):
        with pytest.raises(UserError, match=sentence):
            bringing.of_text(text, tmp_path)
    assert [row["text"] for row in read(bringing.of_text("one\n\ntwo\n\nthree", tmp_path)).rows] == [
        "one",
        "two",
        "three",
    ]


def test_files_of_one_name_stay_two(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.csv").write_text(f"prompt,answer\n{folder},x\n", encoding="utf-8")
    paths = [tmp_path / folder / "rows.csv" for folder in ("a", "b")]
    assert bringing.of_files(paths[:1], tmp_path) == paths[0]
    together = read(bringing.of_files(paths, tmp_path / "new"))
    assert [(row["prompt"], row["file"]) for row in together.rows] == [("b", "rows (2).csv"), ("a", "rows.csv")]
    with pytest.raises(UserError, match="is a folder"):
        bringing.of_files([paths[0], tmp_path / "b"], tmp_path / "other")
