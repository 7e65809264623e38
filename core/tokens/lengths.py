"""Token lengths of many rows, nearly as fast as the bare tokenizer, and equal to what `render` gives.

Most templates write a row's text between control tokens, which tokenizers encode apart from each other. So a template
is rendered once with marks in place of texts; what stands between two control tokens and holds no row's text is encoded
once for all rows, and of each row only its own stretches are encoded, in large batches. Where that cannot be shown to
be exact (a template that looks at the text, a row with a control token in it), `render` itself is asked, row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from core.engine.encoding import control_texts
from core.engine.rendering import Refused, render, rendered_text, template_of
from core.engine.templates import settings_of
from core.errors import UserError
from core.tokens.remarks import Remark, Remarks
from core.types import Example

if TYPE_CHECKING:
    from jinja2 import nodes
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerBase

T = TypeVar("T")
Batches = dict[tuple[str, ...], tuple[list[int], list[list[str]]]]
"""Roles → places of the rows with these roles, and of each stretch their texts."""

CHUNK = 20_000
VERIFIED = 64
_MARK = "\ue0f0{}\ue0f1"  # private-use characters, which no row is expected to hold and no template writes
_MARKS = re.compile("\ue0f0(\\d+)\ue0f1")


@dataclass(frozen=True)
class Stretch:
    """Text between two control tokens: literal text with the texts of messages in it."""

    literals: tuple[str, ...]
    """One more than `texts`."""
    texts: tuple[int, ...]
    """Which message's text stands behind each literal; the last answer comes behind all messages."""


@dataclass(frozen=True)
class Skeleton:
    """What a template makes of rows with the same roles."""

    parts: tuple[int | Stretch, ...]
    """In order, up to the last answer's: stretches with texts of a row, and between them the number of tokens that are
    the same for all rows."""
    answers: tuple[int, ...]
    """Which of the stretches are trained answers; the last one is."""
    opening: tuple[int, ...]
    """Ids of the literal before an answer in its stretch."""
    behind: int
    """Tokens behind the last answer: the end-of-turn token, mostly one."""
    trims: bool
    """Does the template strip white space around texts?"""

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        return tuple(part for part in self.parts if isinstance(part, Stretch))


@dataclass(frozen=True)
class Lengths:
    """Tokens of many rows before any cut."""

    total: np.ndarray
    """int64 [N]; 0 where the template refuses the row."""
    prompt: np.ndarray
    """int64 [N]: tokens before the last answer."""
    spans: np.ndarray
    """int64 [M, 3]: place of the row, and [start, end) of one of its trained answers. In order of the rows."""
    remarks: tuple[Remark, ...] = ()

    def trained(self, max_length: int | None = None) -> np.ndarray:
        """int64 [N]: trained tokens of each row within `max_length`."""
        row, start, end = self.spans.T
        inside = end - start if max_length is None else np.clip(np.minimum(end, max_length) - start, 0, None)
        return np.bincount(row, weights=inside, minlength=len(self.total)).astype(np.int64)

    def of(self, places: np.ndarray) -> Lengths:
        """The rows at these places, which ascend."""
        here = np.full(len(self.total), -1, dtype=np.int64)
        here[places] = np.arange(len(places))
        row, start, end = self.spans.T
        kept = here[row] >= 0
        spans = np.stack([here[row][kept], start[kept], end[kept]], axis=1)
        return Lengths(self.total[places], self.prompt[places], spans, self.remarks)


