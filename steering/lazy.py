"""A sequence whose elements are made when they are asked for."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

Made_co = TypeVar("Made_co", covariant=True)


class Lazy(Sequence[Made_co]):
    """Equal to a sequence of equal elements; each look makes them anew."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    @abstractmethod
    def _made(self, place: int) -> Made_co:
        """The element at a place from 0."""

    @overload
    def __getitem__(self, place: int) -> Made_co: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Made_co, ...]: ...
    def __getitem__(self, place: int | slice) -> Made_co | tuple[Made_co, ...]:
        """One element, or a tuple of some."""
        own = range(len(self))[place]
        return self._made(own) if isinstance(own, int) else tuple(map(self._made, own))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)})"
