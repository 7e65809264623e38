"""Example → text, token ids, and which of them are trained. THE one rendering of Tunewright.

The Tokens tab, the trainer, the scorer and the generator all call `render`; nothing else turns rows into ids.
Knows tokenizers and templates; knows nothing of models, files or pages.

Three properties hold for every row:
- its ids are those of the template's own text, up to the last end-of-turn token;
- an answer is trained from where generation would start, to its end-of-turn token;
- text from a row never becomes a control token: `<|im_end|>` in a row is encoded as ordinary characters.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from core.engine.answers import Written, places
from core.engine.dropped import OF_TOOLS, PARTS, dropped, texts_in
from core.engine.encoding import HIDDEN, Encoded, control_texts, encode, hidden
from core.engine.templates import (
    PLAIN_TEMPLATE,
    TEMPLATES,
    Form,
    Refused,
    RenderSettings,
    adds_bos,
    as_given,
    folded,
    probed,
    settings_of,
    template_of,
    wants_parts,
    without_reasoning,
    written,
)
from core.errors import Problem
from core.types import Example, Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "PLAIN_TEMPLATE",
    "TEMPLATES",
    "Refused",
    "RenderSettings",
    "Rendered",
    "is_written",
    "prompt_ids",
    "render",
    "special_ids",
    "stop_ids",
    "template_of",
]


@dataclass(frozen=True)
class Rendered:
    """One example as the model is fed it."""

    text: str
    """The rendered template as text, for reading. `ids` is what counts."""
    ids: tuple[int, ...]
    """Token ids after truncation."""
    trained: tuple[bool, ...]
    """Same length as `ids`: is this token predicted and its loss counted? There may be several answers."""
    prompt_length: int
    """Of all ids, those before the last answer, which generation starts from (may exceed `len(ids)` after a cut)."""
    spans: tuple[tuple[int, int], ...] = ()
    """[start, end) of each trained answer, before truncation."""
    cut_ids: tuple[int, ...] = ()
    """Ids that the maximum length cut off at the end."""
    problems: tuple[Problem, ...] = ()
    dropped: tuple[str, ...] = ()
    """Kind of each part of the row that the template did not write: keys of `core.engine.dropped.PARTS`."""
    missing: int = 0
    """Answers that were to be trained and cannot be found in the text."""
    parts: bool = False
    """Does the prompt part from the finished conversation before its end?"""

    @property
    def trainable(self) -> int:
        """Number of trained tokens."""
        return sum(self.trained)


def render(
    example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None, last_only: bool = False
) -> Rendered:
    """Render one example with the tokenizer's chat template, or `PLAIN_TEMPLATE` where it has none.

    Trained are the answers and the end-of-turn token after each; what the template writes behind the last of those is
    dropped, because a model stops there. Which answers: as the row's messages say, else as the tokenizer's
    `RenderSettings` do; the last always, and with `last_only` no other. `max_length` (tokens) cuts at the end. An
    example without an answer renders its prompt. A row of plain text (no messages) is rendered without a template: see
    `_plain_text`. Raises Refused, which is a UserError, when the template cannot write the row.
    """
    if not example.messages:
        return _cut(_plain_text(example, tokenizer), max_length)
    messages, left_out = _prepared(example, settings_of(tokenizer))
    form, text, kinds = _written(example, messages, tokenizer)
    conversation = _Conversation(example, messages, tokenizer, form)
    problems = [*_control_tokens(example, tokenizer), *_of_dropped(kinds + left_out, example.row)]
    if not example.answered:
        ids = conversation.encoded(messages, text, prompt=True).ids
        rendered = Rendered(
            text, ids, (False,) * len(ids), len(ids), problems=tuple(problems), dropped=kinds + left_out
        )
        return _cut(rendered, max_length)

    prompt = written(messages[:-1], example.tools, tokenizer, True, form, example.row)
    encoded = conversation.encoded(messages, text, prompt=False)
    wanted = _wanted(messages, settings_of(tokenizer), last_only)
    spans, missing = conversation.spans(encoded, prompt, wanted)
    start = spans[-1][0] if spans and wanted[-1] not in missing else encoded.index(_common(prompt, text))
    ids = _until_end_of_turn(encoded.ids, start, tokenizer)
    spans = [(a, min(b, len(ids))) for a, b in spans]
    problems += _of_answers(missing, ids, example.row, tokenizer)
    if not text.startswith(prompt):
        what = "The template renders the prompt differently once there is an answer."
        fix = "Training starts where they part; generation starts from the template's own prompt."
        problems.append(Problem("note", what, fix, example.row))
    trained = [False] * len(ids)
    for a, b in spans:
        trained[a:b] = [True] * (b - a)
    rendered = Rendered(text, ids, tuple(trained), start, tuple(spans), (), tuple(problems), kinds + left_out)
    return _cut(replace(rendered, missing=len(missing), parts=not text.startswith(prompt)), max_length)


def prompt_ids(example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> tuple[int, ...]:
    """What a model is fed before it answers `example`: the same rendering, up to where its last answer begins."""
    return render(replace(example, target="", answer={}), tokenizer, max_length).ids


def is_written(example: Example, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Can the template write the row's prompt?"""
    try:
        prompt_ids(example, tokenizer)
    except Refused:
        return False
    return True


