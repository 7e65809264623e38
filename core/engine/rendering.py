"""Example → text, token ids, and which of them are trained. THE one rendering of Tunewright.

The Tokens tab, the trainer, the scorer and the generator all call `render`; nothing else turns rows into ids.
Knows tokenizers and templates; knows nothing of models, files or pages.

Two properties hold for every row:
- a prompt's ids are a prefix of its full ids, so training starts exactly where generation starts;
- text from a row never becomes a control token: `<|im_end|>` in a row is encoded as ordinary characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.errors import Problem, UserError
from core.types import Example

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
_TEXT_ALONE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


@dataclass(frozen=True)
class Rendered:
    """One example as the model is fed it."""

    text: str
    """The rendered template as text, for reading. `ids` is what counts."""
    ids: tuple[int, ...]
    """Token ids after truncation."""
    trained: tuple[bool, ...]
    """Same length as `ids`: is this token predicted and its loss counted?"""
    prompt_length: int
    """The first `prompt_length` of all ids are what generation starts from (may exceed `len(ids)` after truncation)."""
    cut_ids: tuple[int, ...] = ()
    """Ids that the maximum length cut off at the end."""
    problems: tuple[Problem, ...] = ()

    @property
    def trainable(self) -> int:
        """Number of trained tokens."""
        return sum(self.trained)


def template_of(tokenizer: PreTrainedTokenizerBase) -> tuple[str, bool]:
    """The template that `render` uses, and whether it is the model's own."""
    own = tokenizer.chat_template
    if isinstance(own, dict):
        own = own.get("default")
    return (own, own not in TEMPLATES.values()) if own else (PLAIN_TEMPLATE, False)


