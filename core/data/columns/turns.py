"""Conversations in the shapes in which people bring them → messages as core/types.py has them.

OpenAI's `messages` (with tool calls, content parts, weights), ShareGPT's `conversations` (from / value), pairs
({"human": …, "assistant": …}), columns in one object, JSON text, Python's text, and HH-RLHF's one text.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from core.data.columns.choice import MARKS, as_text, is_missing
from core.data.columns.names import DIALOGS, normal
from core.data.columns.tools import LeaveOut, calls_of, tools_of
from core.data.columns.unused import Part
from core.types import Message

ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "question", "instruction"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "ai", "chatgpt", "chatbot"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call", "tool_calls"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response", "ipython"), "tool"),
}
"""How a role is called, in lower case → what it is."""
CALLING = ("function_call", "tool_call", "tool_calls")
"""Roles whose text is a call of a tool, as JSON (ShareGPT)."""
REASONING = ("reasoning_content", "thinking", "reasoning")
TRAINED = ("weight", "train", "training", "trainable", "loss", "loss_mask", "masked")
"""Keys by which a message says whether it is trained; `masked` says the contrary."""
_READ = frozenset(
    ("role", "from", "content", "value", "parts", "tool_calls", "function_call", "tool_call_id", "name", "tools")
    + REASONING
    + TRAINED
)
_ASKING = ("human", "user", "input", "instruction", "prompt", "question", "query")
_ANSWERING = ("assistant", "gpt", "bot", "output", "response", "answer")
_HH_TURN = re.compile(r"\n\n(Human|Assistant): ?")  # how Anthropic's HH-RLHF writes a conversation as one text
_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning")
_PARTS = (*_TEXT_PARTS, "image", "audio", "input_audio", "video", "file")
"""Where one object stands for a message's content, these say that it is a part; another object is an answer in JSON."""


def raw_turns(value: Any) -> list[dict[str, Any]] | None:
    """A value as a list of objects, whatever they say; None where it is something else."""
    if isinstance(value, str) and value.startswith("\n\nHuman:"):
        parts = _HH_TURN.split(value)[1:]
        return [{"role": role, "content": text} for role, text in zip(parts[::2], parts[1::2], strict=True)]
    value = as_list(value)
    if isinstance(value, dict):
        value = _of_object(value)
    if not isinstance(value, list) or not value or not all(isinstance(turn, dict) for turn in value):
        return None
    return [turn for outer in value for turn in _of_pair(outer)]


def bare_turns(value: Any, column: str) -> list[dict[str, Any]] | None:
    """A dialog of bare texts (DailyDialog): user and assistant in turn; None where it is something else."""
    if normal(column) not in DIALOGS:
        return None
    value = as_list(value)
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(text, str) for text in value):
        return None
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(value)]


def as_list(value: Any) -> Any:
    """Conversations in a CSV cell are JSON text, or what Python prints of a list."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        for read in (json.loads, ast.literal_eval) if "{" in value else (json.loads,):
            try:
                return read(value.strip())
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return value


def _of_object(value: dict[str, Any]) -> Any:
    """One message; or {"messages": [...]}; or columns of messages, {"role": [...], "content": [...]}."""
    if isinstance(value.get("messages"), list):
        return value["messages"]
    lists = {name: v for name, v in value.items() if isinstance(v, list)}
    if "role" in lists or "from" in lists:
        lengths = {len(v) for v in lists.values()}
        if len(lengths) == 1:
            return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
    return [value]


def _of_pair(turn: dict[str, Any]) -> list[dict[str, Any]]:
    """A question with its answer in one object → two messages; a message as it is."""
    if "role" in turn or "from" in turn:
        return [turn]
    asking = next((name for name in _ASKING if isinstance(turn.get(name), str)), None)
    answering = next((name for name in _ANSWERING if isinstance(turn.get(name), str)), None)
    if not (asking and answering):
        return [turn]
    head = [{"role": "system", "content": turn["system"]}] if isinstance(turn.get("system"), str) else []
    rest = {k: v for k, v in turn.items() if k not in (asking, answering, "system")}
    asked = {"role": "user", "content": turn[asking]}
    return [*(h for h in head if h["content"]), asked, {"role": "assistant", "content": turn[answering], **rest}]


def role_of(turn: dict[str, Any]) -> str:
    """The role as the row writes it, in lower case; empty where it names none."""
    role = next((turn[key] for key in ("role", "from") if isinstance(turn.get(key), str)), "")
    return role.strip().lower()


def turns_of(value: Any, left: list[Part]) -> list[Message] | None:
    """A cell that may be text, as messages; None where it is none. Raises LeaveOut for messages nobody can train."""
    raw = raw_turns(value)
    if raw is None or not all(role_of(turn) for turn in raw):
        return None
    return conversation(raw, left)


def conversation(raw: list[dict[str, Any]], left: list[Part]) -> list[Message]:
    """Messages, each with what is kept of it. Raises LeaveOut for what no template can show."""
    return [_message(turn, left) for turn in raw]


def tools_in(raw: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Tools that a message brings, as rows for Qwen and of Mistral have them. Raises LeaveOut."""
    return next((tools_of(turn["tools"]) for turn in raw if turn.get("tools")), ())


