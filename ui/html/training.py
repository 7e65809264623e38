"""What can be trained, and how: models and methods side by side."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import escape as esc


def methods(lines: Sequence[tuple[str, str, str, str, str, str, bool]]) -> str:
    """Methods side by side: (name, what it trains, parameters, memory, does it fit, more, is it the chosen one)."""
    body = "".join(
        f'<tr{" class=tw-chosen aria-current=true" if chosen else ""} title="{esc(more)}">'
        f"<td><b>{esc(name)}</b><small>{esc(trains)}</small></td><td>{esc(count)}</td>"
        f'<td>{esc(size)}<small class="tw-fit-{esc(fits.split(" ")[0])}">{esc(fits)}</small></td></tr>'
        for name, trains, count, size, fits, more, chosen in lines
    )
    head = "<tr><th>Method</th><th>Trained</th><th>Memory</th></tr>"
    return (
        '<div class="tw-scroll"><table class="tw-table tw-numbers tw-methods">'
        f"<thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )


def models(lines: Sequence[tuple[str, str, str, str, str, str, str, str, str, bool]]) -> str:
    """Models side by side: (name, good for, whether it reasons, parameters, context, licence, what the Hub says,
    memory, does it fit, is it the chosen one).
    """
    body = "".join(
        f"<tr{' class=tw-chosen aria-current=true' if chosen else ''}>"
        f"<td><b>{esc(name)}</b><small>{esc(good_for)}</small><small>{esc(reasons)}</small></td>"
        f"<td>{esc(count)}<small>{esc(context)}</small></td><td>{esc(licence)}<small>{esc(hub)}</small></td>"
        f'<td>{esc(size)}<small class="tw-fit-{esc(fits.split(" ")[0])}">{esc(fits)}</small></td></tr>'
        for name, good_for, reasons, count, context, licence, hub, size, fits, chosen in lines
    )
    head = "".join(f"<th>{h}</th>" for h in ("Model", "Size, context", "Licence", "Memory, from"))
    return (
        '<div class="tw-scroll"><table class="tw-table tw-numbers tw-methods">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def takes(sentence: str, fits: str) -> str:
    """What a run takes; marked where it is tight or does not fit."""
    return f'<p class="tw-takes tw-fit-{esc(fits.split(" ")[0])}">{esc(sentence)}</p>'
