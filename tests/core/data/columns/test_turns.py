"""Every shape of conversation that people bring is the same conversation, and nothing of it is dropped in silence."""

from __future__ import annotations

import json

import pytest

from core.data.columns.batches import convert
from core.data.columns.choice import Columns
from core.data.columns.guess import doubt, guess
from core.data.columns.rows import to_examples
from core.data.columns.survey import survey
from core.data.columns.unused import Tally, Unused
from core.data.reading.table import Table
from core.store import datasets
from core.types import Example, Message

ASK, SAY = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
AGAIN, END = {"role": "user", "content": "more"}, {"role": "assistant", "content": "bye"}
KIND = {"role": "system", "content": "be kind"}
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"town": "Ulm"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {}}}


def read(*rows: dict, columns: Columns | None = None) -> tuple[list[Example], list[str], list[Unused]]:
    """Rows as they would be imported, with the reasons of those that are left out, and what is not trained."""
    table = Table(list(rows), list(range(1, len(rows) + 1)))
    seen = survey([table], "rows")
    if columns is None:
        columns = guess(seen)
        assert not doubt(seen, columns)
    examples, problems = to_examples(table, columns, None, tally := Tally())
    batch = convert(table, columns)
    assert datasets.to_examples(batch.table) == examples and batch.tally.unused == tally.unused
    return examples, [p.what for p in problems], tally.unused


def one(**row) -> Example:
    [example], reasons, unused = read(row)
    assert (reasons, unused) == ([], [])
    return example


def of_messages(*messages: Message, **columns) -> Example:
    return one(messages=list(messages), **columns)


SHAPES = {
    "OpenAI": {"messages": [KIND, ASK, SAY, AGAIN, END]},
    "ShareGPT": {
        "conversations": [
            {"from": "system", "value": "be kind"},
            *(
                {"from": f, "value": v}
                for f, v in (("human", "hi"), ("gpt", "hello"), ("human", "more"), ("gpt", "bye"))
            ),
        ]
    },
    "ShareGPT, the system prompt in a column": {
        "system": "be kind",
        "conversations": [
            {"from": f, "value": v}
            for f, v in (("Human", "hi"), ("GPT", "hello"), ("USER", "more"), ("Assistant", "bye"))
        ],
    },
    "JSON text": {"messages": json.dumps([KIND, ASK, SAY, AGAIN, END])},
    "Python's text": {"messages": str([KIND, ASK, SAY, AGAIN, END])},
    "columns of messages": {
        "messages": {key: [m[key] for m in (KIND, ASK, SAY, AGAIN, END)] for key in ("role", "content")}
    },
    "pairs": {
        "conversation": [
            {"system": "be kind", "human": "hi", "assistant": "hello"},
            {"human": "more", "assistant": "bye"},
        ]
    },
    "pairs of other names": {
        "conversation": [{"system": "be kind", "input": "hi", "output": "hello"}, {"input": "more", "output": "bye"}]
    },
    "Llama's dialog": {"dialog": [KIND, ASK, SAY, AGAIN, END]},
    "turns": {"turns": [KIND, ASK, SAY, AGAIN, END]},
    "developer": {"messages": [{**KIND, "role": "Developer"}, ASK, SAY, AGAIN, END]},
    "content parts": {
        "messages": [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in (KIND, ASK, SAY, AGAIN, END)]
    },
    "Alpaca's history": {
        **{"instruction": "more", "input": "", "output": "bye", "system": "be kind", "history": [["hi", "hello"]]},
    },
    "history as JSON text": {
        **{"instruction": "more", "output": "bye", "system": "be kind", "history": '[["hi", "hello"]]'},
    },
    "history as messages": {"instruction": "more", "output": "bye", "system": "be kind", "history": [ASK, SAY]},
    "prompt as messages": {"prompt": [KIND, ASK, SAY, AGAIN], "completion": [END]},
}


@pytest.mark.parametrize("row", SHAPES.values(), ids=SHAPES)
def test_shapes_of_conversations(row):
    example = one(**row)
    assert (example.messages, example.target) == ((KIND, ASK, SAY, AGAIN), "bye")
    assert (example.answer, example.tools, example.meta) == ({}, (), {})


