"""The page: every section of the results in one HTML file that loads nothing."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from training.study.report.blocks import Section
from training.study.report.results import StudyResults
from training.study.report.sections import sections_of
from training.study.report.sections.summary import (
    INTRODUCTION,
    WORDS,
    subtitle,
    title,
    verdicts_of,
    warning,
)
from training.study.stages import write_whole

PACKAGE = "training.study.report"


def write_report(results: StudyResults, path: Path) -> None:
    """Writes the report of what there is; parts that have not run say so.

    Args:
        results: of any parts.
        path: of the HTML file; replaced in one step.

    Raises:
        UnusableOutput: it cannot be written.
    """
    write_whole(path, page(results))


def page(results: StudyResults) -> str:
    """The HTML of the report."""
    return page_of(results, sections_of(results))


def page_of(results: StudyResults, sections: Sequence[Section]) -> str:
    """The HTML of sections that are drawn already."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=title(results),
            subtitle=subtitle(results),
            warning=warning(results),
            style=_style(),
            introduction=INTRODUCTION,
            words=WORDS,
            verdicts=verdicts_of(results),
            missing=_missing(sections),
            sections=sections,
            footer=f"Written by steerrec from the results of: {results.origin.command}",
        )
    )


def _missing(sections: Sequence[Section]) -> str:
    n = sum(bool(section.missing) for section in sections)
    return f"{n} of {len(sections)} sections are empty: their parts have not run." if n else ""


def _style() -> Markup:
    style = resources.files(PACKAGE) / "templates" / "style.css"
    return Markup(style.read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _unbroken(value: object) -> object:
    """The value; in text, a per cent sign stays with its number."""
    return value.replace(" %", "\u00a0%") if isinstance(value, str) else value
