"""Where in a rendered conversation its answers stand: from where the model would begin to write, to its end of turn.

A template is asked, not read: it writes the conversation again with marks in the place of answers, and what differs is
the answer. Where the marks do not come out as they went in, the answer is not found, and nothing is guessed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core import reasoning
from core.engine.encoding import Control
from core.engine.templates import Refused
from core.types import Message

Write = Callable[[Sequence[Message], bool], str]
"""(messages, up to where the next answer begins?) → the template's text. Raises Refused."""

MARK = "\ue0f3{}\ue0f4"  # private-use characters, which no row is expected to hold and no template writes


@dataclass(frozen=True)
class Written:
    """A conversation as its template wrote it."""

    text: str
    guarded: str
    """The same with the row's own control tokens hidden."""
    controls: tuple[Control, ...]
    """The template's own, in order."""
    headers: tuple[str, ...]
    """What the template writes before an answer, and the beginnings of that which end at a token."""
    stops: frozenset[int]
    """Tokens that end a turn."""


def places(
    written: Written, messages: Sequence[Message], wanted: Sequence[int], write: Write
) -> dict[int, tuple[int, int]]:
    """Message → characters [start, end) of what is trained of it. What cannot be found is left out."""
    spans = _at_once(written, messages, wanted, write)
    behind = 0
    for i in wanted:
        span = spans.pop(i, None) or _alone(written, messages, i, write, behind)
        following = messages[i + 1 : i + 2]
        if span and span[0] >= behind and _holds(written.text[slice(*span)], messages[i], following):
            spans[i], behind = span, span[1]
    return spans


def _holds(text: str, message: Message, following: Sequence[Message]) -> bool:
    """Does the span hold what the answer says, and nothing of what is said to it? Reasoning that is gone is told
    elsewhere.
    """
    answer = reasoning.answer_of(message["content"]).strip()
    others = [content for m in following if len(content := m["content"].strip()) > 3 and content not in str(message)]
    return answer in text and not any(content in text for content in others)


def _at_once(
    written: Written, messages: Sequence[Message], wanted: Sequence[int], write: Write
) -> dict[int, tuple[int, int]]:
    """All answers by one more rendering, where the template writes their texts as they are, or stripped."""
    simple = [i for i in wanted if not messages[i].get("tool_calls") and messages[i]["content"].strip()]
    marked = [{**m, "content": MARK.format(i)} if i in simple else m for i, m in enumerate(messages)]
    try:
        with_marks = write(marked, False)
    except Refused:
        return {}
    for as_written in (str, str.strip):
        spans, rest, at = {}, with_marks, 0
        for i in simple:
            literal, mark, rest = rest.partition(MARK.format(i))
            content, start = as_written(messages[i]["content"]), at + len(literal)
            if not mark or written.text[at : start + len(content)] != literal + content:
                break
            if span := _around(written, messages, i, at, start, start + len(content), write):
                spans[i] = span
            at = start + len(content)
        else:
            if written.text[at:] == rest:
                return spans
    return {}


def _around(
    written: Written, messages: Sequence[Message], i: int, low: int, start: int, end: int, write: Write
) -> tuple[int, int] | None:
    """The answer whose text is [start, end), with its reasoning and its end of turn; it begins behind `low`."""
    thought = (messages[i].get("reasoning_content") or "").strip()
    at = written.text.find(thought, low, start) if thought else -1
    high = start if at < 0 else at
    behind = _behind_content(written, messages[i - 1 : i], low, high)
    begin = _behind_header(written, behind or low, high)
    if begin is None:
        begin = _behind_prompt(written, messages, i, high, write)
    if begin is None and behind is not None:
        begin = high  # it goes on with the turn in which it called a tool: there is no header between
    return None if begin is None else (begin, _end_of_turn(written, end))


def _behind_content(written: Written, before: Sequence[Message], low: int, high: int) -> int | None:
    """Where the text of the message before ends; None where it cannot be seen."""
    content = before[0]["content"].strip() if before else ""
    at = written.text.rfind(content, low, high) if content else -1
    return at + len(content) if at >= 0 else None


