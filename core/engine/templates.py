"""Messages → text, by a chat template: which template, what it is told, and what it cannot take.

Knows tokenizers and templates; knows nothing of ids. `core.engine.rendering` is the only one that asks.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core import reasoning
from core.errors import UserError
from core.types import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# For base models that bring no chat template. They write BOS where the tokenizer would, and end an answer with EOS.
TEMPLATES = {
    # The Alpaca layout (Stanford Alpaca, 2023) without its preamble.
    "instruction": (
        "{% if add_bos %}{{ bos_token }}{% endif %}{% for m in messages %}"
        "{% if m['role'] == 'system' %}{{ m['content'] + '\n\n' }}"
        "{% elif m['role'] == 'user' %}{{ '### Instruction:\n' + m['content'] + '\n\n' }}"
        "{% else %}{{ '### Response:\n' + m['content'] }}{{ eos_token }}{{ '\n\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}"
    ),
    "question": (
        "{% if add_bos %}{{ bos_token }}{% endif %}{% for m in messages %}"
        "{% if m['role'] == 'system' %}{{ m['content'] + '\n\n' }}"
        "{% elif m['role'] == 'user' %}{{ 'Question: ' + m['content'] + '\n' }}"
        "{% else %}{{ 'Answer: ' + m['content'] }}{{ eos_token }}{{ '\n\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'Answer:' }}{% endif %}"
    ),
    "text": (
        "{% if add_bos %}{{ bos_token }}{% endif %}{% for m in messages %}{{ m['content'] }}"
        "{% if m['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\n' }}{% endif %}{% endfor %}"
    ),
}
PLAIN_TEMPLATE = TEMPLATES["instruction"]

ANSWERS = {"all": "All answers", "last": "Only the last"}
THINKING = {"row": "As the row has it", "always": "Always", "never": "Never"}
_ANY_TOOL = {
    "type": "function",
    "function": {"name": "a", "description": "b", "parameters": {"type": "object", "properties": {}, "required": []}},
}
SYSTEM = {"keep": "As it is", "fold": "In the first user turn"}
REFUSED = {"stop": "Stop", "leave-out": "Leave out"}


@dataclass(frozen=True)
class RenderSettings:
    """How rows are written for the model. What a run was trained with, it is measured and talked to with."""

    answers: str = "all"
    """Which answers of a conversation are trained, where its messages do not say: a key of ANSWERS."""
    thinking: str = "row"
    """What a template with such a switch is told, and whether rows keep their reasoning: a key of THINKING."""
    system: str = "keep"
    """`fold`: a system prompt is written at the beginning of the user's turn, for templates that refuse one."""
    refused: str = "stop"
    """What becomes of rows that the template refuses: a key of REFUSED."""
    date: str = ""
    """The day (ISO) for templates that write today's; empty: today's."""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def of(cls, raw: Mapping[str, str]) -> RenderSettings:
        """What a file says; nothing: as rows were written before there were these settings."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in raw.items() if name in known}) if raw else cls(answers="last")


class Refused(UserError):
    """A row that the template cannot write. `whatever`: it is left out whatever the setting, for nothing mends it."""

    def __init__(self, row: int | None, why: str, fix: str, whatever: bool = False, short: str = "") -> None:
        where = f"Row {row:,}: " if row is not None else ""
        super().__init__(f"{where}{why} {fix}")
        self.row, self.why, self.fix, self.whatever = row, why, fix, whatever
        self.short = short or why
        """The same without what is this row's alone."""


def with_settings(tokenizer: PreTrainedTokenizerBase, settings: RenderSettings) -> PreTrainedTokenizerBase:
    """The tokenizer, sharing its vocabulary, by which rows are written so. The given one stays as it is."""
    import copy

    other = copy.copy(tokenizer)
    for name in ("headers", "opening", "parts", "stop_ids", "fingerprint"):  # what is kept of how a template writes
        vars(other).pop(f"_tunewright_{name}", None)
    other._tunewright_settings = settings
    return other


def settings_of(tokenizer: PreTrainedTokenizerBase) -> RenderSettings:
    return getattr(tokenizer, "_tunewright_settings", RenderSettings())


