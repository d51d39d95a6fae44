"""The sections of the report, in the order in which they are read."""

from collections.abc import Callable

from training.study.report.blocks import Section
from training.study.report.results import StudyResults
from training.study.report.sections import (
    base,
    cards,
    control,
    data,
    doses,
    interpretation,
    labels,
    origin,
    promise,
    suppression,
    sweep,
)

SECTIONS: tuple[Callable[[StudyResults], Section], ...] = (
    data.section,
    base.section,
    sweep.section,
    interpretation.section,
    labels.section,
    control.section,
    doses.section,
    suppression.section,
    cards.section,
    promise.section,
    origin.cost,
    origin.section,
)


def sections_of(results: StudyResults) -> tuple[Section, ...]:
    """Every section; one whose part has not run says so."""
    return tuple(section(results) for section in SECTIONS)