def _behind_header(written: Written, low: int, high: int) -> int | None:
    """Where generation would begin: behind the header nearest to `high`, which is where the answer differs."""
    if not written.headers:
        return high
    # In the guarded text, a header that a row holds as its text has no control token and is none.
    ends = [at + len(h) for h in written.headers if (at := written.guarded.rfind(h, low, high)) >= 0]
    if ends:
        return max(ends)
    # The white space of a header may be another where an answer follows.
    bare = written.headers[0].strip()
    at = written.guarded.rfind(bare, low, high) + len(bare)
    return at if at >= low + len(bare) and not written.text[at:high].strip() else None


def _behind_prompt(written: Written, messages: Sequence[Message], i: int, high: int, write: Write) -> int | None:
    """Where the prompt of that answer ends, which the template writes by itself; None where the text has another."""
    try:
        prompt = write(messages[:i], True)
    except Refused:
        return None
    return len(prompt) if len(prompt) <= high and written.text.startswith(prompt) else None


def _end_of_turn(written: Written, end: int) -> int:
    """Behind the control token that follows, where only white space stands between; behind the one that ends the turn
    where another stands before it (Cohere's <|END_RESPONSE|>).
    """
    following = [c for c in written.controls if c.end > end][:2]
    if not following or written.text[end : following[0].start].strip():
        return end
    first, *then = following
    if first.id not in written.stops and then and then[0].id in written.stops:
        between = written.text[first.end : then[0].start]
        return first.end if between.strip() else then[0].end
    return first.end


def _alone(written: Written, messages: Sequence[Message], i: int, write: Write, behind: int) -> tuple[int, int] | None:
    """One answer by a rendering of its own: what differs when a mark stands in its place, as in axolotl's find_turn."""
    mark = MARK.format(i)
    is_answered = any(m["role"] == "tool" for m in messages[i + 1 : i + 2])
    for other in _stand_ins(messages[i], mark, is_answered):
        try:
            changed = write([*messages[:i], other, *messages[i + 1 :]], False)
        except Refused:
            continue
        if mark not in changed:
            continue
        head, tail = _same_ends(written.text, changed)
        end = len(written.text) - tail
        start = _behind_prompt(written, messages, i, head, write)
        if start is None:
            start = _behind_header(written, behind, head)
        if start is None:
            return None
        if other.get("tool_calls"):
            return start, _end_of_calls(written, messages, i, end, write)
        if changed[changed.rindex(mark) + len(mark) : len(changed) - tail].strip():  # it ends in another way
            last = next((c for c in reversed(written.controls) if start < c.end <= end), None)
            return start, last.end if last else end
        return start, _end_of_turn(written, end)
    return None


def _end_of_calls(written: Written, messages: Sequence[Message], i: int, end: int, write: Write) -> int:
    """Behind the control token that follows, and behind the one that ends the turn where that stands right there."""
    try:
        whole = write(messages[: i + 1], False)
    except Refused:
        whole = ""
    # What the template writes up to this message is its end, where it writes no more of it once others follow.
    limit = len(whole) if len(whole) >= end and written.text.startswith(whole) else len(written.text)
    at = None
    for control in (c for c in written.controls if end <= c.start and c.end <= limit):
        if at is not None and written.text[at : control.start].strip():
            break
        if at is None or control.id in written.stops:
            at = control.end
    return end + len(written.text[end:limit].rstrip()) if at is None else at


def _same_ends(a: str, b: str) -> tuple[int, int]:
    """Characters that both begin with, and of the rest, those that both end with."""
    head = len(os.path.commonprefix([a, b]))
    return head, len(os.path.commonprefix([a[head:][::-1], b[head:][::-1]]))


def _stand_ins(message: Message, mark: str, is_answered: bool) -> list[Message]:
    """What may stand in an answer's place: the same calls with other arguments, or a text."""
    calls = [_marked(call, mark) for call in message.get("tool_calls") or ()]
    called = [{**message, "tool_calls": calls}] if calls else []
    return called if is_answered else [{"role": message["role"], "content": mark}, *called]


def _marked(call: Message, mark: str) -> Message:
    function = call.get("function") or call
    text = isinstance(function.get("arguments"), str)
    changed = {**function, "arguments": json.dumps({"a": mark}, ensure_ascii=False) if text else {"a": mark}}
    return {**call, "function": changed} if "function" in call else changed
