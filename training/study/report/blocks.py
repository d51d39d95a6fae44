"""What a section of the report is made of; the templates know how each is shown."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    """What it says."""
    tone: str = ""
    """`good`, `bad`, `strong` or `quiet`; empty: none."""


@dataclass(frozen=True)
class Table:
    """Rows under headings; the first cell of a row names it."""

    caption: str
    """What the table shows."""
    headings: Sequence[str]
    """One for each column."""
    rows: Sequence[Sequence[str | Cell]]
    """As many cells as headings."""
    note: str = ""
    """What the cells need to be understood."""
    n_text_columns: int = 1
    """Columns from the left that hold words and not figures."""

    kind = "table"


@dataclass(frozen=True)
class LegendEntry:
    """What one line or mark of a figure stands for."""

    name: str
    """In words."""
    swatch: Markup
    """A small drawing of it."""


@dataclass(frozen=True)
class Panel:
    """One drawing of a figure."""

    title: str
    """What sets it apart from its neighbours; empty where there is one."""
    svg: Markup
    """Drawn by `plots`."""


@dataclass(frozen=True)
class Figure:
    """Drawings that share a legend."""

    caption: str
    """What it shows, with what to see in it."""
    panels: Sequence[Panel]
    """Side by side where there is room."""
    legend: Sequence[LegendEntry] = ()
    """Empty where the drawing says it all."""
    is_wide: bool = False
    """Whether the one drawing takes the whole width."""

    kind = "figure"


@dataclass(frozen=True)
class Prose:
    """Paragraphs."""

    paragraphs: Sequence[str]
    """Plain text."""

    kind = "prose"


@dataclass(frozen=True)
class Points:
    """A list of sentences under a heading."""

    heading: str
    """What they are about; empty: none."""
    sentences: Sequence[str]
    """Plain text."""

    kind = "points"


@dataclass(frozen=True)
class Example:
    """One thing shown as an example, e.g. a feature with its items."""

    title: str
    """Its name."""
    facts: str
    """Its figures in one line."""
    items: Sequence[str]
    """Strongest first."""


@dataclass(frozen=True)
class Examples:
    """Examples side by side."""

    heading: str
    """What they are examples of."""
    examples: Sequence[Example]
    """In the order shown."""

    kind = "examples"


@dataclass(frozen=True)
class Words:
    """A list of words and what they mean."""

    entries: Sequence[tuple[str, str]]
    """Word and meaning."""

    kind = "words"


@dataclass(frozen=True)
class Verbatim:
    """Text as a program wrote it."""

    text: str
    """Shown in a fixed-width font."""

    kind = "verbatim"


@dataclass(frozen=True)
class Folded:
    """Blocks that a reader opens when wanted."""

    summary: str
    """What is inside."""
    blocks: "Sequence[Block]"
    """What is inside."""

    kind = "folded"


Block = Table | Figure | Prose | Points | Examples | Words | Verbatim | Folded


@dataclass(frozen=True)
class Section:
    """One part of the report."""

    name: str
    """Its anchor."""
    title: str
    """Its heading."""
    question: str
    """What was asked."""
    answer: str
    """What came out, in plain words; empty where the part has not run."""
    blocks: Sequence[Block] = ()
    """Tables, figures and text."""
    reading: Sequence[str] = ()
    """How to read them, one sentence or two each."""
    limits: Sequence[str] = ()
    """What they do not show."""
    missing: str = ""
    """Why there is nothing to show; empty: there is."""


@dataclass(frozen=True)
class Verdict:
    """One goal, and whether it is reached."""

    goal: str
    """In words."""
    measured: str
    """The figure."""
    is_reached: bool | None
    """None: not measured, or there is nothing to reach."""
    section: str
    """Anchor of the section that shows it."""
