"""Which columns of a file are likely what, and where that is in doubt.

Understood are instruction / input / output (Alpaca, with `history`), prompt / completion, question / answer, text /
label, two texts / label (SNLI, QNLI), the pairs of public datasets (article / highlights …), and chat rows: `messages`
(OpenAI) and `conversations` (ShareGPT), with `system` and `tools` beside them. For preferences: prompt / chosen /
rejected and prompt / completion / label (TRL), where each may be text or messages, the prompt may be a part of both
answers (UltraFeedback, HH-RLHF), or stand in `conversations` (LLaMA-Factory). And plain text: one column `text`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from core.data.columns import names
from core.data.columns.choice import MARKS, Columns, as_text, listed
from core.data.columns.labels import few_values, looks_like_labels
from core.data.columns.named_parts import column_of_parts
from core.data.columns.names import normal
from core.data.columns.survey import Survey
from core.data.columns.turns import bare_turns, raw_turns

_PROMPTS = (*names.ASKED, *names.MAY_BE_ASKED)
_ANSWERS = (*names.ANSWERED, *names.LABELS)
_NO_PROSE = re.compile(r"https?://\S+|[\w.:/+-]+", re.ASCII)
"""Addresses, numbers, hashes, single words: what is written beside texts."""


def guess(survey: Survey) -> Columns:
    """The most likely reading of the columns; fields that cannot be guessed stay None."""
    return with_part(survey, _guess(survey))


def with_part(survey: Survey, columns: Columns) -> Columns:
    """The same with the column that names parts, where nobody has said which, or that there is none."""
    part = column_of_parts(dict(survey.values)) if columns.part is None else columns.part
    return columns if part in columns.named() else replace(columns, part=part)


def _guess(survey: Survey) -> Columns:
    known = _known(survey)
    if (messages := _conversations(survey, known)) or _first(known, names.REJECTED):
        return _of_conversations(survey, known, messages)
    asked, context, answer = _texts(survey, known)
    mark = next((known[n] for n in names.MARK if n in known and _marks_both(survey, known[n])), None)
    if mark == answer:
        # prompt, response, label: the marks are the answer only where there is no other.
        others = [n for n in (*names.ANSWERED, *names.LABELS) if n not in names.MARK]
        answer = _first(known, others, (asked, context)) or answer
    of_labels = answer is not None and mark is not None and normal(answer) in names.LABELS and normal(mark) == "label"
    mark = mark if mark not in (asked, answer, context) and answer and not of_labels else None
    if answer is None and (text := _first(known, names.TEXT)):
        return Columns(text=text)
    label_task = answer is not None and normal(answer) in names.LABELS and few_values(survey, answer)
    return Columns(
        *(asked, answer, context, _first(known, names.SYSTEM), None, label_task),
        mark=mark,
        history=_first(known, names.HISTORY),
        tools=_first(known, names.TOOLS),
        reasoning=_first(known, names.REASONING, (asked, answer)),
    )


def _known(survey: Survey) -> dict[str, str]:
    """Columns by their normal names, the first of each."""
    known: dict[str, str] = {}
    for column in survey.columns:
        known.setdefault(normal(column), column)
    return known


def _first(known: dict[str, str], wanted: Sequence[str], taken: Sequence[str | None] = ()) -> str | None:
    return next((known[n] for n in wanted if n in known and known[n] not in taken), None)


def _conversations(survey: Survey, known: dict[str, str]) -> str | None:
    """The column of whole conversations, if its first rows hold messages."""
    for name in names.MESSAGES:
        if name in known and any(raw_turns(value) or bare_turns(value, name) for value in survey.cells(known[name])):
            return known[name]
    return None


def _of_conversations(survey: Survey, known: dict[str, str], messages: str | None) -> Columns:
    """Conversations, or answers with worse ones beside them; what stands in columns of its own goes with them."""
    system, tools = _first(known, names.SYSTEM), _first(known, names.TOOLS)
    reasoning, rejected = _first(known, names.REASONING), _first(known, names.REJECTED)
    if rejected:
        prompt = _first(known, _PROMPTS) or messages or _first(known, names.CONTEXT)
        answer = _first(known, names.CHOSEN) or _first(known, _ANSWERS, (prompt,))
        context, history = _first(known, names.CONTEXT, (prompt, answer)), _first(known, names.HISTORY)
        texts = (prompt, answer, context, system)
        return Columns(*texts, rejected=rejected, history=history, tools=tools, reasoning=reasoning)
    mark = next((known[n] for n in names.MARK if n in known and _marks_both(survey, known[n])), None)
    return Columns(system=system, messages=messages, mark=mark, tools=tools, reasoning=reasoning)


def _texts(survey: Survey, known: dict[str, str]) -> tuple[str | None, str | None, str | None]:
    """Prompt, further text and answer, where each is a column of its own."""
    label = _first(known, [*names.LABELS, "score"])
    for first, second in names.TEXT_PAIRS:
        if first in known and second in known and (answer := _first(known, names.ANSWERED) or label):
            return known[first], known[second], answer
    asked = _first(known, names.ASKED)
    answer = _first(known, names.ANSWERED, (asked,))
    for first, second in names.PAIRS:
        if first in known and second in known and not (asked and answer):
            return known[first], None, known[second]
    if not (asked or answer) and len(languages := _languages(survey)) == 2:
        return languages[0], None, languages[1]
    asked = asked or _first(known, names.MAY_BE_ASKED, (answer,)) or _first(known, names.CONTEXT, (answer,))
    answer = answer or _first(known, names.LABELS, (asked,))
    if answer is None and asked:
        answer = _first(known, names.SUMMARY, (asked,))
    rest = [c for c in survey.columns if normal(c) not in _beside(known)]
    if len(rest) == 2 and (asked in rest) != (answer in rest):
        other = next(c for c in rest if c not in (asked, answer))
        asked, answer = asked or other, answer or other
    return asked, _first(known, names.CONTEXT, (asked, answer)), answer


def _languages(survey: Survey) -> list[str]:
    """Columns that are called as a language is: `en`, `translation.de`."""
    named = [c for c in survey.columns if normal(c) not in names.BESIDE]
    return [c for c in named if normal(c).rpartition("_")[2] in names.LANGUAGES]


def _beside(known: dict[str, str]) -> Sequence[str]:
    """What is written beside rows; a title, too, where the rows have numbers or addresses."""
    return (*names.BESIDE, *names.TITLES) if any(name in known for name in names.NUMBERS) else names.BESIDE


def _marks_both(survey: Survey, column: str) -> bool:
    """Does a column hold marks only, and both kinds?"""
    values = {value.lower() for value in survey.values.get(column) or ()} - {""}
    return bool(values) and values <= set(MARKS) and {MARKS[v] for v in values} == {True, False}


def doubt(survey: Survey, columns: Columns) -> str:
    """Why a person should say which columns are meant, in a sentence; empty where the guess is as good as known."""
    left = _prose(survey, columns)
    if media := [c for c in survey.columns if normal(c) in names.MEDIA and survey.cells(c)]:
        return f"“{media[0]}” holds what is no text: only the texts beside it would be trained."
    if columns.messages and all(bare_turns(value, columns.messages) for value in survey.cells(columns.messages)):
        return f"“{columns.messages}” holds texts without a role: they are taken as user and assistant in turn."
    if columns.messages or columns.rejected:
        return ""
    if segments := _segments(survey):
        return (
            f"“{segments}” holds texts that are written for one model, with marks of which are trained (axolotl's "
            "input_output): save them as messages with roles, of which the model's own template writes the rest."
        )
    if columns.text:
        return f"It could be plain text (“{columns.text}”), but {_and(left)} text, too." if left else ""
    if not (columns.prompt or columns.answer):
        return "No columns are known as prompt and answer."
    if not (columns.prompt and columns.answer):
        return f"No column is known as the {'answer' if columns.prompt else 'prompt'}."
    return _doubt_of_pair(survey, columns, left)


def _segments(survey: Survey) -> str | None:
    """The column of axolotl's segments: lists of {"label": true or false, "text": …}."""
    for column in survey.columns:
        cells = survey.cells(column)
        lists = [v for v in cells if isinstance(v, list) and v and all(isinstance(s, dict) for s in v)]
        if lists and all({"label", "text"} >= s.keys() >= {"text"} and "label" in s for v in lists for s in v):
            return column
    return None


