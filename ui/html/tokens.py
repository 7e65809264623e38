"""Tokens of a row, and how rows fill a batch."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from markupsafe import escape as esc

from core.tokens.preview import TokenView


def tokens(views: Sequence[TokenView], most: int = 4000) -> str:
    """One row's tokens. Trained ones are filled, others outlined, special ones badges, cut ones struck through."""
    shown = "".join(_token(t) for t in views[:most])
    more = f'<p class="tw-detail">… and {len(views) - most:,} more tokens.</p>' if len(views) > most else ""
    return f'<div class="tw-tokens" dir="auto">{shown}</div>{more}'


def _token(view: TokenView) -> str:
    kinds = ["tw-token", "tw-trained" if view.trained else "tw-untrained"]
    kinds += ["tw-special"] if view.special else []
    kinds += ["tw-cut"] if view.cut else []
    about = f"id {view.id} · piece {view.piece} · position {view.position} · "
    about += "cut off" if view.cut else "trained" if view.trained else "not trained"
    # Line breaks inside a token are shown as a mark and then happen.
    text = esc(view.text).replace("\n", Markup('<i class="tw-break">↵</i>\n')) or "∅"
    line = '<span class="tw-cutline" title="Maximum length: what follows is cut off"></span>' if view.cut else ""
    return f'{line}<span class="{" ".join(kinds)}" title="{esc(about)}">{text}</span>'


TOKEN_LEGEND = (
    '<div class="tw-legend"><span class="tw-token tw-trained">trained</span>'
    '<span class="tw-token tw-untrained">shown, not trained</span>'
    '<span class="tw-token tw-untrained tw-special">control token</span>'
    '<span class="tw-token tw-untrained tw-cut">cut off</span></div>'
)


def batch(lengths: Sequence[tuple[int, int, int]], packed: int) -> str:
    """How one step's batch holds rows. `lengths`: per row (prompt, answer, padding) tokens; `packed`: nodes fed."""
    width = max((sum(parts) for parts in lengths), default=1)
    bars = "".join(
        '<div class="tw-bar">'
        + "".join(
            f'<span class="tw-part-{kind}" style="width:{100 * n / width:.2f}%" title="{n} {title}"></span>'
            for kind, title, n in zip(
                ("prompt", "answer", "padding"),
                ("tokens of the prompt", "trained tokens", "tokens of padding"),
                parts,
                strict=True,
            )
        )
        + "</div>"
        for parts in lengths
    )
    padded, real = width * len(lengths), sum(p + a for p, a, _ in lengths)
    text = (
        f"{len(lengths)} rows of one step hold {real:,} tokens. Padded to a rectangle they would be {padded:,}; "
        f"with shared prefixes the model is fed {packed:,}."
    )
    return f'<div class="tw-batch">{bars}<p class="tw-detail">{esc(text)}</p></div>'