def test_an_empty_history_is_none():
    for empty in ([], None, "", "[]", float("nan")):
        assert one(instruction="hi", output="hello", history=empty).messages == (ASK,)


def test_a_history_that_is_none_is_a_reason():
    row = {"instruction": "hi", "output": "hello", "history": "we talked"}
    [example], [reason], _ = read({**row, "history": []}, row)
    assert example.row == 1 and "neither pairs" in reason


def test_a_conversation_of_its_own_system_prompt_keeps_it_and_the_column_is_counted():
    rows = [{"system": system, "messages": [KIND, ASK, SAY]} for system in ("be kind", "be rude", "")]
    examples, _, [unused] = read(*rows)
    assert [e.messages[0] for e in examples] == [KIND] * 3
    assert (unused.rows, unused.first_rows, unused.value) == (1, (2,), "be rude")


# Reasoning and tools.


@pytest.mark.parametrize("key", ["reasoning_content", "thinking", "reasoning"])
def test_reasoning_beside_an_answer_is_kept(key):
    thought = {**SAY, key: "They greet."}
    example = of_messages(ASK, thought, AGAIN, {**END, key: "They go."})
    assert example.messages[1] == {**SAY, "reasoning_content": "They greet."}
    assert example.answer == {"reasoning_content": "They go."}
    assert one(prompt="hi", answer="hello", **{key: "They greet."}).answer == {"reasoning_content": "They greet."}
    example = one(messages=[ASK, SAY], **{key: "They greet."})
    assert example.answer == {"reasoning_content": "They greet."}


def test_reasoning_within_the_answer_or_its_parts_is_kept():
    text = "<think>\nThey greet.\n</think>\n\nhello"
    assert of_messages(ASK, {"role": "assistant", "content": text}).target == text
    parts = [{"type": "thinking", "thinking": "They greet."}, {"type": "text", "text": "hello"}]
    example = of_messages(ASK, {"role": "assistant", "content": parts})
    assert (example.target, example.answer) == ("hello", {"reasoning_content": "They greet."})


CALLS = {
    "OpenAI": {"role": "assistant", "content": None, "tool_calls": [CALL]},
    "arguments as JSON text": {
        **{"role": "assistant", "content": None},
        "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": '{"town": "Ulm"}'}}],
    },
    "bare": {"role": "assistant", "tool_calls": [{"name": "weather", "arguments": {"town": "Ulm"}}]},
    "JSON text": {"role": "assistant", "content": "", "tool_calls": json.dumps([CALL])},
    "function_call": {
        **{"role": "assistant", "content": None},
        "function_call": {"name": "weather", "arguments": '{"town": "Ulm"}'},
    },
    "ShareGPT": {"from": "function_call", "value": '{"name": "weather", "arguments": {"town": "Ulm"}}'},
}


@pytest.mark.parametrize("message", CALLS.values(), ids=CALLS)
def test_calls_of_tools(message):
    last = of_messages(ASK, message, tools=[TOOL])
    assert (last.target, last.answer, last.tools) == ("", {"tool_calls": [CALL]}, (TOOL,))
    earlier = of_messages(
        ASK, message, {"role": "tool", "content": "rain", "tool_call_id": "1", "name": "weather"}, SAY
    )
    assert earlier.messages[1] == {"role": "assistant", "content": "", "tool_calls": [CALL]}
    assert earlier.messages[2] == {"role": "tool", "content": "rain", "tool_call_id": "1", "name": "weather"}


@pytest.mark.parametrize("role", ["tool", "function", "Observation", "function_response", "ipython", "tool_response"])
def test_what_tools_answer_is_their_message(role):
    assert of_messages(ASK, CALLS["OpenAI"], {"role": role, "content": {"rain": 1}}, SAY).messages[2] == {
        "role": "tool",
        "content": '{"rain": 1}',
    }


@pytest.mark.parametrize(
    "tools",
    [[TOOL], json.dumps([TOOL]), TOOL, [{"name": "weather", "parameters": {}}], [json.dumps(TOOL)]],
    ids=["list", "JSON text", "one", "bare", "list of JSON text"],
)
def test_tools_of_a_row(tools):
    assert of_messages(ASK, SAY, tools=tools).tools == (TOOL,)
    assert one(instruction="hi", output="hello", tools=tools).tools == (TOOL,)
    assert of_messages({**KIND, "tools": tools}, ASK, SAY).tools == (TOOL,)