def stop_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids that end an answer: the tokenizer's end token and the token with which the template ends a turn."""
    cached = getattr(tokenizer, "_tunewright_stop_ids", None)
    if cached is None or cached[0] != tokenizer.chat_template:
        probe = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
        text = probed(probe, tokenizer, False, Form(parts=wants_parts(tokenizer)))
        ids = _until_end_of_turn(encode(text, tokenizer, parts=False).ids, 0, tokenizer)
        stops = {*ids[-1:]} & special_ids(tokenizer) | {tokenizer.eos_token_id} - {None}
        cached = tokenizer.chat_template, sorted(stops)
        tokenizer._tunewright_stop_ids = cached
    return cached[1]


def special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids of control tokens: those the tokenizer calls special, plus added tokens that look like one."""
    cached = getattr(tokenizer, "_tunewright_special_ids", None)
    if cached is None:
        cached = frozenset(i for i, t in tokenizer.added_tokens_decoder.items() if t.special or t.content[:1] in "<[")
        tokenizer._tunewright_special_ids = cached
    return cached


def rendered_text(messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase, prompt: bool) -> str:
    """Plain messages through the template as text; `prompt`: up to where the answer begins. Raises Refused."""
    messages = folded(messages) if settings_of(tokenizer).system == "fold" else messages
    return written(messages, (), tokenizer, prompt)


@dataclass(frozen=True)
class _Conversation:
    """One row, as its template is given it."""

    example: Example
    messages: tuple[Message, ...]
    tokenizer: PreTrainedTokenizerBase
    form: Form

    def write(self, messages: Sequence[Message], prompt: bool) -> str:
        return written(messages, self.example.tools, self.tokenizer, prompt, self.form, self.example.row)

    def encoded(self, messages: Sequence[Message], text: str, prompt: bool) -> Encoded:
        """The ids of `text`, which is what the template makes of `messages`."""
        if not any(_holds_control(m, self.tokenizer) for m in (*messages, *self.example.tools)):
            return encode(text, self.tokenizer, parts=not prompt)
        tools = [_hide(tool, self.tokenizer) for tool in self.example.tools]
        safe = [_hide(m, self.tokenizer) for m in messages]
        guarded = written(safe, tools, self.tokenizer, prompt, self.form, self.example.row)
        if len(guarded) != len(text) or any(a != b and b != HIDDEN for a, b in zip(text, guarded, strict=True)):
            why = "The row holds a control token as text, and the chat template treats it as its own."
            raise Refused(self.example.row, why, "Take it out of the row, or leave the row out.")
        return encode(text, self.tokenizer, guarded)

    def spans(self, encoded: Encoded, prompt: str, wanted: Sequence[int]) -> tuple[list[tuple[int, int]], list[int]]:
        """[start, end) in the ids of each wanted answer that can be found, and the others."""
        text, last = encoded.text, wanted[-1]
        known = {last: (len(prompt), len(text))} if text.startswith(prompt) else {}
        searched = [i for i in wanted if i not in known]
        if searched:
            guarded = "".join(self._guarded(encoded))
            as_written = Written(
                text,
                guarded,
                encoded.controls,
                _headers(self.tokenizer, self.form),
                frozenset(stop_ids(self.tokenizer)),
            )
            known |= places(as_written, self.messages, searched, self.write)
        spans = [(encoded.index(a), encoded.index(b)) for a, b in (known[i] for i in wanted if i in known)]
        if last in known:
            spans[-1] = (spans[-1][0], len(encoded.ids))
        return spans, [i for i in wanted if i not in known]

    def _guarded(self, encoded: Encoded) -> Iterable[str]:
        """The text with every control token hidden that the template did not write."""
        at = 0
        for control in encoded.controls:
            yield hidden(encoded.text[at : control.start], self.tokenizer)
            yield encoded.text[control.start : control.end]
            at = control.end
        yield hidden(encoded.text[at:], self.tokenizer)


def _prepared(example: Example, settings: RenderSettings) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """The messages as the settings have them, and the kinds of what the settings leave out."""
    messages = folded(example.conversation) if settings.system == "fold" else example.conversation
    if settings.thinking != "never":
        return messages, ()
    plain = tuple(without_reasoning(m) for m in messages)
    return plain, ("setting",) * sum(a != b for a, b in zip(messages, plain, strict=True))


def _written(
    example: Example, messages: tuple[Message, ...], tokenizer: PreTrainedTokenizerBase
) -> tuple[Form, str, tuple[str, ...]]:
    """(the form in which the template takes the row, its text, the kinds of what it drops). Raises Refused."""

    def write(messages: Sequence[Message], tools: Sequence[Any], form: Form) -> str:
        return written(messages, tools, tokenizer, not example.answered, form, example.row)

    best: tuple[Form, str, tuple[str, ...]] | None = None
    refused: Refused | None = None
    calls = any(m.get("tool_calls") for m in messages)
    parts = wants_parts(tokenizer)
    for form in [Form(arguments, parts) for arguments in ("row", "object", "text")[: 3 if calls else 1]]:
        try:
            text = write(messages, example.tools, form)
        except Refused as e:
            refused = refused or e
            continue
        lost = (
            *dropped([as_given(m, form) for m in messages], example.tools, text),
            *_without_tools(example, messages, text, partial(write, form=form)),
        )
        if best is None or len(lost) < len(best[2]):
            best = form, text, lost
        if "tool calls" not in lost:
            break
    if best is None:
        assert refused is not None
        raise refused
    for kind in OF_TOOLS:
        if kind in best[2]:
            fix = "Such rows are left out; choose a model whose template takes tools."
            raise Refused(example.row, f"The chat template has no place for {PARTS[kind]}.", fix, whatever=True)
    return best


def _without_tools(
    example: Example,
    messages: tuple[Message, ...],
    text: str,
    write: Callable[[Sequence[Message], Sequence[Any]], str],
) -> Iterable[str]:
    """Kinds of what makes no difference to the text: names of tools and calls may stand in it for another reason."""
    silent = [{name: part for name, part in m.items() if name != "tool_calls"} for m in messages]
    renamed = [
        {**m, "tool_calls": list(map(_renamed, m["tool_calls"]))} if m.get("tool_calls") else m for m in messages
    ]
    if example.tools and _equals(text, write, messages, ()):
        yield "tools"
    if silent != list(messages) and _equals(text, write, silent, example.tools):
        yield "tool calls"
    elif silent != list(messages) and _equals(text, write, renamed, example.tools):
        yield "call names"


def _renamed(call: Mapping[str, Any]) -> dict[str, Any]:
    """The same call of another tool."""
    if "function" in call:
        return {**call, "function": {**call["function"], "name": "\ue0f6"}}
    return {**call, "name": "\ue0f6"}


def _equals(text: str, write: Callable[..., str], messages: Sequence[Message], tools: Sequence[Any]) -> bool:
    try:
        return write(messages, tools) == text
    except Refused:
        return False


def _wanted(messages: Sequence[Message], settings: RenderSettings, last_only: bool) -> list[int]:
    """Places of the answers to train, the last one behind all others."""
    last = len(messages) - 1
    earlier = [i for i, m in enumerate(messages[:-1]) if m["role"] == "assistant" and not last_only]
    return [*(i for i in earlier if messages[i].get("train", settings.answers == "all")), last]


def _headers(tokenizer: PreTrainedTokenizerBase, form: Form) -> tuple[str, ...]:
    """What the template writes before an answer, whole and up to each added token in it; or nothing."""
    cached = getattr(tokenizer, "_tunewright_headers", None)
    if cached is None:
        probe = [{"role": "user", "content": "a"}]
        before, after = (probed(probe, tokenizer, prompt, form) for prompt in (False, True))
        header = after[_common(before, after) :]
        tokens = [t.content for t in tokenizer.added_tokens_decoder.values() if t.content.strip()]
        ends = {len(header)}
        for token in tokens:
            if (at := header.find(token)) >= 0:
                ends |= {at, at + len(token)}
        cached = tuple(header[:end] for end in sorted(ends, reverse=True) if header[:end].strip())
        tokenizer._tunewright_headers = cached
    return cached


def _common(a: str, b: str) -> int:
    return len(os.path.commonprefix([a, b]))


def _plain_text(example: Example, tokenizer: PreTrainedTokenizerBase) -> Rendered:
    """BOS where the tokenizer adds it, the text, EOS. Every token is trained but the first, which nothing precedes."""
    problems = list(_control_tokens(example, tokenizer))
    ids = (
        encode(example.target, tokenizer, hidden(example.target, tokenizer), parts=False).ids if example.target else ()
    )
    if adds_bos(tokenizer):
        ids = (tokenizer.bos_token_id, *ids)
    if example.target and tokenizer.eos_token_id is not None:
        ids = (*ids, tokenizer.eos_token_id)
    elif example.target:
        what, fix = "The tokenizer has no end token.", "The model does not learn where a text ends."
        problems.append(Problem("warning", what, fix, example.row))
    trained = (False, *[True] * (len(ids) - 1)) if ids else ()
    spans = ((1, len(ids)),) if len(ids) > 1 else ()
    return Rendered(example.target, ids, trained, min(1, len(ids)), spans, problems=tuple(problems))


def _until_end_of_turn(ids: tuple[int, ...], start: int, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Drop white space that the template writes behind the last end-of-turn token."""
    special = special_ids(tokenizer)
    last = next((i for i in range(len(ids) - 1, start - 1, -1) if ids[i] in special), None)
    if last is None or last == len(ids) - 1:
        return ids
    return ids if tokenizer.decode(list(ids[last + 1 :])).strip() else ids[: last + 1]