def render(example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> Rendered:
    """Render one example with the tokenizer's chat template, or `PLAIN_TEMPLATE` where it has none.

    Trained are the answer and the end-of-turn token after it; what the template writes behind that token is dropped,
    because a model stops there. `max_length` (tokens) cuts at the end. An example without target renders its prompt.
    A row of plain text (no messages) is rendered without a template: see `_plain_text`.
    Raises UserError when the template refuses the messages.
    """
    if not example.messages:
        rendered = _plain_text(example, tokenizer)
        return _cut(rendered, max_length, list(rendered.problems))
    template = template_of(tokenizer)[0]
    prompt_text = rendered_text(example.messages, tokenizer, True)
    prompt_ids = _ids(example.messages, tokenizer, template, True, prompt_text)
    problems = list(_control_tokens(example, tokenizer))
    if not example.target:
        return _cut(
            Rendered(prompt_text, prompt_ids, (False,) * len(prompt_ids), len(prompt_ids)), max_length, problems
        )

    conversation = (*example.messages, {"role": "assistant", "content": example.target})
    full_text = rendered_text(conversation, tokenizer, False)
    full_ids = _ids(conversation, tokenizer, template, False, full_text)
    ids, start = _join(prompt_ids, full_ids, prompt_text, full_text, tokenizer, problems, example.row)
    ids = _until_end_of_turn(ids, start, tokenizer)
    if ids[-1] not in special_ids(tokenizer):
        problems.append(
            Problem(
                "warning",
                "The template writes no end-of-turn token after the answer.",
                "The model may not learn to stop: choose a template that ends the answer with the end token.",
                example.row,
            )
        )
    text = full_text if full_text.startswith(prompt_text) else prompt_text + example.target
    trained = (False,) * start + (True,) * (len(ids) - start)
    return _cut(Rendered(text, ids, trained, start), max_length, problems)


def _plain_text(example: Example, tokenizer: PreTrainedTokenizerBase) -> Rendered:
    """BOS where the tokenizer adds it, the text, EOS. Every token is trained but the first, which nothing precedes."""
    problems = list(_control_tokens(example, tokenizer))
    message = ({"role": "user", "content": example.target},)
    ids = _ids(message, tokenizer, _TEXT_ALONE, False, example.target) if example.target else ()
    if _adds_bos(tokenizer):
        ids = (tokenizer.bos_token_id, *ids)
    if example.target and tokenizer.eos_token_id is not None:
        ids = (*ids, tokenizer.eos_token_id)
    elif example.target:
        what, fix = "The tokenizer has no end token.", "The model does not learn where a text ends."
        problems.append(Problem("warning", what, fix, example.row))
    trained = (False, *[True] * (len(ids) - 1)) if ids else ()
    return Rendered(example.target, ids, trained, min(1, len(ids)), problems=tuple(problems))


def prompt_ids(example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> tuple[int, ...]:
    """What a model is fed before it answers `example`: the untrained prefix of the same rendering."""
    return render(replace(example, target=""), tokenizer, max_length).ids


def stop_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids that end an answer: the tokenizer's end token and the token with which the template ends a turn."""
    probe = Example(({"role": "user", "content": "a"},), "b", 1)
    last = render(probe, tokenizer).ids[-1]
    found = {last} if last in special_ids(tokenizer) else set()
    if tokenizer.eos_token_id is not None:
        found.add(tokenizer.eos_token_id)
    return sorted(found)


def special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids of control tokens: those the tokenizer calls special, plus added tokens that look like one."""
    cached = getattr(tokenizer, "_tunewright_special_ids", None)
    if cached is None:
        cached = frozenset(i for i, t in tokenizer.added_tokens_decoder.items() if t.special or t.content[:1] in "<[")
        tokenizer._tunewright_special_ids = cached
    return cached


def rendered_text(messages: tuple[dict[str, str], ...], tokenizer: PreTrainedTokenizerBase, prompt: bool) -> str:
    """Messages through the template as text; `prompt`: up to where the answer begins. Raises UserError as `render`."""
    return _apply(messages, tokenizer, template_of(tokenizer)[0], add_generation_prompt=prompt, tokenize=False)


def _ids(
    messages: tuple[dict[str, str], ...], tokenizer: PreTrainedTokenizerBase, template: str, prompt: bool, text: str
) -> tuple[int, ...]:
    """Ids of one rendered text. Only rows that hold a control token need the slower, guarded encoding."""
    if any(t in m["content"] for m in messages for t in control_texts(tokenizer)):
        kwargs = {"add_generation_prompt": prompt, "tokenize": True, "sanitize_control_tokens": True}
        return tuple(_apply(messages, tokenizer, template, **kwargs)["input_ids"])
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def _apply(
    messages: tuple[dict[str, str], ...], tokenizer: PreTrainedTokenizerBase, template: str, **kwargs: Any
) -> Any:
    import jinja2

    # A tokenizer that starts every text with BOS by itself expects the same of a template that is not its own.
    # It is told so by a flag: a control token handed over as a value would be taken for a row's text.
    add_bos = template in TEMPLATES.values() and _adds_bos(tokenizer)
    try:
        return tokenizer.apply_chat_template(list(messages), chat_template=template, add_bos=add_bos, **kwargs)
    except (jinja2.TemplateError, TypeError, KeyError) as e:
        roles = ", ".join(m["role"] for m in messages)
        raise UserError(
            f"The chat template refuses a row with the roles {roles}: {e}. Map the system column away, or choose "
            "another model or template."
        ) from e


def _adds_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id


def _join(
    prompt: tuple[int, ...],
    full: tuple[int, ...],
    prompt_text: str,
    full_text: str,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    row: int | None,
) -> tuple[tuple[int, ...], int]:
    """Full ids that begin with the prompt's ids, and where the answer begins."""
    if full[: len(prompt)] == prompt:
        return full, len(prompt)
    if full_text.startswith(prompt_text):
        # The tokenizer merged the last characters of the prompt with the first of the answer. A model that answers
        # sees the prompt's own ids, so training must too: encode the answer behind them.
        answer = tuple(tokenizer(full_text[len(prompt_text) :], add_special_tokens=False)["input_ids"])
        return prompt + answer, len(prompt)
    shared = next((i for i, (a, b) in enumerate(zip(prompt, full, strict=False)) if a != b), len(prompt))
    problems.append(
        Problem(
            "warning",
            f"The template renders the prompt of a finished conversation differently from token {shared + 1} on.",
            "Training starts there; generation starts from the template's own prompt.",
            row,
        )
    )
    return full, min(shared, len(full) - 1)


def _until_end_of_turn(ids: tuple[int, ...], start: int, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Drop white space that the template writes behind the last end-of-turn token."""
    special = special_ids(tokenizer)
    last = next((i for i in range(len(ids) - 1, start - 1, -1) if ids[i] in special), None)
    if last is None or last == len(ids) - 1:
        return ids
    return ids if tokenizer.decode(list(ids[last + 1 :])).strip() else ids[: last + 1]


def _cut(rendered: Rendered, max_length: int | None, problems: list[Problem]) -> Rendered:
    if max_length is None or len(rendered.ids) <= max_length:
        return replace(rendered, problems=tuple(problems))
    return replace(
        rendered,
        ids=rendered.ids[:max_length],
        trained=rendered.trained[:max_length],
        cut_ids=rendered.ids[max_length:],
        problems=tuple(problems),
    )


def control_texts(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """The control tokens as they would be written in a text."""
    cached = getattr(tokenizer, "_tunewright_control_texts", None)
    if cached is None:
        special = special_ids(tokenizer)
        cached = tuple(t.content for i, t in tokenizer.added_tokens_decoder.items() if i in special)
        tokenizer._tunewright_control_texts = cached
    return cached


def _control_tokens(example: Example, tokenizer: PreTrainedTokenizerBase) -> Iterator[Problem]:
    texts = [*(m["content"] for m in example.messages), example.target]
    for token in control_texts(tokenizer):
        if any(token in text for text in texts):
            yield Problem(
                "note",
                f"The row contains the control token {token}.",
                "It is encoded as ordinary text.",
                example.row,
            )
