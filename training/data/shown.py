"""Values and names of a file as messages show them: short, whatever the file holds."""

import math
from collections.abc import Sequence
from typing import Final

MOST_CHARACTERS: Final = 80
"""Of one value or name."""
MOST_NAMES: Final = 20
"""Of the columns of one file."""


def shown(value: object) -> str:
    """A value in quotes, its end left out where it is long; `(blank)` for none."""
    is_missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "(blank)" if is_missing or value == "" else repr(shortened(str(value)))


def shown_names(names: Sequence[str]) -> str:
    """The names, of which only the first are spelled out where there are many."""
    listed = ", ".join(shortened(name) for name in names[:MOST_NAMES])
    n_more = len(names) - MOST_NAMES
    return f"{listed} and {n_more} more" if n_more > 0 else listed


def shortened(text: str) -> str:
    """The text, its end left out where it is long."""
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."
