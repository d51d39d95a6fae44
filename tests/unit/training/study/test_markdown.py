"""The tables of a study as Markdown."""

import re

import pytest

from tests.study_results import sample
from training.study.markdown import markdown
from training.study.report.results import StudyResults


@pytest.fixture(scope="module")
def results() -> StudyResults:
    return sample()


@pytest.fixture(scope="module")
def text(results: StudyResults) -> str:
    return markdown(results)


def test_it_says_where_the_figures_come_from(results: StudyResults, text: str) -> None:
    origin = results.origin
    assert f"| command | `{origin.command}` |" in text
    assert f"| commit | {origin.code_commit} |" in text


def test_every_row_has_as_many_cells_as_its_heading(text: str) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        rows = [re.findall(r"(?<!\\)\|", line) for line in table.splitlines()]
        assert len({len(bars) for bars in rows}) == 1, table


def test_goals_are_a_table(text: str) -> None:
    assert "| goal | measured | reached |" in text


def test_a_part_that_has_not_run_is_left_out(results: StudyResults) -> None:
    bare = StudyResults(origin=results.origin, data=results.data)
    assert "has not run" not in markdown(bare)
