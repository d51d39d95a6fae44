"""The variables of the environment that the command line reads, STEERREC_CLIENT_*."""

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from difflib import get_close_matches

PREFIX = "STEERREC_CLIENT_"
NAMES = (f"{PREFIX}ADDRESS", f"{PREFIX}DEBUG", f"{PREFIX}LABELLER_KEY")
NEAR_ENOUGH = 0.9
"""Similarity, of 1, from which a name is taken for a slip of the pen: others may be a client's."""


def prepare_variables() -> None:
    """Tidy the variables of this process; say on stderr which names are misspelt."""
    strip_values(os.environ)
    for sentence in misspelt(os.environ):
        sys.stderr.write(f"{sentence}\n")


def strip_values(environ: MutableMapping[str, str]) -> None:
    """Remove blanks around the values, and variables that are blank: they count as unset."""
    for name in NAMES:
        if value := environ.pop(name, "").strip():
            environ[name] = value


def misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable whose name is nearly one of ours."""
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in NAMES:
            for near in get_close_matches(name, NAMES, n=1, cutoff=NEAR_ENOUGH):
                yield f"note: {name} is not read by steerrec; did you mean {near}?"
