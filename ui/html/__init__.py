"""The only place that builds HTML. Text of a file, a model or a person goes through `esc`.

Pages pass the result to `gr.HTML` with its default template, which inserts the value as it is: Python's escaping is
then all there is, and a row that holds `<script>`, `${…}` or `{{…}}` is shown as those characters.
"""

from ui.html.answers import answer, confusion, conversation, effort, questions, verdicts
from ui.html.basics import (
    BRAND,
    checklist,
    code,
    definitions,
    detail,
    empty,
    figures,
    fold,
    heading,
    lead,
    log,
    note,
    place,
    problems,
    progress,
    quote,
    sentences,
    side,
    stored_at,
    table,
)
from ui.html.rows import RowState, Told, checks, columns, difference, held, prompts, rows, similar, unused
from ui.html.tokens import TOKEN_LEGEND, batch, tokens
from ui.html.training import methods, models, takes

__all__ = [
    "lead",
    "empty",
    "note",
    "problems",
    "BRAND",
    "figures",
    "progress",
    "checklist",
    "quote",
    "side",
    "table",
    "log",
    "sentences",
    "heading",
    "detail",
    "fold",
    "definitions",
    "stored_at",
    "place",
    "code",
    "RowState",
    "rows",
    "Told",
    "checks",
    "held",
    "difference",
    "unused",
    "prompts",
    "columns",
    "similar",
    "tokens",
    "TOKEN_LEGEND",
    "batch",
    "methods",
    "models",
    "takes",
    "answer",
    "conversation",
    "effort",
    "questions",
    "verdicts",
    "confusion",
]