def lengths(examples: Iterable[Example], tokenizer: PreTrainedTokenizerBase) -> Lengths:
    """Tokens of each example before any cut, equal to `render`'s.

    Two chunks of the examples are in memory at a time.
    """
    skeletons: dict[tuple[str, ...], Skeleton | None] = {}
    chunks = batched(examples, CHUNK)
    control = re.compile("|".join(map(re.escape, control_texts(tokenizer))) or "(?!)")
    remarks = Remarks()

    def prepare(chunk: list[Example]) -> tuple[Batches, list[int]]:
        """What of one chunk is encoded in batches, what row by row, and by which skeletons."""
        batches: Batches = {}
        slow = []
        for i, example in enumerate(chunk):
            roles = tuple([m["role"] for m in example.messages])
            if not _is_plain(example):
                slow.append(i)
                continue
            if roles not in skeletons:
                skeletons[roles] = skeleton(tokenizer, roles, _first_of(chunk, i, roles))
            outline = skeletons[roles]
            if outline is None:
                slow.append(i)
                continue
            texts = [m["content"] for m in example.messages]
            texts.append(example.target)
            if outline.trims:
                texts = [t.strip() for t in texts]
            stretches = outline.stretches
            rows, columns = batches.setdefault(roles, ([], [[] for _ in stretches]))
            rows.append(i)
            for column, stretch in zip(columns, stretches, strict=True):
                column.append(_filled(stretch, texts))
        return batches, slow

    def encode(batches: Batches) -> dict[tuple[str, ...], list[list[Encoding]]]:
        raw = tokenizer.backend_tokenizer
        fast = lambda texts: raw.encode_batch_fast(texts, add_special_tokens=False)  # noqa: E731
        return {roles: [fast(column) for column in columns] for roles, (_, columns) in batches.items()}

    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    # While one chunk is encoded (in Rust, on all cores), the next one is put together.
    with ThreadPoolExecutor(1) as ahead:
        chunk = next(chunks, [])
        prepared = prepare(chunk)
        measured: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        first = 0
        while chunk:
            (batches, slow), examples_of_it = prepared, chunk
            encoded = ahead.submit(encode, batches)
            chunk = next(chunks, [])
            prepared = prepare(chunk)
            prompt, total = np.zeros((2, len(examples_of_it)), dtype=np.int64)
            spans: list[np.ndarray] = []
            for roles, columns in encoded.result().items():
                outline = skeletons[roles]
                assert outline is not None  # rows without one are in `slow`
                slow += _count(outline, batches[roles], columns, control, prompt, total, spans)
            for i in slow:
                try:
                    rendered = render(examples_of_it[i], tokenizer)
                except Refused as e:
                    remarks.refused(e)
                    continue
                remarks.of(rendered, examples_of_it[i].row)
                prompt[i], total[i] = rendered.prompt_length, len(rendered.ids)
                spans.append(np.array([(i, a, b) for a, b in rendered.spans], dtype=np.int64).reshape(-1, 3))
            together = np.concatenate(spans) if spans else np.zeros((0, 3), dtype=np.int64)
            together = together[np.lexsort((together[:, 1], together[:, 0]))] + np.array([first, 0, 0])
            measured.append((prompt, total, together))
            first += len(examples_of_it)
    none = np.zeros(0, dtype=np.int64)
    measured = measured or [(none, none, none.reshape(0, 3))]
    prompt, total, together = (np.concatenate(column) for column in zip(*measured, strict=True))
    return Lengths(total, prompt, together, remarks.all())


def _is_plain(example: Example) -> bool:
    """Has the row nothing but texts? Of others a template may drop a part, so each is looked at."""
    return not (example.answer or example.tools) and all(len(m) == 2 for m in example.messages)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, `size` at a time."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def _count(
    outline: Skeleton,
    batch: tuple[list[int], list[list[str]]],
    columns: list[list[Encoding]],
    control: re.Pattern[str],
    prompt: np.ndarray,
    total: np.ndarray,
    spans: list[np.ndarray],
) -> list[int]:
    """Fill in the lengths of one batch; returns the rows that must be rendered one by one."""
    rows, stretches = np.array(batch[0], dtype=np.int64), batch[1]
    opening, size = list(outline.opening), len(outline.opening)
    # One search over the whole chunk; only where something is found, which is rare, a look at each row.
    slow = np.zeros(len(rows), dtype=bool)
    if any(control.search("\n".join(column)) for column in stretches):
        slow |= np.array([any(control.search(text) for text in texts) for texts in zip(*stretches, strict=True)])
    at, column = np.zeros(len(rows), dtype=np.int64), -1
    for part in outline.parts:
        if isinstance(part, int):
            at = at + part
            continue
        column += 1
        sizes = np.array([len(e) for e in columns[column]], dtype=np.int64)
        if column in outline.answers:
            # Where the prompt's end and the answer's first letters became one token, or there is no answer, `render`
            # knows.
            slow |= np.array([e.ids[:size] != opening or len(e) == size for e in columns[column]], dtype=bool)
            behind = outline.behind if column == outline.answers[-1] else 1
            span = np.stack([rows, at + size, at + sizes + behind], axis=1)
            spans.append(span)
        at = at + sizes
    for i in range(len(spans) - len(outline.answers), len(spans)):
        spans[i] = spans[i][~slow]
    kept = rows[~slow]
    prompt[kept], total[kept] = spans[-1][:, 1], spans[-1][:, 2]
    return rows[slow].tolist()


