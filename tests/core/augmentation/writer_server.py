"""A real HTTP server that speaks the protocol of a model which writes rows, and the models that it plays."""

from __future__ import annotations

import json
import random
import re

from tests.core.judge.judge_server import SECRET, serving

__all__ = ["SECRET", "asked_row", "reply", "rows", "serving", "writer"]

WORDS = re.findall(
    r"\w+",
    "amber birch cedar delta ember fjord grove haven inlet jetty knoll larch maple nectar olive pearl quartz raven "
    "sable thorn umber vapor willow yarrow zephyr anvil bramble candle dune eagle fern glade heron iris jasper kiln",
)


def reply(content: str, finish: str = "stop", usage: bool = True) -> dict:
    said = {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]}
    return said | ({"usage": {"prompt_tokens": 200, "completion_tokens": 50}} if usage else {})


def rows(*pairs: tuple[str, str], **how) -> dict:
    return reply(json.dumps({"rows": [{"prompt": p, "answer": a} for p, a in pairs]}), **how)


def asked_row(body: dict) -> dict:
    """The row that a request shows as JSON."""
    return json.loads(re.search(r"^\{.*\}$", body["messages"][-1]["content"], re.M)[0])


def writer(body: dict, n: int):
    """A good model: for each request as many rows as are asked for, each about something else."""
    text = body["messages"][-1]["content"]
    wanted = int((re.search(r"with (\d+) rows", text) or [0, 1])[1])
    made = []
    for i in range(wanted):
        drawn = random.Random(f"{text} {n} {i}").sample(WORDS, 8)
        made.append((f"Where {' '.join(drawn)}?", f"The {drawn[0]} is at the {drawn[1]} of {drawn[2]}."))
    return 200, rows(*made)