def _doubt_of_pair(survey: Survey, columns: Columns, left: list[str]) -> str:
    asked, answer = normal(columns.prompt or ""), normal(columns.answer or "")
    if columns.mark and _may_be_labels(survey, columns.mark):
        return (
            f"“{columns.mark}” holds 0 and 1: it may say whether “{columns.answer}” is a good answer, or be the answer "
            "itself."
        )
    if rivals := _rivals(_known(survey), columns):
        return f"{listed(rivals)} could each be the {'prompt' if columns.prompt in rivals else 'answer'}."
    if {columns.prompt, columns.answer} <= set(_languages(survey)):
        return "It is not known from which language into which is translated."
    if _holds_lists(survey, columns.context):
        return f"“{columns.context}” holds lists, which would stand below the prompt as JSON."
    if answer in names.LABELS and _holds_lists(survey, columns.answer):
        return f"“{columns.answer}” holds lists, of which the first value would be trained."
    if (asked in (*names.ASKED, *names.CONTEXT) and answer in names.ANSWERED) or (asked, answer) in names.PAIRS:
        return ""
    by_name = asked in (*_PROMPTS, *names.CONTEXT) or any(asked == first for first, _ in names.TEXT_PAIRS)
    if not by_name or answer not in (*_ANSWERS, *names.SUMMARY, "score"):
        return "" if _elimination_is_certain(survey, columns, left) else _unusual(columns, by_name)
    return f"{_and(left)} text, too, and would not be trained." if left else ""