def _filled(stretch: Stretch, texts: list[str]) -> str:
    literals = stretch.literals
    if len(stretch.texts) == 1:
        return literals[0] + texts[stretch.texts[0]] + literals[1]
    return literals[0] + "".join(texts[t] + literal for t, literal in zip(stretch.texts, literals[1:], strict=True))


def _first_of(examples: list[Example], start: int, roles: tuple[str, ...]) -> list[Example]:
    same = (e for e in islice(examples, start, None) if tuple(m["role"] for m in e.messages) == roles)
    return list(islice(same, VERIFIED))


def skeleton(tokenizer: PreTrainedTokenizerBase, roles: tuple[str, ...], examples: list[Example]) -> Skeleton | None:
    """The skeleton for rows with these roles, proven on `examples`; None where there is none that is exact."""
    template = template_of(tokenizer)[0]
    settings = settings_of(tokenizer)
    if not roles or settings.thinking == "never" or (settings.system == "fold" and "system" in roles):
        return None  # plain text has no template; what a setting changes of a row depends on its text
    if not writes_texts_only(template) or not _splits_at_control_tokens(tokenizer):
        return None
    outline = None
    for pad in ("", " \n"):  # does the template keep or strip the white space around a text?
        try:
            outline = _from_marks(tokenizer, roles, pad)
        except UserError:
            return None
        if outline is not None:
            break
    if outline is None:
        return None
    for example in examples:
        rendered = render(example, tokenizer)
        if not rendered.problems and _spans_of(outline, example, tokenizer) not in (None, rendered.spans):
            return None
    return outline


def _from_marks(tokenizer: PreTrainedTokenizerBase, roles: tuple[str, ...], pad: str) -> Skeleton | None:
    """Render marks in place of texts and cut the result at control tokens. `pad`: white space that must vanish."""
    marks = [_MARK.format(i) for i in range(len(roles) + 1)]
    padded = [" \n" + mark + "\n " for mark in marks]
    messages = [{"role": role, "content": mark} for role, mark in zip(roles, padded, strict=False)]
    answered = [*messages, {"role": "assistant", "content": padded[-1]}]
    prompt_text = rendered_text(tuple(messages), tokenizer, prompt=True)
    full_text = rendered_text(tuple(answered), tokenizer, prompt=False)
    trims = not any(p in full_text for p in padded)
    if trims != bool(pad) or not full_text.startswith(prompt_text):
        return None
    if not trims:
        for mark, with_space in zip(marks, padded, strict=True):
            full_text, prompt_text = full_text.replace(with_space, mark), prompt_text.replace(with_space, mark)
    if _MARKS.findall(full_text) != [str(i) for i in range(len(marks))]:
        return None  # a text is left out, written twice, or moved
    control = re.compile("(" + "|".join(map(re.escape, sorted(control_texts(tokenizer), key=len, reverse=True))) + ")")
    parts = control.split(full_text)
    trained = [len(roles)]
    if settings_of(tokenizer).answers == "all":
        trained = [*(i for i, role in enumerate(roles) if role == "assistant"), *trained]
    layout: list[int | Stretch] = []
    behind = 0
    answer: Stretch | None = None
    answers: list[int] = []
    for i, part in enumerate(parts):
        if not part:
            continue
        is_control, marked = i % 2 == 1, _MARKS.findall(part)
        size = 1 if is_control else 0 if marked else len(_encode(tokenizer, part))
        if answer is not None:
            # Behind the answer: up to the last control token; white space after it is not trained.
            rest = "".join(parts[i:])
            behind += size if is_control or control.search(rest) or rest.strip() else 0
        elif not marked:
            layout.append(size)
        else:
            stretch = Stretch(tuple(_MARKS.split(part)[::2]), tuple(int(t) for t in marked))
            if any(text in trained for text in stretch.texts):
                if len(marked) > 1 or stretch.literals[1] or not prompt_text.endswith(stretch.literals[0]):
                    return None  # prompt and answer are not parted by a control token: plain text
                answers.append(sum(isinstance(part, Stretch) for part in layout))
                answer = stretch if stretch.texts[0] == len(roles) else None
            layout.append(stretch)
    if answer is None:
        return None
    return Skeleton(tuple(layout), tuple(answers), tuple(_encode(tokenizer, answer.literals[0])), behind, trims)


