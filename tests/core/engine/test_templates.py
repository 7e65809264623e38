"""Over the chat templates that people bring: ids are those of the template's own text, answers are found whole.

A test takes one template and goes over all rows, so that each is rendered once; it names every row that is wrong.
`TUNEWRIGHT_TEMPLATES=folder` runs the same over a folder of .jinja files: those of llama.cpp's models/templates, say.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from core.engine.rendering import Refused, prompt_ids, render, stop_ids
from core.engine.templates import RenderSettings, with_settings
from core.types import Example
from tests.conftest import CHATML, make_tokenizer

TRL = importlib.util.find_spec("trl")
FOLDER = Path(TRL.submodule_search_locations[0]) / "chat_templates" if TRL else Path("none")
BROUGHT = sorted(Path(os.environ.get("TUNEWRIGHT_TEMPLATES", "none")).glob("*.jinja"))
CONTROL = re.compile(
    r"<[|｜][^<>\s{}'\"|]{1,40}?[|｜]?>|<[^<>\s{}'\"|]{1,20}[|]>|<(?:start|end)_of_\w+>|\[/?[A-Z_]{2,}\]|\[gMASK\]|<sop>"
    r"|</?s>|<(?:bos|eos)>|<SPECIAL_\d+>"
)
PLAIN = ("<think>", "</think>", "<tool_call>", "</tool_call>")
"""Added tokens that are no control tokens."""

_WRITES = "{{ '<|im_start|>' + m['role'] + '\n' + %s + '<|im_end|>\n' }}"
_ASKS = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
_THOUGHT = "{% set c = m['content'].split('</think>')[-1] if m['role'] == 'assistant' else m['content'] %}"
_CALLS = """{% if tools %}{{ '[AVAILABLE_TOOLS]' + tools | tojson + '[/AVAILABLE_TOOLS]' }}{% endif %}
{%- for m in messages %}
{%- if m['role'] == 'tool' %}{{ RESULT }}
{%- elif m['tool_calls'] %}{% for c in m['tool_calls'] %}{{ CALL }}{% endfor %}
{%- elif m['role'] == 'assistant' %}{{ ANSWER }}
{%- else %}{{ '[INST]' + m['content'] + '[/INST]' }}{% endif %}
{%- endfor %}{% if add_generation_prompt %}{{ ASKS }}{% endif %}"""
_RESULT = "'[TOOL_RESULTS]' + m['content'] + '[/TOOL_RESULTS]'"
_CALL = "'[TOOL_CALLS]' + c['function']['name'] + '[ARGS]' + c['function']['arguments'] + eos_token"


def _with_calls(call: str = _CALL, result: str = _RESULT, answer: str = "m['content'] + eos_token", asks: str = "''"):
    """A template that takes tools; each of the parts is an expression of Jinja."""
    source = _CALLS.replace("CALL }}", call + " }}").replace("RESULT }}", result + " }}")
    return source.replace("ANSWER", answer).replace("ASKS", asks)


OWN = {
    "strips texts": "{% for m in messages %}" + _WRITES % "m['content'] | trim" + "{% endfor %}" + _ASKS,
    "strips reasoning": "{% for m in messages %}" + _THOUGHT + _WRITES % "c" + "{% endfor %}" + _ASKS,
    "generation blocks": "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}"
    + _WRITES % "m['content']"
    + "{% endif %}{% endfor %}"
    + _ASKS,
    "system in the user's turn": "{% set s = messages[0]['content'] if messages[0]['role'] == 'system' else '' %}"
    "{% for m in messages %}{% if m['role'] != 'system' %}"
    + _WRITES % "(s if loop.first or (s and loop.index0 == 1) else '') + m['content']"
    + "{% endif %}{% endfor %}"
    + _ASKS,
    "thinking prompt": CHATML.replace("<|im_start|>assistant\\n", "<|im_start|>assistant\\n<think>\\n"),
    "no header": "{% for m in messages %}{{ m['content'] }}{% if m['role'] == 'assistant' %}{{ eos_token }}{% else %}"
    "{{ '\n' }}{% endif %}{% endfor %}",
    "header in plain text": "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% if m['role'] == "
    "'assistant' %}{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
    "calls without a header": _with_calls(),  # Mistral
    "calls end without a token": _with_calls(  # Reka
        "'assistant: <call>' + c['function']['name'] + c['function']['arguments'] + '</call>\\n\\n'",
        result="'[INST]' + m['content'] + '[/INST]'",
        answer="'assistant: ' + m['content'] + eos_token",
        asks="'assistant:'",
    ),
    "goes on behind a tool": _with_calls(  # Apertus, DeepSeek V3.2
        "'<|assistant|>' + c['function']['name'] + c['function']['arguments'] + '[/TOOL_CALLS]'",
        result="'(' + m['content'] + ')'",
        answer="('' if loop.previtem['role'] == 'tool' else '<|assistant|>') + m['content'] + eos_token",
        asks="'<|assistant|>'",
    ),
    "two tokens end an answer": CHATML.replace("m['content'] +", "m['content'] + '<|end_of_text|>' +"),  # Command A
    "calls by their ids": _with_calls(_CALL.replace("c['function']['name']", "c['id']")),  # Kimi K2
    "its last answer ends otherwise": (  # OLMo 3
        "{% if messages | selectattr('role', 'equalto', 'system') | list | length == 0 %}"
        "{{ '<|im_start|>system\nYou help.' + (tools | tojson if tools else '') + '<|im_end|>\n' }}{% endif %}"
        "{%- for m in messages %}{% if m['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' + m['content'] }}"
        "{% if m.get('tool_calls', none) is not none %}{{ '<function_calls>' }}{% for c in m['tool_calls'] %}"
        "{% set ns = namespace(given=[]) %}{% for k, v in c['function']['arguments'].items() %}"
        "{% set ns.given = ns.given + [k ~ '=' ~ (v | tojson)] %}{% endfor %}"
        "{{ c['function']['name'] + '(' + ns.given | join(', ') + ')' }}{% endfor %}"
        "{{ '</function_calls>' }}{% endif %}"
        "{{ eos_token if loop.last else '<|im_end|>\n' }}{% else %}"
        "{{ '<|im_start|>' + ('environment' if m['role'] == 'tool' else m['role']) + '\n' + m['content'] }}"
        "{{ '<|im_end|>\n' }}{% endif %}{% endfor %}" + _ASKS
    ),
    "a clock, and a header but for calls": (  # Hunyuan A13B
        "{% set clock = strftime_now('%Y-%m-%d %H:%M:%S') + {'Monday': ' Mo', 'Friday': ' Fr'}[strftime_now('%A')] %}"
        "{% for m in messages %}{% set c = m['content'] %}"
        "{% if tools and loop.first %}{{ '<|im_start|>' + tools | tojson + clock + '<|extra_4|>' }}{% endif %}"
        "{% if m['role'] == 'system' %}{{ ('' if tools else '<|im_start|>') + c + '<|extra_4|>' }}"
        "{% elif m['role'] == 'user' %}{{ ('' if loop.index0 == 1 or tools else '<|im_start|>') + c + '<|extra_0|>' }}"
        "{% elif m['role'] == 'tool' %}{{ '<tool_response>' + c + '</tool_response><|extra_0|>' }}"
        "{% elif m['tool_calls'] %}{% for f in m['tool_calls'] | map(attribute='function') %}{{ c + '<tool_calls>' + "
        "f['name'] + (f['arguments'] | tojson) + '</tool_calls>' }}{% endfor %}{{ '<|im_end|>' }}"
        "{% else %}{{ ('A: ' if tools else '') + c + '<|im_end|>' }}{% endif %}{% endfor %}"
        "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n' }}{% endif %}"
    ),
    "over several lines": "\n{% for m in messages %}\n    {{ m['role'] + ': ' + m['content'] }}\n{% if m['role'] == "
    "'assistant' %}{{ eos_token }}{% endif %}{% endfor %}\n{% if add_generation_prompt %}\n{{ 'assistant:' }}\n"
    "{% endif %}",
    "date": "{{ 'Today is ' + strftime_now('%d %B %Y') + '\n' }}" + CHATML,
}
"""What templates do, one each."""


FILES = {p.stem: p for p in (*FOLDER.glob("*.jinja"), *BROUGHT)}


@cache
def _untaught():
    return make_tokenizer(None)


@cache
def shipped(name: str):
    """A tokenizer that knows the control tokens that a template writes: one of TRL's, of a folder, or one of ours."""
    from tokenizers import AddedToken

    source = OWN.get(name) or FILES[name].read_text(encoding="utf-8")
    tokenizer = copy.deepcopy(_untaught())
    tokenizer.chat_template = source
    control = sorted(set(CONTROL.findall(source)) - set(tokenizer.get_vocab()))
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in PLAIN])
    return with_settings(tokenizer, RenderSettings(date=MIDNIGHT.date().isoformat()))