def _may_be_labels(survey: Survey, mark: str) -> bool:
    """Does a column called `label` hold numbers, as marks and as labels may?"""
    values = set(survey.values.get(mark) or ())
    return normal(mark) == "label" and values <= {"0", "1", ""} and not any(v is True for v in survey.cells(mark))


def _holds_lists(survey: Survey, column: str | None) -> bool:
    return column is not None and any(isinstance(v, list) for v in survey.cells(column))


def _unusual(columns: Columns, by_name: bool) -> str:
    column, what = (columns.answer, "answer") if by_name else (columns.prompt, "prompt")
    return f"“{column}” is no usual name of a column; it is taken for the {what} because it is left over."


def _elimination_is_certain(survey: Survey, columns: Columns, left: list[str]) -> bool:
    """One of two columns is surely the prompt or the answer, and the other holds texts."""
    asked, answer = normal(columns.prompt or ""), normal(columns.answer or "")
    other = columns.answer if asked in names.ASKED else columns.prompt if answer in names.ANSWERED else None
    return other is not None and not left and (_is_prose(survey, other) or len(survey.columns) == 2)


def _rivals(known: dict[str, str], columns: Columns) -> list[str]:
    """Columns of which each is called as a prompt (or an answer) is; none where a known pair of names decides."""
    if "instruction" in known and "output" in known:
        return []
    if (normal(columns.prompt or ""), normal(columns.answer or "")) in names.PAIRS:
        return []
    for wanted, chosen in ((names.ASKED, columns.prompt), (names.ANSWERED, columns.answer)):
        rivals = [known[n] for n in wanted if n in known and known[n] not in (columns.system, columns.context)]
        others = [c for c in rivals if c not in columns.named()]
        if chosen in rivals and others:
            return [chosen, *others] if chosen else others
    return []


def _and(columns: Sequence[str]) -> str:
    return listed(columns, 4) + (" holds" if len(columns) == 1 else " hold")


def _prose(survey: Survey, columns: Columns) -> list[str]:
    """Columns that are not taken and hold texts, as far as the first rows show."""
    beside, taken = _beside(_known(survey)), columns.named()
    left = [c for c in survey.columns if c not in taken and normal(c) not in beside]
    return [c for c in left if not normal(c).endswith(("_id", "_url", "_score", "_date")) and _is_prose(survey, c)]


def _is_prose(survey: Survey, column: str) -> bool:
    """Texts of several words, most of them different?"""
    if looks_like_labels(survey, column) and survey.rows >= 6:
        return False
    cells = [as_text(v[0]) if isinstance(v, list) and v else v for v in survey.cells(column)]
    prose = [v for v in cells if isinstance(v, str) and not _NO_PROSE.fullmatch(v.strip())]
    return bool(cells) and 2 * len(prose) >= len(cells)
