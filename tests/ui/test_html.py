"""Whatever a file, a model or a person wrote is text on the page, in every piece of HTML that is built."""

from __future__ import annotations

import pytest

from core.tokens.preview import TokenView
from core.types import Example, Problem, Suggestion
from ui import markup, watching

EVIL = "<img src=x onerror=alert(1)>\"'&"
ROW = Example(({"role": "system", "content": EVIL}, {"role": "user", "content": EVIL}), EVIL, 1)
FOUND = Suggestion("g", "repetition", 1.0, True, ((0, 4), (2, len(EVIL))), EVIL, "d", 0.5)

BUILT = [
    markup.lead(EVIL, EVIL),
    markup.empty(EVIL, EVIL),
    markup.note("error", EVIL),
    markup.problems([Problem("error", EVIL, EVIL, 3)]),
    markup.rows([ROW]),
    markup.tokens([TokenView(0, 1, EVIL, EVIL, True, True, False)]),
    markup.progress(0.5, EVIL, EVIL),
    markup.checklist([(EVIL, "now", EVIL, True)], EVIL),
    markup.answer(EVIL, [FOUND], True),
    markup.quote(EVIL, EVIL, "prompt"),
    markup.side(EVIL, "base", "", EVIL),
    markup.table([EVIL], [[EVIL]]),
    markup.figures([(EVIL, EVIL, EVIL, "")]),
    markup.log([EVIL]),
    markup.sentences([EVIL]),
    markup.fold(EVIL, "", EVIL),
    markup.effort([(EVIL, EVIL, EVIL, EVIL, EVIL)], EVIL),
    markup.questions([{"question": EVIL, "choices": [EVIL, EVIL], "gold": 0, "base": 0, "tuned": 1}]),
    markup.verdicts([{"prompt": EVIL, "base": EVIL, "tuned": EVIL, "winner": EVIL, "reason": EVIL}]),
    markup.confusion([EVIL], [(EVIL, [[1, 2]])]),
    markup.definitions([(EVIL, EVIL)]),
    markup.place(EVIL),
    markup.code(EVIL),
]


@pytest.mark.parametrize("html", BUILT, ids=range(len(BUILT)))
def test_text_is_text(html):
    assert "<img" not in html
    assert "&lt;" in html


def test_marked_evidence_keeps_every_character():
    import html
    import re

    shown = markup.answer(EVIL, [FOUND], False).split("</div>")[0]
    assert html.unescape(re.sub(r"<[^>]*>", "", shown)) == EVIL
    assert '<mark class="tw-repetition">' in shown


def test_durations_are_read_easily():
    assert [watching.duration(s) for s in (5, 89, 600, 7200)] == ["5 s", "89 s", "10 min", "2.0 h"]


def test_a_question_says_who_took_what():
    import re

    item = {"question": "Q", "choices": ["a", "b", "c"], "gold": 1, "base": 1, "tuned": 2}
    lines = re.findall(r"<li.*?</li>", markup.questions([item]))
    chips = [re.findall(r"tw-of-\w+\">(\w+)", line) for line in lines]
    assert chips == [[], ["right", "base"], ["tuned"]]
    assert ["tw-right" in line for line in lines] == [False, True, False]
