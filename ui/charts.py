"""Figures from plain tables. Transparent backgrounds and mid greys, so that they serve light and dark alike."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from core.evaluation.report.measures import Measure
from core.evaluation.result import Checkpoint, StrengthPoint
from core.statistics.intervals import Estimate, Interval
from ui.theme import MUTED, PLOT_BASE, PLOT_BETTER, PLOT_TUNED, PLOT_WORSE, SANS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.tokens.views import LengthsView

MOST_POINTS = 800
GRID = "rgba(123,132,148,0.22)"


def losses(
    train: Sequence[tuple[int, float]], validation: Sequence[tuple[int, float]], steps_in_all: int | None = None
) -> Figure:
    """Loss by step: (step, loss) of training and of validation. The axis is as long as the whole run."""
    import plotly.graph_objects as go

    figure = go.Figure()
    train = thin(train)
    if train:
        steps, values = zip(*train, strict=True)
        figure.add_scatter(
            x=steps, y=values, mode="lines", name="training", line={"color": PLOT_TUNED, "width": 1.2}, opacity=0.75
        )
    if validation:
        steps, values = zip(*validation, strict=True)
        marker = {"color": PLOT_BASE, "size": 8, "symbol": "diamond"}
        line = {"color": PLOT_BASE, "width": 2, "dash": "dot"}
        figure.add_scatter(x=steps, y=values, mode="lines+markers", name="validation", marker=marker, line=line)
        figure.add_annotation(_lowest(min(validation, key=lambda point: point[1]), steps_in_all or steps[-1]))
    _dress(figure, "step", "loss (mean over trained tokens)", 380)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.03, "yanchor": "bottom", "x": 0})
    figure.update_layout(margin={"t": 44})
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(range=[-0.02 * steps_in_all, 1.02 * steps_in_all] if steps_in_all else None)
    if not train and not validation:  # the place of the curve, before there is one
        figure.update_layout(showlegend=False)
        figure.update_xaxes(range=[0, 1], showticklabels=False)
        figure.update_yaxes(range=[0, 1], showticklabels=False)
    return figure


def lengths(view: LengthsView, cut: int) -> Figure:
    """How long rows are: histograms of prompt, answer and both together, and the cut as a line."""
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_bar(
        x=[(a + b) / 2 for a, b, _ in view.total],
        y=[n for _, _, n in view.total],
        width=[0.92 * (b - a) for a, b, _ in view.total],
        name="whole row",
        marker={"color": PLOT_BASE},
        opacity=0.55,
        hovertemplate="%{y} rows of about %{x:.0f} tokens<extra></extra>",
    )
    for name, bars, color, dash in (("prompt", view.prompt, MUTED, "dot"), ("answer", view.answer, PLOT_TUNED, "dash")):
        line = {"color": color, "width": 2, "dash": dash, "shape": "hvh"}
        middles = [(a + b) / 2 for a, b, _ in bars]
        figure.add_scatter(x=middles, y=[n for _, _, n in bars], mode="lines", name=name, line=line)
    if cut <= 1.3 * max(view.longest, 1):
        figure.add_vline(x=cut, line={"color": MUTED, "width": 2}, annotation_text=f"cut at {cut:,}")
    _dress(figure, "tokens", "rows", 270)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.12, "x": 0}, bargap=0)
    return figure


VERDICTS = {
    "better": ("better", PLOT_BETTER, "triangle-right"),
    "unclear": ("cannot be told", MUTED, "circle-open"),
    "worse": ("worse", PLOT_WORSE, "triangle-left"),
}
ROW, HEAD, GAP = 46, 40, 30
"""Pixels: a measure; the title of a panel; the numbers of its axis, below it."""


def gains(measures: Sequence[Measure]) -> Figure | None:
    """Gain against loss: every main measure's difference with its 95 % interval; None where none has an interval.

    Their rows and the benchmarks are panels with scales of their own. 0 is in the middle of each, right of it is
    better, so that one line through all of them parts what was gained from what was lost. Names and numbers stand
    above each interval: no margin is needed for them, and narrow windows show the same.
    """
    from plotly.subplots import make_subplots

    panels = [(title, [m for m in measures if m.main and m.known and inside(m)]) for title, inside in PANELS]
    panels = [(title, members) for title, members in panels if members]
    if not panels:
        return None
    heights = [HEAD + ROW * len(members) for _, members in panels]
    whole = sum(heights) + GAP * (len(panels) - 1)
    figure = make_subplots(rows=len(panels), cols=1, row_heights=heights, vertical_spacing=GAP / whole)
    named: set[str] = set()
    for n, (title, members) in enumerate(panels, start=1):
        _panel(figure, n, title, members, named)
    _dress(figure, "", "", whole + 40 + GAP)
    figure.update_layout(margin={"l": 4, "r": 4, "t": 40, "b": GAP}, dragmode=False, showlegend=True)
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "itemclick": False})
    figure.update_xaxes(fixedrange=True, title=None)
    figure.update_yaxes(fixedrange=True, visible=False, title=None)
    return figure


PANELS = (
    ("Your rows: answers, 0 to 1", lambda m: m.group == "rows" and m.key != "loss"),
    ("Your rows: loss in nats, turned round", lambda m: m.key == "loss"),
    ("Elsewhere: benchmarks, points", lambda m: m.group == "benchmarks" and m.kind == "points"),
    ("Elsewhere: other metrics", lambda m: m.group == "benchmarks" and m.kind != "points"),
)


def _panel(figure: Figure, n: int, title: str, members: Sequence[Measure], named: set[str]) -> None:
    """One scale and its measures, the first at the top. `named`: verdicts that the legend has already."""
    scale = 100 if members[0].kind == "points" else 1
    reach = scale * max(max(abs(x) for x in m.gain) for m in members) or 1.0
    axis, top = "" if n == 1 else str(n), len(members)
    text = {"showarrow": False, "yref": f"y{axis}", "xref": "paper"}
    # The range is such that a measure takes ROW pixels, and the title HEAD above the first.
    low, high = -0.45, top - 0.45 + HEAD / ROW
    figure.update_yaxes(range=[low, high], row=n, col=1)
    figure.update_xaxes(range=[-1.08 * reach, 1.08 * reach], nticks=7, tickfont={"size": 11}, row=n, col=1)
    zero = {"color": MUTED, "width": 1.5}
    figure.add_shape(type="line", x0=0, x1=0, y0=low, y1=top - 0.3, line=zero, row=n, col=1)
    figure.add_annotation(text=f"<i>{title}</i>", x=0, y=top - 0.2, xanchor="left", yanchor="bottom", **text)
    for place, m in enumerate(reversed(members)):
        gain, below, above = (scale * x for x in m.gain)
        d = m.difference
        word, colour, symbol = VERDICTS[m.verdict]
        error = {"type": "data", "symmetric": False, "array": [above - gain], "arrayminus": [gain - below]}
        figure.add_scatter(
            x=[gain],
            y=[place],
            mode="markers",
            name=word,
            legendgroup=word,
            showlegend=word not in named,
            marker={"color": colour, "size": 11, "symbol": symbol, "line": {"width": 2}},
            error_x={**error, "color": colour, "thickness": 2.4, "width": 5},
            hovertemplate=f"{escape(m.name)}: {m.signed(d.difference)} ({m.interval}), {word}<extra></extra>",
            row=n,
            col=1,
        )
        named.add(word)
        values = f"{escape(_short(m.name, 30))}  <b>{m.plain(d.base)} → {m.plain(d.tuned)}</b>"
        change = f"<b>{m.signed(d.difference)}</b> ({m.interval})"
        above_it = {"y": place, "yshift": 15, "font": {"size": 12}}
        figure.add_annotation(text=values, x=0, xanchor="left", **above_it, **text)
        figure.add_annotation(text=change, x=1, xanchor="right", **above_it, **text)


def checkpoints(points: Sequence[Checkpoint], base: float | None) -> Figure:
    """Loss on the test rows by step, with 95 % intervals, and the base's as a line."""
    import plotly.graph_objects as go

    points = [p for p in points if p.step is not None]
    figure = go.Figure()
    means, bounds = [p.loss.mean for p in points], [_bounds(p.loss, p.loss.mean) for p in points]
    kept = [p.final for p in points]
    figure.add_scatter(
        x=[p.step for p in points],
        y=means,
        error_y=_error([m - low for m, (low, _) in zip(means, bounds, strict=True)], means, bounds),
        mode="lines+markers",
        line={"color": PLOT_TUNED, "width": 2},
        marker={"size": [12 if k else 8 for k in kept], "symbol": ["star" if k else "circle" for k in kept]},
        hovertemplate="step %{x}: loss %{y:.3f}<extra></extra>",
    )
    if base is not None:
        figure.add_hline(y=base, line={"color": PLOT_BASE, "dash": "dot"}, annotation_text=f"base {base:.2f}")
    _dress(figure, "step (star: the one that was kept)", "loss on your test rows", 280)
    return figure


