"""The report: one file that loads nothing, says what is missing, and shows the results' figures."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from training.study.report.blocks import Section
from training.study.report.page import page, page_of, write_report
from training.study.report.results import StudyResults
from training.study.report.sections import sections_of
from training.study.report.sections.summary import verdicts_of

LOADS = ("src", "href", "xlink:href", "srcset", "data", "poster", "action")
"""Attributes by which a page fetches something."""
VOID = {"meta", "br", "hr", "img", "link", "input"}


class _Reader(HTMLParser):
    """Ids, what is loaded, figures without words, and tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: list[str] = []
        self.unnamed_drawings = 0
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if "id" in given:
            self.ids.append(str(given["id"]))
        self.targets += [str(given[name]) for name in LOADS if name in given]
        if tag == "svg" and not (given.get("aria-label") or given.get("aria-hidden")):
            self.unnamed_drawings += 1
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.fixture(scope="module")
def html(results: StudyResults, sections: tuple[Section, ...]) -> str:
    return page_of(results, sections)


@pytest.fixture
def bare(results: StudyResults) -> StudyResults:
    """No part has run."""
    return StudyResults(results.origin, results.data)


@pytest.fixture(scope="module")
def read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    return reader


def test_the_file_loads_nothing(html: str, read: _Reader) -> None:
    assert all(target.startswith("#") for target in read.targets)
    assert not re.search(r"@import|url\((?!#)", html)
    assert not {"script", "link", "iframe", "img"} & set(read.tags)


def test_every_id_is_there_once(read: _Reader) -> None:
    assert len(read.ids) == len(set(read.ids))


def test_every_link_leads_to_a_place_in_the_page(read: _Reader) -> None:
    assert {target.removeprefix("#") for target in read.targets} <= set(read.ids)


def test_every_drawing_has_words_for_those_who_do_not_see_it(read: _Reader) -> None:
    assert "svg" in read.tags
    assert read.unnamed_drawings == 0


def test_every_section_has_its_heading(html: str, sections: tuple[Section, ...]) -> None:
    for section in sections:
        assert f'<h2 id="{section.name}-heading">{section.title}</h2>' in html


def test_every_section_begins_with_an_answer(sections: tuple[Section, ...]) -> None:
    assert [section.name for section in sections if not section.answer] == []


def test_a_verdict_leads_to_its_section(
    results: StudyResults, sections: tuple[Section, ...]
) -> None:
    names = {section.name for section in sections}
    assert {verdict.section for verdict in verdicts_of(results)} <= names


def test_parts_that_have_not_run_are_said_to_be_missing(bare: StudyResults) -> None:
    missing = [section for section in sections_of(bare) if section.missing]
    html = page(bare)
    assert len(missing) == len(sections_of(bare)) - 2
    assert all(section.missing in html.replace("\u00a0", " ") for section in missing)
    assert all(verdict.is_reached is None for verdict in verdicts_of(bare))


def test_what_data_sets_call_things_is_text_and_no_markup(results: StudyResults) -> None:
    name = "<script>alert('x')</script>"
    assert results.interpretation is not None
    example = replace(results.interpretation.examples[0], items=(name,), attribute=f"genre={name}")
    told = replace(results.interpretation, examples=(example,))
    html = page(StudyResults(results.origin, replace(results.data, name=name), interpretation=told))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_quick_run_says_that_its_figures_prove_nothing(bare: StudyResults) -> None:
    quick = replace(bare, origin=replace(bare.origin, is_quick=True))
    assert "its figures prove nothing" in page(quick)
    assert "its figures prove nothing" not in page(bare)


def test_the_file_is_written_whole(bare: StudyResults, tmp_path: Path) -> None:
    write_report(bare, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page(bare)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
