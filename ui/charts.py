"""Figures from plain tables. Transparent backgrounds and mid greys, so that they serve light and dark alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.theme import MUTED, PLOT_BASE, PLOT_TUNED, SANS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

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
        best = min(validation, key=lambda point: point[1])
        figure.add_annotation(
            x=best[0],
            y=best[1],
            text=f"lowest validation {best[1]:.3f}",
            showarrow=True,
            ay=-28,
            ax=0,
            arrowcolor=PLOT_BASE,
        )
    _dress(figure, "step", "loss (mean over trained tokens)", 320)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.08, "x": 0})
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(range=[-0.02 * steps_in_all, 1.02 * steps_in_all] if steps_in_all else None)
    return figure


def lengths(prompt, answer, total, cut: int) -> Figure:
    """How long rows are: histograms of prompt, answer and both together (int arrays), and the cut as a line."""
    import plotly.graph_objects as go

    from core.tokens.lengths import histogram

    figure = go.Figure()
    shapes = (("prompt", prompt, MUTED, "dot"), ("answer", answer, PLOT_TUNED, "dash"))
    bars = histogram(total)
    figure.add_bar(
        x=[(a + b) / 2 for a, b, _ in bars],
        y=[n for _, _, n in bars],
        width=[0.92 * (b - a) for a, b, _ in bars],
        name="whole row",
        marker={"color": PLOT_BASE},
        opacity=0.55,
        hovertemplate="%{y} rows of about %{x:.0f} tokens<extra></extra>",
    )
    width = bars[0][1] - bars[0][0] if bars else 1
    for name, values, color, dash in shapes:
        found = histogram(values, bins=max(1, -(-int(values.max() + 1) // width))) if len(values) else []
        line = {"color": color, "width": 2, "dash": dash, "shape": "hvh"}
        middles = [(a + b) / 2 for a, b, _ in found]
        figure.add_scatter(x=middles, y=[n for _, _, n in found], mode="lines", name=name, line=line)
    longest = int(total.max()) if len(total) else 1
    if cut <= 1.3 * longest:
        figure.add_vline(x=cut, line={"color": MUTED, "width": 2}, annotation_text=f"cut at {cut:,}")
    _dress(figure, "tokens", "rows", 270)
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.12, "x": 0}, bargap=0)
    return figure


def differences(rows: Sequence[tuple[str, float, float, float]]) -> Figure:
    """Tuned minus base with 95 % intervals: (measure, difference, low, high). Right of zero is better."""
    import plotly.graph_objects as go

    rows = list(reversed(rows))
    names, middle, low, high = zip(*rows, strict=True)
    figure = go.Figure()
    figure.add_vline(x=0, line={"color": MUTED, "width": 1})
    error = {
        "type": "data",
        "symmetric": False,
        "array": [h - m for h, m in zip(high, middle, strict=True)],
        "arrayminus": [m - lo for lo, m in zip(low, middle, strict=True)],
        "color": PLOT_TUNED,
        "thickness": 2,
        "width": 6,
    }
    figure.add_scatter(
        x=middle,
        y=names,
        mode="markers+text",
        marker={"color": PLOT_TUNED, "size": 10},
        error_x=error,
        text=[f"{m:+.3f}" for m in middle],
        textposition="top center",
        hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
    )
    _dress(figure, "tuned − base, with its 95 % interval (right of 0: better)", "", 110 + 62 * len(rows))
    figure.update_yaxes(showgrid=False, automargin=True)
    return figure


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
