"""The nearest right word to a wrong one, as a hint for a person."""

from collections.abc import Iterable

from rapidfuzz import fuzz, process, utils

MIN_LIKENESS = 60.0
"""`fuzz.ratio` percent below which a suggestion would puzzle more than it helps."""


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like `word`, in any case, or None where none is like it."""
    found = process.extractOne(
        word,
        list(choices),
        scorer=fuzz.ratio,
        score_cutoff=MIN_LIKENESS,
        processor=utils.default_process,
    )
    return None if found is None else str(found[0])


def hint(word: str, choices: Iterable[str]) -> str:
    """`did you mean "x"?`, or every choice where none is near."""
    listed = list(choices)
    near = nearest(word, listed)
    return f'did you mean "{near}"?' if near else f"known here: {', '.join(listed)}"