@pytest.mark.parametrize("tools", [None, [], "", "[]", float("nan")])
def test_no_tools(tools):
    assert of_messages(ASK, SAY, tools=tools).tools == ()


BROKEN = {
    "tools": ({"messages": [ASK, SAY], "tools": ["weather"]}, "The tools are not a list of objects"),
    "call": ({"messages": [ASK, {"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "A call of a tool"),
    "call as text": ({"messages": [ASK, {"from": "function_call", "value": "weather!"}, SAY]}, "A call of a tool"),
    "image": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "image_url"}]}, SAY]},
        "a part that is not text (“image_url”)",
    ),
    "sound": (
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, SAY]},
        "a part that is not text (“input_audio”)",
    ),
    "file": ({"messages": [{"role": "user", "content": {"type": "file", "file": "a"}}, SAY]}, "“file”"),
    "role": ({"messages": [{"role": "narrator", "content": "Once"}, SAY]}, "the role “narrator”"),
    "no role": ({"messages": [{"content": "Once"}, SAY]}, "names no role"),
    "no answer": ({"messages": [ASK, {**SAY, "content": " "}]}, "no answer of the assistant"),
    "nothing trained": ({"messages": [ASK, {**SAY, "weight": 0}]}, "marked as not to be trained"),
    "nothing before": ({"messages": [SAY]}, "no answer of the assistant to a message before it"),
    "texts": ({"messages": ["hi", "hello"]}, "not a list of messages"),
    "reasoning alone": ({"messages": [ASK, {"role": "assistant", "content": "", "thinking": "Hm."}]}, "no answer"),
}


