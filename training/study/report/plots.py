"""The report's drawings: lines with bands, dots with intervals, bars, promised against measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from training.study.report.svg import BAD, INK, MUTED, RC, SERIES, VARIABLES, Look, drawn

PANEL = (3.6, 2.8)
"""Inches of one of several drawings side by side."""
WIDE = 8.6
"""Inches across, of a drawing that stands alone."""
BAND_OPACITY = 0.18
RING: dict[str, Any] = {"markersize": 11, "markerfacecolor": "none", "markeredgewidth": 1.4}

Floats = Sequence[float]


@dataclass(frozen=True)
class Series:
    """One line or cloud of marks."""

    name: str
    """In the legend."""
    x: Floats
    """Places."""
    y: Floats
    """As many."""
    look: Look
    """How it is drawn."""
    low: Floats = ()
    """Lower ends of y; empty: none."""
    high: Floats = ()
    """Upper ends."""
    opacity: float = 1.0
    """Of line and marks."""


@dataclass(frozen=True)
class Guide:
    """A straight line at one place of an axis, named beside it."""

    at: float
    """Where."""
    name: str
    """Beside it; empty: not named."""
    axis: Literal["x", "y"] = "y"
    """`x`: upright, at a place of x."""


@dataclass(frozen=True)
class Axis:
    """One axis of a drawing."""

    label: str
    """What it measures, with its unit."""
    is_percent: bool = False
    """Whether 0..1 is written as 0..100."""
    bounds: tuple[float, float] | None = None
    """From, to; None: what the data needs."""
    is_log: bool = False
    """Whether equal ratios are equally far apart; only upwards."""


@dataclass(frozen=True)
class Dots:
    """One mark a row, with its interval."""

    name: str
    """In the legend."""
    values: Sequence[float | None]
    """One for each row; None: no mark."""
    look: Look
    """How it is drawn."""
    lows: Sequence[float | None] = field(default=())
    """Lower ends; empty: no intervals."""
    highs: Sequence[float | None] = field(default=())
    """Upper ends."""


def lines(
    name: str, alt: str, series: Sequence[Series], x: Axis, y: Axis, guides: Sequence[Guide] = ()
) -> Markup:
    """Lines, clouds or both over one pair of axes.

    Args:
        name: unique in the page.
        alt: what it shows, in words.
        series: drawn in this order.
        x: across.
        y: upwards.
        guides: straight lines to compare with.
    """
    with mpl.rc_context(RC):
        figure, axes = _canvas(PANEL)
        for one in series:
            _draw_series(axes, one)
        _finish(axes, x, y, guides)
        return drawn(figure, name, alt)


def dots(
    name: str,
    alt: str,
    rows: Sequence[str],
    series: Sequence[Dots],
    x: Axis,
    guides: Sequence[Guide] = (),
    *,
    is_spread: bool = True,
) -> Markup:
    """A row for each label, a mark on it for each series, with intervals where there are any.

    Args:
        name: unique in the page.
        alt: what it shows, in words.
        rows: labels, from above.
        series: a mark on each row.
        x: across.
        guides: straight lines to compare with.
        is_spread: whether the marks of a row lie one below the other.
    """
    with mpl.rc_context(RC):
        n = len(series) if is_spread else 1
        figure, axes = _canvas((WIDE, 0.85 + len(rows) * max(0.24, 0.1 + 0.085 * n)))
        for place, one in enumerate(series):
            _draw_dots(axes, one, _offset(place % n, n))
        axes.set_yticks(range(len(rows)), labels=list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        _finish(axes, x, Axis(""), guides)
        return drawn(figure, name, alt)


def bars(name: str, alt: str, rows: Sequence[str], values: Floats, x: Axis) -> Markup:
    """A bar for each label, from 0."""
    with mpl.rc_context(RC):
        figure, axes = _canvas((WIDE, 0.85 + 0.3 * len(rows)))
        axes.barh(range(len(rows)), list(values), height=0.6, color=SERIES[0])
        axes.set_yticks(range(len(rows)), labels=list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        _finish(axes, x, Axis(""), ())
        return drawn(figure, name, alt)


def promised(
    name: str, alt: str, series: Sequence[Series], tolerance: float, x: Axis, y: Axis
) -> Markup:
    """Measured against promised: the diagonal is a promise kept, the band is close enough."""
    with mpl.rc_context(RC):
        figure, axes = _canvas((4.9, 4.4))
        places = [value for one in series for value in (*one.x, *one.y)]
        end = max(places, default=1.0) * 1.05
        diagonal = [0.0, end]
        low, high = ([place + by for place in diagonal] for by in (-tolerance, tolerance))
        axes.fill_between(diagonal, low, high, color=MUTED, alpha=BAND_OPACITY, linewidth=0)
        axes.plot(diagonal, diagonal, color=MUTED, linewidth=1)
        for one in series:
            _draw_series(axes, one)
        axes.set_xlim(0, end)
        axes.set_ylim(0, max(end, axes.get_ylim()[1]))
        _finish(axes, x, y, ())
        return drawn(figure, name, alt)


def swatch(look: Look, opacity: float = 1.0) -> Markup:
    """A small drawing of a look, for a legend."""
    colour = f"var({VARIABLES[look.colour]})"
    dashes = {"-": "", "--": "6 3", ":": "2 2.5", "-.": "7 2.5 2 2.5"}
    line = (
        f'<path d="M1 7H33" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dashes[look.dash]}"/>'
        if look.dash
        else ""
    )
    paint = (
        f'fill="none" stroke="{colour}" stroke-width="1.5"' if look.is_ring else f'fill="{colour}"'
    )
    mark = f'<path d="{MARKS[look.marker]}" {paint}/>' if look.marker else ""
    return Markup(  # noqa: S704 - made of constants
        f'<svg viewBox="0 0 34 14" aria-hidden="true" opacity="{opacity:g}">{line}{mark}</svg>'
    )


MARKS = {
    "o": "M13 7a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "s": "M13.5 3.5h7v7h-7z",
    "^": "M17 2.5l4.5 8h-9z",
    "v": "M17 11.5l4.5-8h-9z",
    "D": "M17 2l5 5-5 5-5-5z",
    "P": "M15.5 2.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "X": "M13 3l2-2 2 3 2-3 2 2-2 4 2 4-2 2-2-3-2 3-2-2 2-4z",
    "h": "M17 2.5l4 2.3v4.4l-4 2.3-4-2.3V4.8z",
}
"""Outlines of markers in a box of 34 x 14."""


def _canvas(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _draw_series(axes: Axes, one: Series) -> None:
    look = one.look
    axes.plot(
        list(one.x),
        list(one.y),
        color=look.colour,
        linestyle=look.dash or "none",
        marker=look.marker or "none",
        alpha=one.opacity,
        **(RING if look.is_ring else {}),
    )
    if len(one.low):
        ends = (list(one.x), list(one.low), list(one.high))
        axes.fill_between(*ends, color=look.colour, alpha=BAND_OPACITY, linewidth=0)


def _draw_dots(axes: Axes, one: Dots, offset: float) -> None:
    for row, value in enumerate(one.values):
        if value is None:
            continue
        place = row + offset
        low, high = (ends[row] if len(ends) else None for ends in (one.lows, one.highs))
        if low is not None and high is not None:
            axes.hlines(place, low, high, color=one.look.colour, linewidth=1.4)
        axes.plot([value], [place], color=one.look.colour, marker=one.look.marker or "o")


def _offset(place: int, n: int) -> float:
    """Places of n marks on a row, spread over half of its height."""
    return 0.0 if n == 1 else 0.5 * (place / (n - 1) - 0.5)


def _finish(axes: Axes, x: Axis, y: Axis, guides: Sequence[Guide]) -> None:
    if y.is_log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    for axis, drawn_axis, asked in ((axes.xaxis, "x", x), (axes.yaxis, "y", y)):
        axis.set_label_text(asked.label)
        if asked.bounds:
            (axes.set_xlim if drawn_axis == "x" else axes.set_ylim)(*asked.bounds)
        if asked.is_percent:
            axis.set_major_formatter(FuncFormatter(_percent_tick))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    for guide in guides:
        _draw_guide(axes, guide)


def _percent_tick(value: float, _place: int | None) -> str:
    return f"{100 * value:.6g} %"


def _draw_guide(axes: Axes, guide: Guide) -> None:
    place: dict[str, Any]
    if guide.axis == "x":
        axes.axvline(guide.at, color=BAD, linewidth=1, linestyle=(0, (4, 3)))
        across = axes.get_xaxis_transform()
        place = {"xy": (guide.at, 1.0), "xytext": (4, -1), "xycoords": across, "va": "top"}
    else:
        axes.axhline(guide.at, color=BAD, linewidth=1, linestyle=(0, (4, 3)))
        along = axes.get_yaxis_transform()
        place = {"xy": (1.0, guide.at), "xytext": (-1, 2), "xycoords": along, "ha": "right"}
    axes.annotate(guide.name, textcoords="offset points", color=INK, fontsize=8, **place)
