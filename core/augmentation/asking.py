"""What a model is asked for, and what its reply holds: the prompts of each kind, and the one form of their replies.

New prompts like these: Self-Instruct (Wang et al., 2023, arXiv 2212.10560). Harder variants: the in-depth operations
of Evol-Instruct (Xu et al., 2023, arXiv 2304.12244). A person's rows stand in the prompts as JSON, so that no row can
end the part in which it stands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.augmentation.spec import SAMPLE, AugmentSpec, Kind
from core.reasoning import answer_of
from core.types import Example, Message

VERSION = 1
"""Goes up when a prompt changes: rows say with which they were made."""
PER_REQUEST: dict[Kind, int] = {"paraphrase": 1, "new": 5, "harder": 1, "answer": 1, "document": 2}
"""Rows that one request asks for."""
SHOWN = 6
"""Rows that a request for new ones shows. Self-Instruct shows eight, two of which are generated."""
WRITER = "You write rows from which a language model learns. You reply with one JSON object and with nothing else."
OPERATIONS = (
    "add one more constraint or requirement that the answer must meet",
    "ask for more depth and breadth about the same matter",
    "replace something general by something more specific",
    "make the answer need more steps of reasoning, asked for plainly",
)
"""How Evol-Instruct deepens a prompt; taken in turn."""
# What a rewritten prompt takes over from the request to rewrite it: such a draft is no row (Evol-Instruct, 3.2).
REMNANTS = ("rewritten prompt", "given prompt", "original prompt", "the prompt above", "here is the rewritten")


@dataclass(frozen=True)
class Request:
    number: int
    rows: int
    """So many are asked for."""
    seeds: tuple[Example, ...]
    """Rows that it is made of; of a text that a person brought none."""
    text: str = ""
    """The prompt or the text that a person brought."""

    @property
    def first(self) -> Example | None:
        return self.seeds[0] if self.seeds else None


class Broken(Exception):
    """A reply in another form. The message says which, for people."""


def sizes(kind: Kind, rows: int, sample: int = SAMPLE) -> list[int]:
    """Rows that each request asks for: the first ones make the sample and no more, all together `rows`."""
    per = PER_REQUEST[kind]
    parts = (min(rows, sample), max(0, rows - sample))
    return [min(per, part - at) for part in parts for at in range(0, part, per)]


def prompt_name(kind: Kind) -> str:
    """The prompt's name in a row's provenance."""
    return f"{kind}-{VERSION}"


def messages(spec: AugmentSpec, request: Request) -> list[Message]:
    """What the model is sent."""
    if spec.kind == "answer":
        return _to_answer(spec, request)
    parts = [_task(spec.kind, request), _wish(spec), _form(spec.kind, request)]
    user = "\n\n".join(part for part in parts if part)
    return [{"role": "system", "content": WRITER}, {"role": "user", "content": user}]


def _to_answer(spec: AugmentSpec, request: Request) -> list[Message]:
    """Rows before it, as turns, show how answers are to be."""
    wish = [{"role": "system", "content": spec.wish}] if spec.wish else []
    system = next(([m] for seed in request.seeds for m in seed.messages if m["role"] == "system"), [])
    shown: list[Message] = []
    for seed in request.seeds:
        shown += [{"role": "user", "content": seed.prompt}, {"role": "assistant", "content": answer_of(seed.target)}]
    return [*(wish or system), *shown, {"role": "user", "content": request.text}]


def _wish(spec: AugmentSpec) -> str:
    return f"Besides: {spec.wish}" if spec.wish else ""


def _task(kind: Kind, request: Request) -> str:
    k = request.rows
    if kind == "paraphrase":
        return (
            "Say the prompt of this row in other words, so that its answer stays right: another wording and, where it "
            "fits, another order, with the same meaning. Keep every name, number, quotation and piece of code as it "
            f"is. Write in the language of the prompt.\n\n{_shown(request.seeds[0])}"
        )
    if kind == "new":
        rows = "\n".join(_shown(seed) for seed in request.seeds)
        return (
            f"These are rows of one task, each a prompt and its answer:\n\n{rows}\n\nWrite {k} more "
            f"row{'s' if k > 1 else ''} of the same task: of the same kind, length, style and language, but about "
            "other things, and different from each other. Every prompt can be understood by itself. Every answer is "
            "right, and as the answers above are."
        )
    if kind == "harder":
        how = OPERATIONS[request.number % len(OPERATIONS)]
        return (
            f"Make the prompt of this row a little harder: {how}. It stays one that a person can understand and "
            "answer, in the same language, and becomes at most 20 words longer. Then answer it, in the style of the "
            f"answer below.\n\n{_shown(request.seeds[0])}"
        )
    text = json.dumps({"text": request.text}, ensure_ascii=False)
    return (
        f"This is a text:\n\n{text}\n\nWrite {k} different question{'s' if k > 1 else ''} that it answers, each with "
        "its answer. A question can be understood without the text and does not speak of it; its answer is whole, and "
        "says nothing that the text does not say. Write in the language of the text."
    )


def _form(kind: Kind, request: Request) -> str:
    row = {"prompt": "…"} if kind == "paraphrase" else {"prompt": "…", "answer": "…"}
    many = f" with {request.rows} rows" if request.rows > 1 else ""
    return f"Reply with this JSON object{many}: {json.dumps({'rows': [row]}, ensure_ascii=False)}"


def _shown(seed: Example) -> str:
    """A row as JSON: its earlier turns where it has some, its prompt and its answer."""
    earlier = [{m["role"]: m["content"]} for m in seed.messages[:-1]]
    row: dict[str, Any] = {"earlier turns": earlier} if earlier else {}
    return json.dumps({**row, "prompt": seed.prompt, "answer": answer_of(seed.target)}, ensure_ascii=False)


def rows_of(spec: AugmentSpec, request: Request, reply: str, meta: dict[str, str]) -> list[Example | Broken]:
    """The rows that a reply holds, with `meta` as their provenance, and what is wrong with those that are none.

    Raises Broken for a reply without rows.
    """
    if spec.kind == "answer":
        answer = answer_of(reply).strip()
        return [Example((*_system(request), {"role": "user", "content": request.text}), answer, 0, "train", meta)]
    made: list[Example | Broken] = []
    for raw in parsed_rows(reply):
        try:
            made.append(_row(spec.kind, request, raw, meta))
        except Broken as e:
            made.append(e)
    return made


def _row(kind: Kind, request: Request, raw: Any, meta: dict[str, str]) -> Example:
    """One row of a reply. Raises Broken where it lacks a text."""
    wanted = ("prompt",) if kind == "paraphrase" else ("prompt", "answer")
    texts = {name: raw.get(name) if isinstance(raw, dict) else None for name in wanted}
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise Broken(f"A row of the reply has no {name}.")
    prompt, answer = str(texts["prompt"]).strip(), str(texts.get("answer", "")).strip()
    seed = request.first
    if kind == "paraphrase" and seed is not None:
        asked = (*seed.messages[:-1], {**seed.messages[-1], "content": prompt})
        return replace(seed, messages=asked, row=0, split="train", meta=meta, turn=None)
    asked = (*_system(request), {"role": "user", "content": prompt})
    if kind == "harder" and seed is not None:
        asked = (*seed.messages[:-1], {"role": "user", "content": prompt})
    return Example(asked, answer, 0, "train", meta)


def _system(request: Request) -> tuple[Message, ...]:
    """The system message that all rows of the request share."""
    of_each = {seed.messages[0]["content"] for seed in request.seeds if seed.messages[0]["role"] == "system"}
    alike = len(of_each) == 1 and all(seed.messages[0]["role"] == "system" for seed in request.seeds)
    return ({"role": "system", "content": of_each.pop()},) if alike else ()


def parsed_rows(reply: str) -> Sequence[Any]:
    """What stands under "rows" in the JSON of a reply, whatever stands around it. Raises Broken where there is none."""
    text = answer_of(reply)
    decoder = json.JSONDecoder(strict=False)  # a line break within a text is no reason to lose it
    starts = [i for i, c in enumerate(text) if c in "{["][:MOST_STARTS]
    for start in starts:
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            value = value.get("rows", [value] if "prompt" in value else None)
        if isinstance(value, list) and value:
            return value
    raise Broken("It is no JSON." if not starts else "It holds no JSON object with rows.")


MOST_STARTS = 50
"""Places in a reply at which JSON may begin that are tried."""
