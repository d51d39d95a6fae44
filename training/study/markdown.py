"""The tables of a study as Markdown: what docs/study.md holds is this output, never typed."""

from training.study.report.blocks import Cell, Section, Table
from training.study.report.results import StudyResults
from training.study.report.sections import sections_of
from training.study.report.sections.summary import verdicts_of
from training.study.report.wording import DASH


def markdown(results: StudyResults) -> str:
    """Where the study comes from, its goals, then each part's answer, tables and limits."""
    parts = [_origin(results), _goals(results), *map(_section, sections_of(results))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _origin(results: StudyResults) -> str:
    data, origin = results.data, results.origin
    return "\n".join(
        [
            f"## {data.name}",
            "",
            f"{data.n_users:,} users, {data.n_items:,} items, {data.n_interactions:,} "
            f"interactions; {data.n_evaluated:,} users evaluated.",
            "",
            "| | |",
            "|---|---|",
            f"| command | `{origin.command}` |",
            f"| commit | {origin.code_commit} |",
            f"| seeds | {', '.join(map(str, origin.seeds))} |",
            f"| machine | {_cell(origin.machine)} |",
            f"| begun | {origin.started} |",
            f"| seconds | {_seconds(results)} |",
        ]
    )


def _seconds(results: StudyResults) -> str:
    return ", ".join(f"{part} {seconds:,.0f}" for part, seconds in results.seconds.items())


def _goals(results: StudyResults) -> str:
    """What was to be reached, and whether it is."""
    words = {True: "yes", False: "no", None: DASH}
    rows = [(v.goal, v.measured, words[v.is_reached]) for v in verdicts_of(results)]
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join(["| goal | measured | reached |", "|---|---|---|", *lines]) if rows else ""


def _section(section: Section) -> str:
    """Nothing where the part has not run; what the page folds away stays in the page."""
    if section.missing:
        return ""
    tables = [_table(block) for block in section.blocks if isinstance(block, Table)]
    limits = [f"- {sentence}" for sentence in section.limits]
    texts = [f"### {section.title}", section.answer, *tables, "\n".join(limits)]
    return "\n\n".join(text for text in texts if text)


def _table(table: Table) -> str:
    ruler = ["---"] * table.n_text_columns
    ruler += ["---:"] * (len(table.headings) - table.n_text_columns)
    rows = [table.headings, *table.rows]
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    lines.insert(1, f"|{'|'.join(ruler)}|")
    note = ["", table.note] if table.note else []
    return "\n".join([f"{table.caption}:", "", *lines, *note])


def _cell(cell: str | Cell) -> str:
    """A cell's text, bold where it stands out; a bar would end the cell."""
    text = (cell.text if isinstance(cell, Cell) else cell).replace("|", "\\|").replace("\n", " ")
    return f"**{text}**" if isinstance(cell, Cell) and cell.tone == "strong" and text else text
