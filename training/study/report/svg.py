"""Matplotlib's drawings as parts of a page: the page's own colours and letters, no address inside.

Lines are drawn in stand-in colours, which become the page's variables here, so that a drawing
follows a light or a dark page. Letters stay text: searchable, read aloud, in the page's font.
"""

import io
import re
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

INK, MUTED, LINE, PAPER = "#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04"
GOOD, BAD = "#0a0a05", "#0a0a06"
SERIES = tuple(f"#0b0b{number:02x}" for number in range(1, 9))
"""Stand-ins of the series' colours, `--series-1` and so on in the style sheet."""

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    PAPER: "--card",
    GOOD: "--good",
    BAD: "--bad",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)},
}

MEASURED_IN = "DejaVu Sans"
"""A wide font that matplotlib brings: what has room in it has room in the page's."""

RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "steerrec",
    "font.family": [MEASURED_IN],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}

METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Look:
    """How one series is drawn: told apart by dash and marker too, not by colour alone."""

    colour: str
    """A stand-in."""
    dash: str = "-"
    """Line style; empty: no line."""
    marker: str = ""
    """Marker; empty: none."""
    is_ring: bool = False
    """Whether marks are large and empty, to be seen around others."""


LOOKS = (
    Look(SERIES[0], "-", "o"),
    Look(SERIES[1], "-", "s"),
    Look(SERIES[2], "--", "^"),
    Look(SERIES[3], "-.", "D"),
    Look(SERIES[4], ":", "v"),
    Look(SERIES[5], "--", "P"),
    Look(SERIES[6], "-.", "X"),
    Look(SERIES[7], ":", "h"),
)


def drawn(figure: Figure, name: str, alt: str) -> Markup:
    """The figure as an `<svg>` element.

    Args:
        figure: laid out.
        name: unique in the page, a prefix of every id inside.
        alt: what a reader who cannot see it is told.
    """
    written = io.StringIO()
    with mpl.rc_context(RC):
        figure.savefig(written, format="svg", metadata=METADATA)
    body = _element(written.getvalue())
    width, height = _size(body)
    inner = _inner(body)
    for stand_in, variable in VARIABLES.items():
        inner = inner.replace(stand_in, f"var({variable})")
    inner = inner.replace(f"'{MEASURED_IN}'", "var(--sans)")
    inner = re.sub(r'(id="|url\(#|href="#)', rf"\1{name}-", inner)
    opening = (
        f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {width:g} {height:g}" '
        f'style="max-width:{1.5 * width:.0f}px" preserveAspectRatio="xMinYMin meet">'
    )
    return Markup(f"{opening}{inner}</svg>")  # noqa: S704


def _element(text: str) -> str:
    return text[text.index("<svg") :]


def _size(body: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', body)
    if found is None:
        raise ValueError("matplotlib wrote a drawing without a size")
    return float(found[1]), float(found[2])


def _inner(body: str) -> str:
    """What is between the outer tags, without metadata (which holds addresses)."""
    opened = body[body.index(">") + 1 : body.rindex("</svg>")]
    return re.sub(r"<metadata>.*?</metadata>", "", opened, flags=re.DOTALL)