def template_of(tokenizer: PreTrainedTokenizerBase, tools: bool = False) -> tuple[str, bool]:
    """The template that rows are written with, and whether it is the model's own. `tools`: for rows that have some, for
    which models may bring one of its own (Command R).
    """
    own = tokenizer.chat_template
    if isinstance(own, dict):
        own = (own.get("tool_use") if tools else None) or own.get("default")
    return (own, own not in TEMPLATES.values()) if own else (PLAIN_TEMPLATE, False)


@lru_cache(maxsize=64)
def _names(template: str) -> frozenset[str]:
    """Variables that a template reads."""
    import jinja2
    from jinja2 import nodes

    plain = re.sub(r"\{%-?\s*(?:end)?generation\s*-?%\}", "", template)  # transformers' own tag
    try:
        tree = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).parse(plain)
    except jinja2.TemplateSyntaxError:
        return frozenset()
    return frozenset(node.name for node in tree.find_all(nodes.Name) if node.ctx == "load")


def thinking_switch(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The variable by which this template is told whether to think; None where it has none."""
    return _switch(template_of(tokenizer)[0])


def _switch(template: str) -> str | None:
    names = _names(template)
    return next((name for name in ("enable_thinking", "thinking") if name in names), None)


def writes_date(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Does the template write the day of today?"""
    return "strftime_now" in _names(template_of(tokenizer)[0])


def day_of(settings: RenderSettings) -> date:
    return date.fromisoformat(settings.date[:10]) if settings.date else date.today()


@dataclass(frozen=True)
class Form:
    """A way of handing a row to a template. Templates differ in what they take."""

    arguments: str = "row"
    """Of tool calls: as the `row` has them, as an `object`, or as `text`."""
    parts: bool = False
    """Texts as lists of parts, as templates of models for images want them."""


def written(
    messages: Iterable[Message],
    tools: Sequence[Mapping[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
    prompt: bool,
    form: Form = Form(),
    row: int | None = None,
) -> str:
    """Messages through the template as text; `prompt`: up to where the next answer begins. Raises Refused."""
    import jinja2

    settings = settings_of(tokenizer)
    given = [_given(m, form) for m in messages]
    try:
        text = _applied(given, list(tools), tokenizer, prompt)
        if not prompt and given and given[-1]["role"] == "assistant" and (opening := _opened_anyway(tokenizer, form)):
            text = _opened_before(text, opening, _applied(given[:-1], list(tools), tokenizer, True))
        return text
    except (jinja2.TemplateError, TypeError, KeyError, ValueError, AttributeError, IndexError) as e:
        reason = str(e).rstrip(".")
        roles = ", ".join(m["role"] for m in given)
        why = f"The chat template refuses a row with the roles {roles}: {reason}."
        raise Refused(row, why, _remedy(given, settings), short=f"The chat template refuses rows: {reason}.") from e


def _applied(
    given: list[Message], tools: list[Any], tokenizer: PreTrainedTokenizerBase, prompt: bool, switched: bool = True
) -> str:
    """The text, by transformers; `switched`: with the template told whether to think, where the settings say."""
    template = template_of(tokenizer, bool(tools))[0]
    settings = settings_of(tokenizer)
    variables: dict[str, Any] = {"add_generation_prompt": prompt, "tools": tools or None}
    # A tokenizer that starts every text with BOS by itself expects the same of a template that is not its own.
    variables["add_bos"] = template in TEMPLATES.values() and adds_bos(tokenizer)
    switch = _switch(template)
    if switched and switch and settings.thinking != "row":
        variables[switch] = settings.thinking == "always"
    dated = _dated(template, day_of(settings)) if "strftime_now" in _names(template) else template
    return tokenizer.apply_chat_template(given, chat_template=dated, tokenize=False, **variables)


def _opened_anyway(tokenizer: PreTrainedTokenizerBase, form: Form) -> str:
    """What the template writes behind a finished answer because of the switch: the opening of an answer, whether one is
    asked for or not (Hunyuan A13B); empty for all others.
    """
    if settings_of(tokenizer).thinking == "row" or not thinking_switch(tokenizer):
        return ""
    cached: str | None = getattr(tokenizer, "_tunewright_opening", None)
    if cached is None:
        probe = [_given(m, form) for m in ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})]
        text, plain = (_applied(probe, [], tokenizer, False, switched) for switched in (True, False))
        cached = text.removeprefix(plain) if text.startswith(plain) else ""
        tokenizer._tunewright_opening = cached
    return cached


def _opened_before(text: str, opening: str, prompt: str) -> str:
    """The conversation with the opening where generation has it: before its last answer, not behind it."""
    text, before = text.removesuffix(opening), prompt.removesuffix(opening)
    return prompt + text.removeprefix(before) if text.startswith(before) else text


def probed(messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase, prompt: bool, form: Form = Form()) -> str:
    """What the template makes of messages that nobody brought; with a tool, where it is for rows with tools alone."""
    try:
        return written(messages, (), tokenizer, prompt, form)
    except Refused:
        return written(messages, (_ANY_TOOL,), tokenizer, prompt, form)


def wants_parts(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Does the template write texts only where they are lists of parts?"""
    cached = getattr(tokenizer, "_tunewright_parts", None)
    if cached is None:
        probe = ({"role": "user", "content": "\ue0f5"},)
        kept = []
        for parts in (False, True):
            try:
                kept.append("\ue0f5" in written(probe, (), tokenizer, False, Form(parts=parts)))
            except Refused:
                kept.append(False)
        cached = kept == [False, True]
        tokenizer._tunewright_parts = cached
    return cached


def _remedy(messages: list[Message], settings: RenderSettings) -> str:
    leave = "leave such rows out (setting “Rows the template refuses”, --refused leave-out), or choose another model."
    if settings.system == "keep" and any(m["role"] == "system" for m in messages):
        return f"Put the system prompt into the first user turn (setting “System prompt”, --system fold), {leave}"
    return leave[0].upper() + leave[1:]


@lru_cache(maxsize=64)
def _dated(template: str, day: date) -> str:
    """The template with that day written where it would ask for today's; transformers hands no function to it."""
    calls = re.compile(r"strftime_now\(\s*([\"'])(.*?)\1\s*\)")
    return calls.sub(lambda call: call[1] + day.strftime(call[2]) + call[1], template)


def _given(message: Message, form: Form) -> Message:
    """One message as a template is given it; transformers hands reasoning on under each name that templates know."""
    given = as_given(message, form)
    if form.parts and isinstance(given.get("content"), str):
        given["content"] = [{"type": "text", "text": given["content"]}]
    return given


def as_given(message: Message, form: Form) -> Message:
    """One message with its tool calls in the form in which a template is given them."""
    given = {name: value for name, value in message.items() if name != "train"}
    if given.get("tool_calls") and form.arguments != "row":
        given["tool_calls"] = [_call(call, form.arguments) for call in given["tool_calls"]]
    return given


def _call(call: Mapping[str, Any], form: str) -> dict[str, Any]:
    """A tool call with its arguments as an `object` or as `text`; what is no JSON stays as it is."""
    function = call.get("function") or call
    arguments = function.get("arguments")
    if form == "object" and isinstance(arguments, str):
        with contextlib.suppress(ValueError):
            arguments = json.loads(arguments)
    elif form == "text" and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    changed = {**function, "arguments": arguments}
    return {**call, "function": changed} if "function" in call else changed


def folded(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Each system prompt at the beginning of the user's turn that follows; in a turn of its own where none does."""
    out: list[Message] = []
    waiting: list[str] = []
    for message in [*messages, None]:
        if message is not None and message["role"] == "system":
            waiting += [message["content"]] if message["content"].strip() else []
        elif message is not None and message["role"] == "user":
            out.append({**message, "content": "\n\n".join([*waiting, message["content"]])})
            waiting = []
        else:
            if waiting:
                out.append({"role": "user", "content": "\n\n".join(waiting)})
                waiting = []
            out += [message] if message is not None else []
    return tuple(out)


def without_reasoning(message: Message) -> Message:
    if message["role"] != "assistant":
        return message
    kept = {name: value for name, value in message.items() if name != "reasoning_content"}
    thought, answer = reasoning.split(kept["content"])
    return {**kept, "content": answer} if thought else kept


def adds_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id
