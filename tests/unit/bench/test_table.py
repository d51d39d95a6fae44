"""The table's ratios are those that its columns name."""

import pytest

from bench.table import Cell, Kind, model_rate, roofline, show, show_kept


def cell(kind: Kind, width: int, n_rules: int, *rates: float) -> Cell:
    """A measured cell."""
    results = [{"per_s": rate} for rate in rates]
    return Cell(kind, width, n_rules, measure=dict, results=results)


CELLS = [
    cell(Kind.EMPTY, 8, 0, 4000.0, 9000.0, 3000.0),
    cell(Kind.EMPTY, 64, 0, 5000.0),
    cell(Kind.MODEL, 1, 5, 800.0),
    cell(Kind.MODEL, 8, 5, 1000.0),
    cell(Kind.MODEL, 32, 5, 900.0),
    cell(Kind.MODEL, 8, 0, 2000.0),
    cell(Kind.EDITED, 8, 5, 500.0),
    cell(Kind.SERVICE, 8, 5, 400.0),
]


def test_a_cell_shows_the_median_of_its_repetitions() -> None:
    assert CELLS[0].rate == 4000.0


def test_a_cell_without_a_figure_has_no_median_of_it() -> None:
    assert CELLS[0].median("p99_ms") is None


def test_the_model_is_taken_at_its_best_batch() -> None:
    assert model_rate(CELLS, 5) == 1000.0


def test_the_roofline_does_an_empty_call_and_the_model_by_turns() -> None:
    assert roofline(CELLS, 5, in_flight=8) == pytest.approx(1 / (1 / 4000 + 1 / 1000))


def test_the_table_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    show(CELLS, "a title")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    last = [text.strip() for text in rows[-1].strip("|").split("|")]
    assert last == ["service, 5 rules, 8 in flight", "400", "", "", "", "0.40", "0.50"]


def test_kept_states_are_compared_with_the_same_service_in_the_same_repetition(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def measured(kind: Kind, *rates: float) -> Cell:
        results = [{"per_s": rate, "p50_ms": 1.0, "p99_ms": 2.0} for rate in rates]
        return Cell(kind, 8, 5, measure=dict, results=results)

    show_kept([measured(Kind.SERVICE, 100, 200, 400), measured(Kind.KEEPING, 150, 220, 800)])
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "in flight" in line)
    assert [own.strip() for own in row.split("|")[1:-1]] == [
        "5 rules, 8 in flight",
        "1.50",
        "1.00",
        "1.00",
    ]
