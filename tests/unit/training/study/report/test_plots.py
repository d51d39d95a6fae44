"""Drawings: axes named, per cent where shares are, the page's colours and letters."""

from training.study.report import plots
from training.study.report.plots import Axis, Dots, Guide, Series
from training.study.report.svg import LOOKS

SHARE = Axis("share of the top 20", is_percent=True)
LINE = Series("a", [0, 1, 2], [0.1, 0.2, 0.4], LOOKS[0], [0.05, 0.1, 0.3], [0.2, 0.3, 0.5])


def _lines() -> str:
    return str(plots.lines("x", "Rises <b>", [LINE], Axis("dose"), SHARE, [Guide(0.3, "goal")]))


def test_axes_are_named() -> None:
    assert ">dose</text>" in _lines()
    assert ">share of the top 20</text>" in _lines()


def test_shares_are_written_in_per_cent() -> None:
    assert ">40 %</text>" in _lines()


def test_a_guide_is_named() -> None:
    assert ">goal</text>" in _lines()


def test_letters_are_the_pages() -> None:
    assert "var(--sans)" in _lines()
    assert "DejaVu" not in _lines()


def test_colours_are_the_pages() -> None:
    assert "var(--series-1)" in _lines()
    assert "#0b0b" not in _lines()
    assert "#0a0a" not in _lines()


def test_a_drawing_holds_no_address() -> None:
    assert "http" not in _lines()


def test_what_it_shows_is_said_as_text() -> None:
    assert 'aria-label="Rises &lt;b&gt;"' in _lines()


def test_ids_of_two_drawings_differ() -> None:
    ids = [set(_ids(plots.bars(name, "", ["a"], [1.0], Axis("s")))) for name in ("one", "two")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_a_row_without_a_value_has_no_mark() -> None:
    both, one = ([0.6, 0.7], [0.6, None])
    drawn = [
        plots.dots("d", "", ["a", "b"], [Dots("s", values, LOOKS[0])], Axis("AUC"))
        for values in (both, one)
    ]
    assert str(drawn[0]).count("<use") > str(drawn[1]).count("<use")


def test_a_drawing_of_nothing_is_drawn() -> None:
    assert plots.promised("p", "", [], 0.03, SHARE, SHARE).startswith("<svg")


def test_the_band_around_a_kept_promise_is_drawn() -> None:
    points = Series("groups", [0.2], [0.21], LOOKS[0])
    drawn = str(plots.promised("p", "", [points], 0.03, SHARE, Axis("measured", is_percent=True)))
    assert ">measured</text>" in drawn
    assert "FillBetween" in drawn or "PolyCollection" in drawn


def _ids(svg: str) -> list[str]:
    return [part.split('"')[0] for part in str(svg).split('id="')[1:]]
