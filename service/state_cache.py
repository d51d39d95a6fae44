"""Hidden states of histories that were asked about lately, within a bound of bytes (ADR 0013).

Values are `bytes`: nobody can write to what others read. Safe to use from several threads.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import NamedTuple

ENTRY_BYTES = 420
"""What Python takes for a history beside the numbers themselves (measured, CPython 3.11)."""
ACTIVATIONS_BYTES = 160
"""The same for its activations."""


class Sparse(NamedTuple):
    """The activations of one history that are not zero."""

    places: bytes
    """int32, in [positions, d_sae] as one row; ascending."""
    values: bytes
    """float32, one for each."""


class State(NamedTuple):
    """What the model says of one history before anything is edited."""

    hidden: bytes
    """float32 [positions, d_model] at the hook point, without padding."""
    activations: Sparse | None = None
    """At the edited positions; None: nobody asked yet, or too many are not zero."""


class Lookups(NamedTuple):
    """How the histories of one run were answered."""

    hit: int
    """From what was kept."""
    shared: int
    """From what the run computes for another request."""
    miss: int
    """Computed."""


class StateCache:
    """The states of one bundle's histories; those that were used longest ago make room."""

    def __init__(self, limit_bytes: int, count: Callable[[Lookups], None] | None = None) -> None:
        """Make it, empty.

        Args:
            limit_bytes: most that it takes, with what Python needs for it; 0: it keeps nothing.
            count: told of every run; None: nobody is.
        """
        self._limit_bytes = limit_bytes
        self.is_on = limit_bytes > 0
        """Whether it keeps anything."""
        self._count = count
        self._states: OrderedDict[bytes, State] = OrderedDict()
        self._lock = Lock()
        self.size_bytes = 0
        """Of all that is kept."""

    def __len__(self) -> int:
        """Histories kept."""
        return len(self._states)

    def found(self, keys: Iterable[bytes]) -> dict[bytes, State]:
        """What is kept of these histories; they are the last to go from now on."""
        found: dict[bytes, State] = {}
        if not self.is_on:
            return found
        with self._lock:
            for key in keys:
                if (state := self._states.get(key)) is not None:
                    self._states.move_to_end(key)
                    found[key] = state
        return found

    def keep(self, states: Mapping[bytes, State]) -> None:
        """Keeps these, in the place of what was kept of the same histories, if they fit at all."""
        if not self.is_on:
            return
        with self._lock:
            for key, state in states.items():
                if (size := size_of(key, state)) > self._limit_bytes:
                    continue
                self._forget(key)
                self._states[key] = state
                self.size_bytes += size
            while self.size_bytes > self._limit_bytes:
                self._forget(next(iter(self._states)))

    def count(self, lookups: Lookups) -> None:
        """Tells of one run."""
        if self._count is not None:
            self._count(lookups)

    def _forget(self, key: bytes) -> None:
        if (state := self._states.pop(key, None)) is not None:
            self.size_bytes -= size_of(key, state)


def size_of(key: bytes, state: State) -> int:
    """Bytes that one history takes."""
    size = ENTRY_BYTES + len(key) + len(state.hidden)
    if state.activations is None:
        return size
    return size + ACTIVATIONS_BYTES + sum(map(len, state.activations))
