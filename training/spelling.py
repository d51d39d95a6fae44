"""The nearest right word to a wrong one."""

from collections.abc import Iterable
from typing import Final

from rapidfuzz import fuzz, process

MIN_LIKENESS: Final = 60.0
"""`fuzz.ratio` percent below which a suggestion would puzzle more than it helps."""


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like `word`, or None where none is like it."""
    found = process.extractOne(word, list(choices), scorer=fuzz.ratio, score_cutoff=MIN_LIKENESS)
    return None if found is None else str(found[0])