@pytest.mark.parametrize(("row", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_no_template_can_show_is_left_out_with_the_reason(row, reason):
    [example], [given], unused = read({"messages": [ASK, SAY]}, row)
    assert example.row == 1 and reason in given and unused == []


# Which answers are trained.


def test_all_answers_are_left_to_the_setting_where_a_row_says_nothing():
    assert all("train" not in m for m in of_messages(ASK, SAY, AGAIN, END).messages)


@pytest.mark.parametrize(
    ("no", "yes"),
    [
        ({"weight": 0}, {"weight": 1}),
        ({"weight": "0"}, {"weight": 1.0}),
        ({"train": False}, {"train": True}),
        ({"training": False}, {"training": True}),
        ({"trainable": "false"}, {"trainable": "true"}),
        ({"loss": False}, {"loss": True}),
        ({"loss_mask": 0}, {"loss_mask": 1}),
        ({"masked": True}, {"masked": False}),
    ],
)
def test_a_row_says_which_answers_are_trained(no, yes):
    [example], _, [unused] = read({"messages": [ASK, {**SAY, **no}, AGAIN, {**END, **yes}]})
    assert (example.messages[1], example.target, example.answer) == ({**SAY, "train": False}, "bye", {})
    assert unused.what == "an answer marked as not to be trained, shown only as context" and unused.value == "hello"
    [example], _, unused = read({"messages": [ASK, {**SAY, **yes}, AGAIN, {**END, **no}]})
    assert (example.messages, example.target) == ((ASK,), "hello")
    assert [u.what.split(" behind")[0] for u in unused] == [
        "a message of the user",
        "an answer marked as not to be trained",
    ]
    example = of_messages(ASK, {**SAY, **yes}, AGAIN, END)
    assert example.messages[1] == {**SAY, "train": True}


def test_what_stands_behind_the_last_answer_is_cut_and_counted():
    rows = [{"messages": [ASK, SAY, {**AGAIN, "content": f"more {i}"}]} for i in range(7)]
    examples, _, [unused] = read(*rows)
    assert [(e.messages, e.target) for e in examples] == [((ASK,), "hello")] * 7
    assert (unused.kind, unused.rows, unused.first_rows, unused.value) == ("turn", 7, (1, 2, 3, 4, 5), "more 0")
    assert unused.what == "a message of the user behind the last trained answer, cut off"


def test_odd_orders_stay_as_they_are():
    assert of_messages(SAY, ASK, END).messages == (SAY, ASK)
    assert of_messages(ASK, AGAIN, END).messages == (ASK, AGAIN)
    assert of_messages(ASK, SAY, END).messages == (ASK, SAY)
    empty_system = {"role": "system", "content": ""}
    assert of_messages(empty_system, ASK, SAY).messages == (empty_system, ASK)
    assert of_messages({"role": "user", "content": " hi\n", "name": "Ada"}, SAY).messages == (
        {"role": "user", "content": " hi\n", "name": "Ada"},
    )


def test_empty_answers_are_shown_and_not_trained():
    [example], _, [unused] = read({"messages": [ASK, {**SAY, "content": None}, AGAIN, END]})
    assert example.messages[1] == {"role": "assistant", "content": "", "train": False}
    assert unused.what == "an empty answer, shown only as context"


def test_keys_of_messages_that_nobody_reads_are_counted():
    message = {**SAY, "id": "m1", "refusal": None, "annotations": [], "train_detail": [{"begin_offset": 0}]}
    _, _, unused = read({"messages": [{**ASK, "images": ["a.png"], "weight": 1}, message]})
    assert [u.what for u in unused] == [
        "the key “images” of messages",
        "the key “weight” of a message of the user",
        "the key “id” of messages",
        "the key “train_detail” of messages",
    ]
    assert [u.value for u in unused][:3] == ['["a.png"]', "1", "m1"]


def test_a_weight_between_is_counted():
    [example], _, [unused] = read({"messages": [ASK, {**SAY, "weight": 0.5}]})
    assert example.target == "hello" and unused.what == "a weight between 0 and 1, taken as 1"


# Answers with worse ones.


def test_reasoning_and_calls_of_a_rejected_answer_are_counted():
    worse = {"role": "assistant", "content": "what", "reasoning_content": "Hm.", "tool_calls": [CALL]}
    [example], _, unused = read({"prompt": [ASK], "chosen": [{**SAY, "thinking": "Kind."}], "rejected": [worse]})
    assert (example.target, example.rejected, example.answer) == ("hello", "what", {"reasoning_content": "Kind."})
    assert [u.what for u in unused] == ["the reasoning of a rejected answer", "calls of tools of a rejected answer"]
    _, [reason], _ = read({"prompt": [ASK], "chosen": [SAY], "rejected": [{**worse, "content": None}]}, columns=PAIR)
    assert reason.startswith("The rejected answer calls tools")


PAIR = Columns("prompt", "chosen", rejected="rejected")


def test_answers_of_several_turns_share_what_comes_before():
    example = one(chosen=[ASK, SAY, AGAIN, END], rejected=[ASK, SAY, AGAIN, {**END, "content": "what"}])
    assert (example.messages, example.target, example.rejected) == ((ASK, SAY, AGAIN), "bye", "what")
    example = one(prompt=[ASK], chosen=[SAY, AGAIN, END], rejected=[SAY, AGAIN, {**END, "content": "what"}])
    assert (example.messages, example.target, example.rejected) == ((ASK, SAY, AGAIN), "bye", "what")


def test_a_prompt_that_the_answers_do_not_hold_is_counted():
    [_], _, [unused] = read({"prompt": "another", "chosen": [ASK, SAY], "rejected": [ASK, END]})
    assert unused.value == "another" and "a prompt in a column of its own" in unused.what


def test_lists_of_answers():
    example, _, unused = read({"prompt": "hi", "chosen": ["hello", "hey"], "rejected": ["what", "go"]})
    assert (example[0].target, example[0].references, example[0].rejected) == ("hello", ("hey",), "what")
    assert [u.what for u in unused] == [
        "further rejected answers",
        "further right answers, which count in evaluation only",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        ["Bonn", "the city of Bonn"],
        {"text": ["Bonn", "the city of Bonn", "Bonn"], "answer_start": [3, 0, 3]},
        {"value": "Bonn", "aliases": ["Bonn", "the city of Bonn"]},
        [{"text": "Bonn"}, {"text": "the city of Bonn"}],
    ],
)
def test_several_right_answers(answer):
    [example], _, unused = read({"question": "Capital?", "context": "Once", "answers": answer})
    assert (example.target, example.references) == ("Bonn", ("the city of Bonn",))
    assert unused[0].what == "further right answers, which count in evaluation only"
    assert [u.what for u in unused[1:]] == (["the key “answer_start” of an answer"] if "answer_start" in answer else [])


def test_texts_keep_their_white_space():
    example = one(prompt="def f():\n", completion="    return 1\n")
    assert (example.prompt, example.target) == ("def f():\n", "    return 1\n")
    assert one(prompt=" a ", input=" b\n", completion=" c").prompt == " a \n\n b\n"


def test_missing_values_are_no_text():
    nan = float("nan")
    examples, reasons, _ = read(
        *({"instruction": "hi", "input": nan, "output": "hello"}, {"instruction": "hi", "input": nan, "output": nan})
    )
    assert (examples[0].prompt, examples[0].target, reasons) == ("hi", "hello", ["The answer is empty."])


def test_a_text_that_points_at_an_image_is_left_out():
    chat = {"messages": [{"role": "user", "content": "<image>What is it?"}, SAY], "images": ["a.png"]}
    plain = {"prompt": "<image>\nWhat is it?", "answer": "A cat.", "image": "a.png"}
    for row, columns in ((chat, Columns(messages="messages")), (plain, Columns("prompt", "answer"))):
        _, [reason], _ = read(row, columns=columns)
        assert reason.startswith("The text points at what stands in “image")
    [example], _, [unused] = read({**plain, "prompt": "What is it?"}, columns=Columns("prompt", "answer"))
    assert example.target == "A cat." and unused.what == "image"


def test_answers_that_are_calls_of_the_rows_tools():
    calls = '[{"name": "weather", "arguments": {"town": "Ulm"}}]'
    example = one(query="Rain in Ulm?", answers=calls, tools=json.dumps([TOOL]))
    assert (example.target, example.answer) == ("", {"tool_calls": [CALL]})
    assert one(query="Rain in Ulm?", answers=calls).target == calls


def test_preferences_of_openai():
    asked = {"messages": [ASK], "tools": [TOOL], "parallel_tool_calls": True}
    worse = [{**SAY, "content": "what"}]
    [example], _, [unused] = read({"input": asked, "preferred_output": [SAY], "non_preferred_output": worse})
    assert (example.messages, example.target, example.rejected, example.tools) == ((ASK,), "hello", "what", (TOOL,))
    assert unused.what == "the key “parallel_tool_calls” of the prompt"


def test_dialogs_of_bare_texts_and_segments_are_asked_about(tmp_path):
    from core.data.columns.guess import doubt, guess
    from core.data.columns.survey import survey
    from core.data.reading.table import Table

    dialogs = [{"dialog": ["hi", "hello", "bye", f"ciao {i}"], "act": [1, 2]} for i in range(3)]
    seen = survey([Table(dialogs, [1, 2, 3])], "rows")
    assert guess(seen).messages == "dialog" and "user and assistant in turn" in doubt(seen, guess(seen))
    [example, *_], _ = to_examples(Table(dialogs, [1, 2, 3]), Columns(messages="dialog"))
    assert [m["role"] for m in example.messages] == ["user", "assistant", "user"] and example.target == "ciao 0"
    segments = [{"segments": [{"label": False, "text": "<s>hi"}, {"label": True, "text": f"ok {i}"}]} for i in range(3)]
    seen = survey([Table(segments, [1, 2, 3])], "rows")
    assert "written for one model" in doubt(seen, guess(seen))


def test_geminis_contents_are_conversations():
    row = {
        "systemInstruction": {"parts": [{"text": "be short"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [{"text": "a"}, {"text": "b"}]},
        ],
    }
    seen = survey([Table([row], [1])], "rows")
    columns = guess(seen)
    assert (columns.messages, columns.system, doubt(seen, columns)) == ("contents", "systemInstruction", "")
    [example], problems = to_examples(Table([row], [1]), columns)
    assert not problems and [m["content"] for m in example.conversation] == ["be short", "q", "ab"]
    image = {"contents": [{"role": "user", "parts": [{"inlineData": "x"}, {"text": "q"}]}, row["contents"][1]]}
    assert "a part that is not text (“inlineData”)" in to_examples(Table([image], [1]), columns)[1][0].what