def _spans_of(
    outline: Skeleton, example: Example, tokenizer: PreTrainedTokenizerBase
) -> tuple[tuple[int, int], ...] | None:
    """The trained answers of one row by the skeleton; None where it hands the row to `render`."""
    texts = [*(m["content"] for m in example.messages), example.target]
    texts = [t.strip() for t in texts] if outline.trims else texts
    columns = [[_filled(stretch, texts)] for stretch in outline.stretches]
    encoded = [[tokenizer.backend_tokenizer.encode(c[0], add_special_tokens=False)] for c in columns]
    spans: list[np.ndarray] = []
    prompt, total = np.zeros((2, 1), dtype=np.int64)
    slow = _count(outline, ([0], columns), encoded, re.compile("(?!)"), prompt, total, spans)
    return None if slow else tuple((int(span[0, 1]), int(span[0, 2])) for span in spans)


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids


def _splits_at_control_tokens(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Is text on both sides of a control token encoded as if the other side were not there? True of byte-level
    vocabularies whose control tokens swallow no white space; tried, not assumed.
    """
    if not getattr(tokenizer, "is_fast", False):
        return False
    tokens = [t for t in tokenizer.added_tokens_decoder.values() if t.special]
    if not tokens or any(t.lstrip or t.rstrip or t.single_word for t in tokens):
        return False
    probes = ["\nthe cat", " sat on", "THE mat.  ", "é😀 1234"]
    for token in tokens[:8]:
        for left in probes:
            for right in probes:
                joint = _encode(tokenizer, left + token.content + right)
                apart = [*_encode(tokenizer, left), *_encode(tokenizer, token.content), *_encode(tokenizer, right)]
                if joint != apart:
                    return False
    return True


def writes_texts_only(template: str) -> bool:
    """Does the template only write the texts of messages (perhaps trimmed), and never look at them?

    Decided on its syntax tree: `content` may stand in output, in sums of output, and under `trim`; nowhere else.
    """
    import jinja2
    from jinja2 import nodes

    try:
        tree = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).parse(template)
    except jinja2.TemplateSyntaxError:
        return False  # e.g. {% generation %}: transformers knows it, we do not

    def is_content(node: nodes.Node | None) -> bool:
        by_key = isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and node.arg.value == "content"
        return by_key or (isinstance(node, nodes.Getattr) and node.attr == "content")

    def looks(node: nodes.Node) -> bool:
        """Is `content` used below `node` in any way but writing it?"""
        if is_content(node):
            return False
        if isinstance(node, nodes.Filter) and node.name == "trim" and not node.args and is_content(node.node):
            return False
        written = isinstance(node, nodes.Output | nodes.Add | nodes.Concat | nodes.TemplateData)
        statement = isinstance(node, nodes.Template | nodes.For | nodes.If)
        for child in node.iter_child_nodes():
            if is_content(child) and not written:
                return True
            if isinstance(child, nodes.Filter) and is_content(child.node) and not written:
                return True
            if looks(child):
                return True
        # Anything but plain statements may pass a whole message on: a macro, an assignment, a call.
        return not (written or statement) and any(is_content(n) for n in _below(node))

    return not looks(tree)


def _below(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _below(child)


def histogram(values: np.ndarray, bins: int = 60) -> Iterable[tuple[int, int, int]]:
    """(from, to, rows) of bins that cover the lengths, of whole tokens."""
    if not len(values):
        return []
    width = max(1, -(-int(values.max() + 1) // bins))
    counts = np.bincount(values // width)
    return [(i * width, (i + 1) * width, int(n)) for i, n in enumerate(counts)]
