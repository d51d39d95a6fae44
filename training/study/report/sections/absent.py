"""What a section says whose part has not run."""

from training.study.report.blocks import Section


def absent(name: str, title: str, question: str, part: str) -> Section:
    """A section without results.

    Args:
        name: its anchor.
        title: its heading.
        question: what was to be asked.
        part: of the study, as the command calls it.
    """
    return Section(
        name=name,
        title=title,
        question=question,
        answer="",
        missing=f"Not in this report: the part `{part}` of the study has not run.",
    )
