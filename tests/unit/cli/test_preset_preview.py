"""A preview's report as tables."""

import pytest
from google.protobuf import text_format
from steerrec.v1 import preview_pb2

from cli.preset_preview import show_report

FIGURES = """preset: "p" history_count: 6 k: 20
overlap { mean: 0.771 p5: 0.5 p50: 0.8 p95: 0.95 }
shares { attribute { name: "genre" value: "War" } }
rules { rule_id: "up" }
"""


def printed(capsys: pytest.CaptureFixture[str], more: str) -> str:
    report = text_format.Parse(FIGURES + more, preview_pb2.PreviewReport())
    show_report(report, as_json=False)
    return capsys.readouterr().out


def row(tables: str, beginning: str) -> list[str]:
    """The cells after the first of the line whose first cell is `beginning`."""
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in tables.splitlines()]
    return next(cells[1:] for cells in lines if cells and cells[0] == beginning)


def test_what_is_kept_is_told_in_percent(capsys: pytest.CaptureFixture[str]) -> None:
    told = row(printed(capsys, "targeted_share: 1"), "kept of the slate")
    assert told == ["77.1%", "50.0%", "80.0%", "95.0%"]


@pytest.mark.parametrize(
    "name", ["kept of the slate", "shift, of the hidden state", "genre=War", "rules[0] up"]
)
def test_a_preset_that_meets_no_history_has_no_figures(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert set(row(printed(capsys, ""), name)) == {"-"}


def test_a_preset_that_meets_no_history_says_where_to_look(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(capsys, "").splitlines()[-1] == (
        "the preset's targeting meets none of these histories: look at its schedule (--at), "
        "rollout and condition"
    )


def test_histories_that_are_all_cold_are_no_fault_of_targeting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = printed(capsys, "cold_count: 6").splitlines()[-1]
    assert told.startswith("the model knows no item of these histories")