def _cut(rendered: Rendered, max_length: int | None) -> Rendered:
    if max_length is None or len(rendered.ids) <= max_length:
        return rendered
    ids, trained = rendered.ids, rendered.trained
    return replace(rendered, ids=ids[:max_length], trained=trained[:max_length], cut_ids=ids[max_length:])


def _holds_control(value: Any, tokenizer: PreTrainedTokenizerBase) -> bool:
    texts = control_texts(tokenizer)
    return any(token in string for string in texts_in(value) for token in texts)


def _hide(value: Any, tokenizer: PreTrainedTokenizerBase) -> Any:
    """The same with the control tokens in its texts hidden."""
    if isinstance(value, str):
        return hidden(value, tokenizer)
    if isinstance(value, Mapping):
        return {name: _hide(part, tokenizer) for name, part in value.items()}
    return [_hide(part, tokenizer) for part in value] if isinstance(value, list | tuple) else value


def _control_tokens(example: Example, tokenizer: PreTrainedTokenizerBase) -> Iterable[Problem]:
    texts = [*texts_in(example.conversation), *texts_in(example.tools), example.target]
    for token in control_texts(tokenizer):
        if any(token in text for text in texts):
            what = f"The row contains the control token {token}."
            yield Problem("note", what, "It is encoded as ordinary text.", example.row)


def _of_dropped(kinds: Sequence[str], row: int | None) -> Iterable[Problem]:
    for kind, times in Counter(kinds).items():
        what = f"{PARTS[kind]}{f' ({times} times)' if times > 1 else ''}"
        if kind == "setting":
            yield Problem("note", f"Left out is {what}.", "", row)
        else:
            fix = "It is not trained, and the model does not see it."
            yield Problem("warning", f"The chat template drops {what}.", fix, row)


def _of_answers(
    missing: Sequence[int], ids: tuple[int, ...], row: int | None, tokenizer: PreTrainedTokenizerBase
) -> Iterable[Problem]:
    if missing:
        count = "An answer" if len(missing) == 1 else f"{len(missing)} answers"
        what = f"{count} cannot be found in what the chat template writes."
        yield Problem("warning", what, "It is not trained; it may be context." if ids else "", row)
    if ids and ids[-1] not in special_ids(tokenizer):
        what = "The template writes no end-of-turn token after the answer."
        fix = "The model may not learn to stop: choose a template that ends the answer with the end token."
        yield Problem("warning", what, fix, row)