def strengths(points: Sequence[StrengthPoint], titles: dict[str, str]) -> Figure:
    """Their rows against the benchmarks, a line through the strengths of each benchmark; 95 % intervals upright.

    Without benchmarks: the loss by strength.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    # Their rows: the loss against the base.
    shown = [(p, p.heldout) for p in points if p.heldout]
    symbols = ("circle", "square", "diamond", "triangle-up", "x", "star")
    dashes = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
    for n, (name, title) in enumerate(titles.items()):
        line = [(p, loss) for p, loss in shown if name in p.benchmarks]
        differences = [p.benchmarks[name] for p, _ in line]
        y = [100 * d.difference for d in differences]
        bounds = [(100 * low, 100 * high) for low, high in (_bounds(d, d.difference) for d in differences)]
        figure.add_scatter(
            x=[-loss.difference for _, loss in line],
            y=y,
            error_y=_error([v - low for v, (low, _) in zip(y, bounds, strict=True)], y, bounds),
            mode="lines+markers+text" if n == 0 else "lines+markers",
            name=escape(title),
            text=[f"{100 * p.strength:.0f} %" for p, _ in line],
            textposition="top right",
            line={"width": 2, "dash": dashes[n % 6], "color": PLOT_TUNED if n == 0 else MUTED},
            marker={"size": 9, "symbol": symbols[n % 6]},
            hovertemplate=f"{escape(title)} at %{{text}}: %{{y:+.1f}} points<extra></extra>",
        )
    if titles:
        figure.add_hline(y=0, line={"color": MUTED, "width": 1})
        _dress(figure, "better on your rows (loss, nats) →", "benchmark, points", 330)
        figure.update_layout(showlegend=len(titles) > 1, legend={"orientation": "h", "y": 1.1, "x": 0})
        return figure
    y = [loss.difference for _, loss in shown]
    bounds = [_bounds(loss, loss.difference) for _, loss in shown]
    figure.add_scatter(
        x=[100 * p.strength for p, _ in shown],
        y=y,
        error_y=_error([v - low for v, (low, _) in zip(y, bounds, strict=True)], y, bounds),
        mode="lines+markers",
        line={"color": PLOT_TUNED, "width": 2},
        marker={"size": 9},
        hovertemplate="%{x:.0f} %: %{y:+.3f}<extra></extra>",
    )
    _dress(figure, "strength of the adapter, %", "loss against the base", 280)
    return figure


def _bounds(value: Estimate | Interval, middle: float) -> tuple[float, float]:
    """The interval, or the value itself where there is none."""
    return middle if value.low is None else value.low, middle if value.high is None else value.high


def _error(below: list[float], middle: list[float], bounds: list[tuple[float, float]]) -> dict[str, Any]:
    above = [high - m for m, (_, high) in zip(middle, bounds, strict=True)]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.3, "width": 4}


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _lowest(best: tuple[int, float], steps: int) -> dict[str, Any]:
    """The note at the lowest validation. Near an end of the axis it stands beside the point, within the figure."""
    share = best[0] / max(1, steps)
    side, shift = ("left", 8) if share < 0.15 else ("right", -8) if share > 0.85 else ("center", 0)
    place = {"x": best[0], "y": best[1], "xanchor": side, "ax": shift, "ay": -28, "arrowcolor": PLOT_BASE}
    return {"text": f"lowest validation {best[1]:.3f}", "showarrow": True, **place}


def thin(points: Sequence[tuple[int, float]], most: int = MOST_POINTS) -> list[tuple[int, float]]:
    """At most `most` points: means of equal stretches, so that a long run stays light in the browser."""
    if len(points) <= most:
        return list(points)
    size = -(-len(points) // most)
    stretches = [points[i : i + size] for i in range(0, len(points), size)]
    return [(s[-1][0], sum(v for _, v in s) / len(s)) for s in stretches]


def _dress(figure: Figure, x_title: str, y_title: str, height: int) -> None:
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 24, "t": 24, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": MUTED, "family": ", ".join(SANS), "size": 13},
        showlegend=False,
        hovermode="closest",
    )
    figure.update_xaxes(title=x_title, gridcolor=GRID, zeroline=False)
    figure.update_yaxes(title=y_title, gridcolor=GRID, zeroline=False)