def _message(turn: dict[str, Any], left: list[Part]) -> Message:
    if len(turn) == 2:  # a role and a text, as nearly all have: in a third of the time
        name, text = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if type(name) is str and type(text) is str and name in ROLES and name not in CALLING:
            return {"role": ROLES[name], "content": as_text(text)}
    written = role_of(turn)
    role = ROLES.get(written)
    if role is None:
        what = f"has the role “{written[:40]}”" if written else "names no role"
        raise LeaveOut(f"A message {what}; understood are system, user, assistant and tool.")
    thoughts: list[str] = []
    content = _content(
        next((turn[k] for k in ("content", "value", "parts") if not is_missing(turn.get(k))), None), thoughts
    )
    message: Message = {"role": role, "content": content}
    if role == "assistant":
        _add_answer_keys(message, turn, written, thoughts)
        _add_trained(message, turn, left)
    for key in ("tool_call_id", "name"):
        if isinstance(turn.get(key), str) and turn[key]:
            message[key] = turn[key]
    _count_keys(message, turn, left)
    return message


def _add_answer_keys(message: Message, turn: dict[str, Any], written: str, thoughts: list[str]) -> None:
    given = next((turn[key] for key in REASONING if not is_missing(turn.get(key))), None)
    reasoning = as_text(given) if given is not None else "\n".join(thoughts)
    if reasoning.strip():
        message["reasoning_content"] = reasoning
    if written in CALLING:
        message["tool_calls"], message["content"] = calls_of(message["content"]), ""
    for key in ("tool_calls", "function_call"):
        if turn.get(key) and not is_missing(turn[key]):
            message["tool_calls"] = [*message.get("tool_calls", []), *calls_of(turn[key])]


def _add_trained(message: Message, turn: dict[str, Any], left: list[Part]) -> None:
    for key in TRAINED:
        value = turn.get(key)
        if is_missing(value):
            continue
        trained = _as_mark(value)
        if trained is None:
            left.append(Part("key", f"the key “{key}” of a message, which is neither yes nor no", as_text(value)))
            continue
        if type(value) is float and 0 < value < 1:
            left.append(Part("key", f"a {key} between 0 and 1, taken as 1", as_text(value)))
        # One key that says no is enough.
        message["train"] = (not trained if key == "masked" else trained) and message.get("train", True)


def _as_mark(value: Any) -> bool | None:
    if isinstance(value, bool | int | float):
        return value > 0
    return MARKS.get(value.strip().lower()) if isinstance(value, str) else None


def _count_keys(message: Message, turn: dict[str, Any], left: list[Part]) -> None:
    """What a message holds besides what is read."""
    for key, value in turn.items():
        read = key in _READ and (message["role"] == "assistant" or key not in (*REASONING, *TRAINED, *CALLING))
        if read or is_missing(value) or value in ("", False):
            continue
        if key in TRAINED and message["role"] != "assistant" and _as_mark(value) == (key == "masked"):
            continue  # nobody trains it anyway
        of = f"a message of the {message['role']}" if key in _READ else "messages"
        left.append(Part("key", f"the key “{key}” of {of}", as_text(value)))


def _content(content: Any, thoughts: list[str]) -> str:
    if isinstance(content, dict) and str(content.get("type", "")).startswith(_PARTS):
        content = [content]
    if not isinstance(content, list):
        return as_text(content)
    return "".join(_part(part, thoughts) for part in content)


def text_of(value: Any) -> str:
    """A text that may be written as a message is, in parts: Gemini's system instruction. Raises LeaveOut."""
    is_message = isinstance(value, dict) and isinstance(value.get("parts"), list)
    return _content(value["parts"], []) if is_message else as_text(value)


def _part(part: Any, thoughts: list[str]) -> str:
    """The text of one of OpenAI's (or Anthropic's) content parts. Raises LeaveOut for an image, a sound, a file."""
    if not isinstance(part, dict):
        return as_text(part)
    kind = part.get("type")
    if kind in _THOUGHT_PARTS:
        thoughts.append(as_text(part.get("thinking", part.get("reasoning", part.get("text")))))
        return ""
    if kind in _TEXT_PARTS or (kind is None and isinstance(part.get("text"), str)):
        return as_text(part.get("text"))
    if kind == "refusal":
        return as_text(part.get("refusal"))
    name = str(kind or next(iter(part), "no type"))[:40]
    raise LeaveOut(f"A message holds a part that is not text (“{name}”); only text can be trained.")


EMPTY, MARKED = "an empty answer", "an answer marked as not to be trained"


def split_last(messages: list[Message], left: list[Part]) -> tuple[list[Message], Message]:
    """The conversation up to its last answer that is trained, and this. Raises LeaveOut where there is none.

    What comes after it is cut; empty answers before it are shown, and not trained.
    """
    answers = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
    filled = [i for i in answers if _says_something(messages[i])]
    trained = [i for i in filled if messages[i].get("train", True)]
    if not filled:
        raise LeaveOut("The conversation holds no answer of the assistant to a message before it.")
    if not trained:
        raise LeaveOut("Every answer of the conversation is marked as not to be trained.")
    end = trained[-1]
    earlier, last = [dict(m) for m in messages[:end]], dict(messages[end])
    last.pop("train", None)
    for i, cut in enumerate(messages[end + 1 :], start=end + 1):
        answer = MARKED if i in filled else EMPTY
        kind = answer if cut["role"] == "assistant" else f"a message of the {cut['role']}"
        left.append(Part("turn", f"{kind} behind the last trained answer, cut off", cut["content"]))
    for i, message in enumerate(earlier):
        if message["role"] != "assistant":
            continue
        if i not in filled:
            message["train"] = False
            left.append(Part("turn", f"{EMPTY}, shown only as context"))
        elif message.get("train") is False:
            left.append(Part("turn", f"{MARKED}, shown only as context", message["content"]))
    return earlier, last


def _says_something(message: Message) -> bool:
    return bool(message["content"].strip() or message.get("tool_calls"))
