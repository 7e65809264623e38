"""Tools and calls of tools, in the shapes in which people bring them → OpenAI's."""

from __future__ import annotations

from typing import Any

from core.data.columns.choice import is_missing, parsed

CALL = "A call of a tool is not understood: it needs a name and arguments, as an object or JSON text."


class LeaveOut(Exception):
    """Why a row cannot be trained; the message is a sentence for people."""


def tools_of(value: Any) -> tuple[dict[str, Any], ...]:
    """Definitions of tools, from a list, an object or JSON text; bare functions are wrapped as OpenAI has them.

    Raises LeaveOut for what is none: a row that calls tools which are not shown would be trained otherwise than meant.
    """
    value = parsed(value)
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return ()
    tools = [parsed(tool) for tool in (value if isinstance(value, list) else [value])]
    if not all(isinstance(tool, dict) and isinstance(_name_of(tool), str) for tool in tools):
        raise LeaveOut("The tools are not a list of objects with a name.")
    return tuple(tool if isinstance(tool.get("function"), dict) else _wrapped(tool) for tool in tools)


def _wrapped(tool: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


def _name_of(tool: dict[str, Any]) -> Any:
    function = tool.get("function")
    return function.get("name") if isinstance(function, dict) else tool.get("name")


def calls_of(value: Any) -> list[dict[str, Any]]:
    """Calls of tools: OpenAI's list, one function_call, or ShareGPT's JSON text. Raises LeaveOut for what is none.

    Arguments that are JSON text become the object that chat templates expect.
    """
    value = parsed(value)
    calls = [parsed(call) for call in (value if isinstance(value, list) else [value])]
    return [_call(call) for call in calls]


def calls_in(text: str) -> list[dict[str, Any]]:
    """The calls of tools that a text of JSON alone makes, each with a name and arguments; none where it is another."""
    value = parsed(text)
    calls = value if isinstance(value, list) else [value]
    if not calls or not all(isinstance(call, dict) and call.keys() == {"name", "arguments"} for call in calls):
        return []
    return calls_of(calls)


def _call(call: Any) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise LeaveOut(CALL)
    function = call.get("function")
    inner: dict[str, Any] = function if isinstance(function, dict) else call
    name = inner.get("name") or (function if isinstance(function, str) else None)
    arguments: Any = next((inner[key] for key in ("arguments", "parameters", "args", "input") if key in inner), {})
    arguments = {} if is_missing(arguments) or arguments == "" else parsed(arguments)
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise LeaveOut(CALL)
    id_ = {"id": call["id"]} if isinstance(call.get("id"), str) and call["id"] else {}
    return {**id_, "type": "function", "function": {"name": name, "arguments": arguments}}
