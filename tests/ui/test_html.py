"""Whatever a file, a model or a person wrote is text on the page, in every piece of HTML that is built."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import escape

from core.chat.transcript import Answer, Turn
from core.data.columns.unused import Unused
from core.errors import Problem
from core.evaluation.benchmarks.result import Question
from core.judge.result import JudgedPair
from core.tokens.preview import TokenView
from core.types import Decoding, Example, Suggestion
from ui import html, watching

EVIL = "<img src=x onerror=alert(1)>\"'&"
ROW = Example(({"role": "system", "content": EVIL}, {"role": "user", "content": EVIL}), EVIL, 1)
CALL = {"type": "function", "function": {"name": EVIL, "arguments": {EVIL: EVIL}}}
THOUGHT = {"reasoning_content": EVIL, "tool_calls": [CALL]}
FULL = Example(
    ({"role": "assistant", "content": EVIL, "name": EVIL, **THOUGHT}, {"role": "tool", "content": EVIL}),
    *(EVIL, 1, "train", {}, EVIL, None, THOUGHT, (CALL,), (EVIL,)),
)
ROOT = Path(__file__).resolve().parents[2]
FLAGGED = Suggestion("g", "repetition", 1.0, True, ((0, 4), (2, len(EVIL))), EVIL, "d", 0.5)

BUILT = [
    html.lead(EVIL, EVIL),
    html.empty(EVIL, EVIL),
    html.note("error", EVIL),
    html.problems([Problem("error", EVIL, EVIL, 3)]),
    html.rows([ROW]),
    html.rows([FULL]),
    html.held([(EVIL, 3, [(EVIL, EVIL)])]),
    html.unused([Unused("column", EVIL, 3, (1, 2), EVIL)], EVIL),
    html.columns([(EVIL, EVIL, [EVIL])]),
    html.tokens([TokenView(0, 1, EVIL, EVIL, True, True, False)]),
    html.progress(0.5, EVIL, EVIL),
    html.checklist([(EVIL, "now", EVIL, True)], EVIL),
    html.answer(EVIL, [FLAGGED], True),
    html.quote(EVIL, EVIL, "prompt"),
    html.side(EVIL, "base", "", EVIL),
    html.table([EVIL], [[EVIL]]),
    html.figures([(EVIL, EVIL, EVIL, "")]),
    html.log([EVIL]),
    html.sentences([EVIL]),
    html.fold(EVIL, "", EVIL),
    html.effort([(EVIL, EVIL, EVIL, EVIL, EVIL)], EVIL),
    html.questions([Question(0, EVIL, (EVIL, EVIL), 0, 0, 1)]),
    html.verdicts([JudgedPair(EVIL, EVIL, EVIL, EVIL, EVIL, None, None, "tuned", True, False)]),
    html.confusion([EVIL], [(EVIL, [[1, 2]])]),
    html.definitions([(EVIL, EVIL)]),
    html.place(EVIL),
    html.code(EVIL),
    html.detail(EVIL),
    html.takes(EVIL, EVIL),
    html.stored_at(EVIL),
    html.heading(EVIL),
    html.methods([(EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, True)]),
    html.conversation([Turn("1", "c", EVIL, EVIL, Decoding(9), {"base": Answer(EVIL, 1, "length", 1.0)}, error=EVIL)]),
]


@pytest.mark.parametrize("shown", BUILT, ids=range(len(BUILT)))
def test_text_is_text(shown):
    assert "<img" not in shown
    assert "&lt;" in shown


def test_all_of_a_row_is_shown_and_what_is_built_is_not_escaped_again():
    example = replace(
        FULL, messages=({"role": "user", "content": "Q"}, {**FULL.messages[0], "content": "A"}), rejected="", tools=()
    )
    example = replace(
        example, target="T", references=("U", "V"), answer={"reasoning_content": "R", "tool_calls": [CALL]}
    )
    shown = html.rows([example])
    assert "&lt;div" not in shown and "&lt;p" not in shown and "&lt;code" not in shown
    for part in (
        "user",
        "Q",
        f"assistant · {escape(EVIL)} · trained",
        "A",
        "reasoning</small>R</div>T<code",
        "also right: U · V",
    ):
        assert part in shown
    context = replace(
        example, messages=({"role": "user", "content": "Q"}, {"role": "assistant", "content": "A", "train": False})
    )
    assert "assistant · context only" in html.rows([context])
    assert "· trained" not in html.rows([replace(example, rejected="W")])


def test_marked_evidence_keeps_every_character():
    from html import unescape

    shown = html.answer(EVIL, [FLAGGED], False).split("</div>")[0]
    assert unescape(re.sub(r"<[^>]*>", "", shown)) == EVIL
    assert '<mark class="tw-repetition">' in shown


def test_durations_are_read_easily():
    assert [watching.duration(s) for s in (5, 89, 600, 7200)] == ["5 s", "89 s", "10 min", "2.0 h"]


def test_a_question_says_who_took_what():
    import re

    item = Question(0, "Q", ("a", "b", "c"), gold=1, base=1, tuned=2)
    lines = re.findall(r"<li.*?</li>", html.questions([item]))
    chips = [re.findall(r"tw-of-\w+\">(\w+)", line) for line in lines]
    assert chips == [[], ["right", "base"], ["tuned"]]
    assert ["tw-right" in line for line in lines] == [False, True, False]


def test_no_other_page_builds_html():
    """What is escaped in one place can be trusted everywhere."""
    pages = [path for path in (ROOT / "ui").rglob("*.py") if path.parent.name != "html"]
    assert len(pages) > 15
    for path in pages:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                tag = re.search(r"</?(p|div|span|ul|li|table|tr|td|h[1-6]|pre|a|img|mark|section)[ >]", node.value)
                assert not tag, f"{path}, line {node.lineno}: {node.value[:80]}"


def test_what_filters_hold_and_who_wrote_a_row_are_shown_as_text():
    evil = "<script>alert(1)</script>"
    shown = html.held([("Copies", 1200, [(evil, evil)])])
    assert evil not in shown and "1,200" in shown and "… and 1,199 more." in shown
    asked = ({"role": "user", "content": "a"},)
    written = Example(asked, "b", 1, meta={"synthetic": "new", "synthetic_model": f'"{evil}'})
    assert "synthetic</span>" in html.rows([written]) and evil not in html.rows([written])
    assert "synthetic" not in html.rows([Example(asked, "b", 1, meta={"synthetic": "no"})])