NAMES = [*OWN, *sorted(FILES)]
MIDNIGHT = datetime(2024, 5, 3)
"""When templates are asked directly: what has a clock would otherwise write another text in a moment."""


@pytest.fixture(scope="module", autouse=True)
def at_midnight():
    class Frozen(datetime):
        @classmethod
        def now(cls, tz=None):
            return MIDNIGHT

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers.utils.chat_template_utils.datetime", Frozen)
        yield


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def answer(text: str, **more) -> dict:
    return {"role": "assistant", "content": text, **more}


def system(text: str) -> dict:
    return {"role": "system", "content": text}


TURNS = (user("the cat?"), answer("sat"), user("the dog?"), answer("ran"), user("to?"))
CITY = {"type": "object", "properties": {"city": {"type": "string", "description": "where"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather_in", "description": "The weather", "parameters": CITY}}
CALL = {"id": "call00001", "type": "function", "function": {"name": "weather_in", "arguments": '{"city": "Oslo"}'}}
CALLED = (
    user("Rain in Oslo?"),
    answer("", tool_calls=[CALL]),
    {"role": "tool", "name": "weather_in", "tool_call_id": "call00001", "content": "sunny there"},
)
ROWS = {
    "one turn": Example((user("the cat"),), "sat on the mat", 1),
    "turns": Example(TURNS, "the mat", 2),
    "system": Example((system("be short"), *TURNS), "the mat", 3),
    "empty system": Example((system(""), user("the cat")), "sat", 4),
    "one letter": Example((user("a"), answer("a"), user("a")), "a", 5),
    "line breaks": Example((user("a"), answer("\n\nb\n"), user("c")), "\n\nd", 6),
    "spaces": Example((user(" a "), answer("  b  "), user("c")), "    return x", 7),
    "unicode": Example((user("café 😀"), answer("naïve — 日本"), user("ü")), "é😀", 8),
    "header as text": Example(
        (user("say assistant\n now"), answer("assistant\nyes"), user("### Response:\nx")), "model\nno", 9
    ),
    "reasoning": Example(TURNS, "the mat", 10, answer={"reasoning_content": "why not the mat"}),
    "earlier reasoning": Example((user("q"), answer("sat", reasoning_content="hm so"), user("r")), "ran", 11),
    "think": Example(
        (user("q"), answer("<think>\nhm so\n</think>\n\nsat"), user("r")), "<think>\noh\n</think>\n\nran", 12
    ),
    "tools": Example(CALLED, "It is sunny in Oslo.", 13, tools=(TOOL,)),
    "last call": Example(CALLED[:1], "", 14, answer={"tool_calls": [CALL]}, tools=(TOOL,)),
}  # fmt: skip


def forms_of(example: Example) -> list[list[dict]]:
    """The conversation as templates may want it: tool calls in each form, reasoning under each name."""
    forms = []
    for name in ("reasoning_content", "thinking", "reasoning"):
        for load in (str, json.loads):
            for parts in (False, True):
                messages = []
                for message in example.conversation:
                    message = {name if k == "reasoning_content" else k: v for k, v in message.items()}
                    if calls := message.get("tool_calls"):
                        functions = [{**c["function"], "arguments": load(c["function"]["arguments"])} for c in calls]
                        message["tool_calls"] = [{**c, "function": f} for c, f in zip(calls, functions, strict=True)]
                    if parts:
                        message["content"] = [{"type": "text", "text": message["content"]}]
                    messages.append(message)
                forms.append(messages)
    return forms


def plain_text_of(example: Example, tokenizer) -> set[str]:
    """What the template writes, asked for directly."""
    texts = set()
    for messages in forms_of(example):
        with contextlib.suppress(Exception):
            texts.add(tokenizer.apply_chat_template(messages, tools=list(example.tools) or None, tokenize=False))
    return texts


TAKE_TOOLS = {"calls without a header", "calls end without a token", "goes on behind a tool"}
TAKE_TOOLS |= {"its last answer ends otherwise", "a clock, and a header but for calls"}
NO_TOOLS = {"cohere", "cohere2", "deepseek_r1_distill", "deepseekv3", "gemma", "gemma3", "idefics3", "lfm2", "llama3"}
NO_TOOLS |= {"llava_next", "phi3", "phi3_5", "qwen2_5_vl", "smolvlm", *(OWN.keys() - TAKE_TOOLS)}


def is_refused(name: str, kind: str) -> bool:
    """Rows that a template cannot write, and only they, are refused with their number."""
    family = name.removesuffix("_training")
    if name in {p.stem for p in BROUGHT}:
        expected = not has_place(ROWS[kind], shipped(name))
    else:
        expected = family == "gemma" and "system" in kind or (family in NO_TOOLS and kind in ("tools", "last call"))
    if not expected:
        return False
    with pytest.raises(Refused, match=f"^Row {ROWS[kind].row}: "):
        render(ROWS[kind], shipped(name))
    return True


def has_place(example: Example, tokenizer) -> bool:
    """Does the template write the row: its tools, calls and results too, each for itself?"""
    texts = plain_text_of(example, tokenizer)
    if example.tools:
        without = [m for m in example.conversation if m["role"] != "tool"]
        silent = [{k: v for k, v in m.items() if k != "tool_calls"} for m in example.conversation]
        renamed = json.loads(json.dumps(example.conversation).replace('"name": "weather_in"', '"name": "zz"'))
        others = [replace(example, tools=()), *(_of(example, m) for m in (silent, renamed))]
        others += [_of(example, without)] if len(without) < len(silent) else []
        texts -= set().union(*(plain_text_of(other, tokenizer) for other in others))
    return bool(texts)


def _of(example: Example, conversation: list[dict]) -> Example:
    *earlier, last = conversation
    more = {k: v for k, v in last.items() if k not in ("role", "content")}
    return replace(example, messages=tuple(earlier), target=last["content"], answer=more)


@cache
def rendered_of(name: str, kind: str):
    """The row by the template; None where it is refused, as it should be."""
    return None if is_refused(name, kind) else render(ROWS[kind], shipped(name))


def over_all_rows(name: str, check: Callable) -> None:
    """`check(name, kind, rendered)` of each row that the template writes; what is wrong is told of every row."""
    wrong = {}
    for kind in ROWS:
        try:
            if (rendered := rendered_of(name, kind)) is not None:
                check(name, kind, rendered)
        except Exception as e:  # of one row; the others are looked at as well
            wrong[kind] = f"{type(e).__name__}: {e}"
    assert not wrong, "\n\n".join(f"{name}, row “{kind}”: {why}" for kind, why in wrong.items())


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_those_of_the_templates_own_text(name):
    over_all_rows(name, ids_are_those_of_the_text)


def ids_are_those_of_the_text(name, kind, rendered):
    tokenizer = shipped(name)
    assert rendered.text in plain_text_of(ROWS[kind], tokenizer)
    whole = tuple(tokenizer(rendered.text, add_special_tokens=False)["input_ids"])
    assert rendered.ids == whole[: len(rendered.ids)]
    assert not tokenizer.decode(whole[len(rendered.ids) :]).strip()


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_trained_and_nothing_else(name):
    over_all_rows(name, answers_are_trained)


def answers_are_trained(name, kind, rendered):
    tokenizer, example = shipped(name), ROWS[kind]
    answers = [m for m in example.conversation if m["role"] == "assistant"]
    assert len(rendered.spans) == len(answers), rendered.problems
    for (start, end), said in zip(rendered.spans, answers, strict=True):
        text = tokenizer.decode(rendered.ids[start:end])
        assert said["content"].rpartition("</think>")[2].strip() in text
        assert not any(m["content"] in text for m in example.messages if m["role"] == "user" and len(m["content"]) > 3)
        if said is answers[-1]:
            assert end == len(rendered.ids)
        if calls := said.get("tool_calls"):
            assert all(c["function"]["name"] in text and "Oslo" in text for c in calls)
        assert not any(m["content"] in text for m in example.messages if m["role"] == "tool")
        # No token that ends the turn is left behind.
        behind = [i for i in rendered.ids[end : end + 2] if tokenizer.decode([i]).strip()][:1]
        stops = stop_ids(tokenizer)
        assert rendered.ids[end - 1] in stops or not set(behind) & set(stops)
    trained = [i for i, is_trained in enumerate(rendered.trained) if is_trained]
    assert trained == [i for start, end in rendered.spans for i in range(start, end)]
    prompt = prompt_ids(example, tokenizer)
    if rendered.text.startswith(tokenizer.decode(prompt)):
        assert rendered.ids[: rendered.prompt_length] == prompt[: rendered.prompt_length]


MARKING = [n for n in NAMES if re.search(r"{%-?\s*generation", OWN.get(n) or FILES[n].read_text(encoding="utf-8"))]
OTHERS = {("diffusion_gemma_training", "tools"), ("diffusion_gemma_training", "last call")}
"""Behind a tool's result its prompt has no header yet, and <|tool_response> ends what it writes: both are trained."""


@pytest.mark.parametrize("name", MARKING)
def test_trained_is_what_the_templates_generation_blocks_mark(name):
    """But for what the prompt already holds, which many templates mark too, and white space behind the end of turn."""
    over_all_rows(name, trained_is_marked)


def trained_is_marked(name, kind, rendered):
    tokenizer, example = shipped(name), ROWS[kind]
    more = {"tools": list(example.tools) or None}
    for form in forms_of(example):
        with contextlib.suppress(Exception):
            if tokenizer.apply_chat_template(form, tokenize=False, **more) == rendered.text:
                break
    marked = tokenizer.apply_chat_template(form, return_dict=True, return_assistant_tokens_mask=True, **more)
    ids, marks = marked["input_ids"], marked["assistant_masks"]
    trained = [*rendered.trained, *[False] * (len(ids) - len(rendered.ids))]
    allowed = set()
    for start, end in rendered.spans:
        while start and marks[start - 1] and not trained[start - 1]:
            start -= 1
            allowed.add(start)
        while end < len(ids) and not tokenizer.decode(ids[end : end + 1]).strip():
            allowed.add(end)
            end += 1
    # Of a letter of several bytes, transformers marks one.
    allowed |= {i for i, token in enumerate(ids) if "\ufffd" in tokenizer.decode([token])}
    different = [i for i in range(len(ids)) if trained[i] != marks[i] and i not in allowed]
    assert bool(different) == ((name, kind) in OTHERS), tokenizer.convert_ids_to_tokens([ids[i] for i in different])


@pytest.mark.parametrize("name", NAMES)
def test_control_tokens_as_text_change_nothing_of_the_templates_own(name):
    """The text is the template's, its control tokens are those of the same row without them, and none is added."""
    tokenizer = shipped(name)
    row = Example(
        (user("say <|im_end|> now"), answer("no <|im_start|>user\nx"), user("c")), "<|im_end|><|im_end|> d", 3
    )
    same = Example((user("say now"), answer("no user\nx"), user("c")), "x d", 3)
    rendered, without = render(row, tokenizer), render(same, tokenizer)
    assert tokenizer.decode(rendered.ids) == rendered.text[: len(tokenizer.decode(rendered.ids))]
    special = {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    assert [i for i in rendered.ids if i in special] == [i for i in without.ids if i in special]
    assert len(rendered.spans) == 2
    assert (
        tokenizer.decode(rendered.ids[slice(*rendered.spans[-1])])
        .strip()
        .endswith(tokenizer.decode(rendered.ids[-1:]).strip())
    )
    for start, end in rendered.spans:
        assert "say" not in tokenizer.decode(rendered.ids[start:end])
    assert [p for p in rendered.problems if "encoded as ordinary text" in p.fix]


def test_added_tokens_that_are_no_control_tokens_stay_tokens():
    tokenizer = shipped("qwen3")
    think = tokenizer.convert_tokens_to_ids("<think>")
    row = Example((user("what is <think>?"),), "<think>\nwhy\n</think>\n\nso <|im_end|>", 1)
    assert list(render(row, tokenizer).ids).count(think) == 2
    assert not any("<think>" in p.what for p in render(row, tokenizer).problems)


def test_only_the_last_answer_and_marked_ones():
    tokenizer = make_tokenizer()
    marked = Example((TURNS[0], {**TURNS[1], "train": False}, *TURNS[2:]), "the mat", 1)
    last = with_settings(tokenizer, RenderSettings(answers="last"))
    assert len(render(marked, tokenizer).spans) == 2
    assert len(render(marked, last).spans) == 1
    kept = Example((TURNS[0], {**TURNS[1], "train": True}, *TURNS[2:]), "the mat", 1)
    assert len(render(kept, last).spans) == 2
    assert len(render(kept, last, last_only=True).spans) == 1
    assert render(kept, last).ids == render(marked, tokenizer).ids


def test_thinking_is_a_setting():
    tokenizer = shipped("qwen3")
    row = Example((user("q"),), "sat", 1, answer={"reasoning_content": "hm so"})
    never = with_settings(tokenizer, RenderSettings(thinking="never"))
    rendered = render(row, never)
    assert "hm so" not in rendered.text and rendered.dropped == ("setting",)
    assert tokenizer.decode(prompt_ids(row, never)).endswith("<think>\n\n</think>\n\n")
    assert rendered.ids[: rendered.prompt_length] == prompt_ids(row, never)
    assert tokenizer.decode(rendered.ids[rendered.prompt_length :]) == "sat<|im_end|>"
    always = with_settings(tokenizer, RenderSettings(thinking="always"))
    assert tokenizer.decode(prompt_ids(row, always)).endswith("assistant\n")
    assert "hm so" in render(row, always).text


@pytest.mark.parametrize("answers", ["all", "last"])
def test_an_opening_that_is_always_written_stands_before_the_answer(answers):
    """Hunyuan writes it behind a finished answer, too: it is no part of that, and generation starts behind it."""
    settings = RenderSettings(thinking="never", answers=answers, date=MIDNIGHT.date().isoformat())
    tokenizer = with_settings(shipped("a clock, and a header but for calls"), settings)
    row = Example(TURNS, "the <|im_end|> mat", 10, answer={"reasoning_content": "why not"})
    rendered = render(row, tokenizer)
    assert rendered.ids[: rendered.prompt_length] == prompt_ids(row, tokenizer)
    spans = [tokenizer.decode(rendered.ids[a:b]) for a, b in rendered.spans]
    assert (
        spans[-1] == "the <|im_end|> mat<|im_end|>"
        and spans[:-1] == ["sat<|im_end|>", "ran<|im_end|>"][: len(spans) - 1]
    )
    assert rendered.text.count("</think>") == 1 and "to?<|extra_0|><think>\n\n</think>\nthe" in rendered.text
    called = render(ROWS["tools"], tokenizer)
    assert called.ids[: called.prompt_length] == prompt_ids(ROWS["tools"], tokenizer)
    assert tokenizer.decode(called.ids[called.spans[-1][0] :]) == "A: It is sunny in Oslo.<|im_end|>"


def test_a_system_prompt_that_the_template_refuses_is_folded():
    tokenizer = shipped("gemma") if TRL else make_tokenizer(None)
    row = Example((system("be short"), *TURNS), "the mat", 4)
    with pytest.raises(Refused, match="Row 4: .*first user turn") as refused:
        render(row, tokenizer)
    assert refused.value.row == 4
    rendered = render(row, with_settings(tokenizer, RenderSettings(system="fold")))
    assert "user\nbe short\n\nthe cat?" in rendered.text
    assert len(rendered.spans) == 3


def test_the_date_is_that_of_the_settings():
    row = Example((user("q"),), "sat", 1)
    tokenizer = shipped("date")
    assert "Today is 03 May 2024" in render(row, with_settings(tokenizer, RenderSettings(date="2024-05-03"))).text


def test_tools_without_a_place_are_refused_whatever_the_setting():
    with pytest.raises(Refused, match="no place for the tools") as refused:
        render(ROWS["tools"], make_tokenizer())
    assert refused.value.whatever
