"""Strength against share in the terminal: the curve, its band, and what random directions give."""

from collections.abc import Sequence

import plotext
from rich.text import Text
from steerrec.v1 import feature_pb2

HEIGHT = 14
"""Lines of a plot."""
MARGIN = 4
"""Columns left free beside it."""


def dose_plot(response: feature_pb2.DoseResponse, axis: str, width: int) -> Text:
    """Share at 20 in percent by strength.

    Args:
        response: what is drawn.
        axis: what strength is called.
        width: columns of the terminal.
    """
    strengths = [point.strength for point in response.points]
    figure = plotext
    figure.clear_figure()
    figure.theme("clear")
    figure.plotsize(max(width - MARGIN, 20), HEIGHT)
    bands = [point.share_at_20 for point in response.points]
    _draw(strengths, [band.low for band in bands], "·")
    _draw(strengths, [band.high for band in bands], "·")
    if all(point.HasField("random_share_at_20") for point in response.points):
        _draw(strengths, [point.random_share_at_20.value for point in response.points], "-")
    _draw(strengths, [band.value for band in bands], "braille")
    figure.scatter(strengths, _percents([band.value for band in bands]), marker="●")
    figure.xticks(strengths, [f"{strength:g}" for strength in strengths])
    figure.xlabel(axis)
    return Text.from_ansi(figure.build())


def _draw(strengths: Sequence[float], shares: Sequence[float], marker: str) -> None:
    plotext.plot(strengths, _percents(shares), marker=marker)


def _percents(shares: Sequence[float]) -> list[float]:
    return [100 * share for share in shares]
