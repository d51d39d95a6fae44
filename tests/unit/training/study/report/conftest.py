"""The sample results, and their sections: drawn once, since drawing takes its time."""

import pytest

from tests.study_results import sample
from training.study.report.blocks import Section
from training.study.report.results import StudyResults
from training.study.report.sections import sections_of


@pytest.fixture(scope="package")
def results() -> StudyResults:
    return sample()


@pytest.fixture(scope="package")
def sections(results: StudyResults) -> tuple[Section, ...]:
    return sections_of(results)
