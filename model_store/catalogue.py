"""All items of a bundle: `catalogue.jsonl`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from model_store.errors import BundleCorrupt
from model_store.manifest import Record

LINES_AT_ONCE = 1_000
"""Parsed together: fewer calls, and few objects that live on."""

Integer = TypeVar("Integer", np.int32, np.int64)
Attributes: TypeAlias = Mapping[str, tuple[str, ...]]
NO_ATTRIBUTES: tuple[tuple[str, tuple[str, ...]], ...] = ()


class CatalogueItem(Record):
    """One line of the catalogue."""

    item_id: Annotated[str, Field(min_length=1)]
    """What the caller calls it."""
    title: str
    """What a reader calls it."""
    attributes: dict[str, tuple[str, ...]]
    """Values by attribute name."""
    count: Annotated[int, Field(ge=0)]
    """Interactions in training."""


ITEMS = TypeAdapter(list[CatalogueItem])


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """The items, column by column.

    Every column is addressed by item index, so entry 0 is padding: no id, no title, no attributes.
    """

    item_ids: tuple[str, ...]
    """[n_items + 1]."""
    titles: Sequence[str]
    """[n_items + 1]."""
    attributes: Sequence[Attributes]
    """[n_items + 1], values by attribute name."""
    attribute_sets: tuple[Attributes, ...]
    """Each different one of `attributes`, once: what one item has, many have."""
    attribute_set_of: NDArray[np.int32]
    """[n_items + 1] place in `attribute_sets`."""
    counts: NDArray[np.int64]
    """[n_items + 1], interactions in training."""
    index_of: Mapping[str, int]
    """Item index, 1..n_items, by item id."""
    popularity: NDArray[np.int32]
    """[n_items] item indices, most interactions first; ties: the smaller index first."""

    @property
    def n_items(self) -> int:
        """Number of items, padding not counted."""
        return len(self.item_ids) - 1


def catalogue_of(items: Iterable[CatalogueItem]) -> Catalogue:
    """The catalogue of these items, the first of which has index 1.

    Raises:
        ValueError: two items share an id.
    """
    item_ids, titles, counts = [""], [""], [0]
    set_of, numbers = [0], {NO_ATTRIBUTES: 0}
    for item in items:
        item_ids.append(item.item_id)
        titles.append(item.title)
        key = tuple(item.attributes.items())
        set_of.append(numbers.setdefault(key, len(numbers)))
        counts.append(item.count)
    counted, numbered = _frozen(counts, np.int64), _frozen(set_of, np.int32)
    sets = tuple(map(dict, numbers))
    return Catalogue(
        item_ids=tuple(item_ids),
        titles=tuple(titles),
        attributes=tuple(map(sets.__getitem__, set_of)),
        attribute_sets=sets,
        attribute_set_of=numbered,
        counts=counted,
        index_of=index_of(item_ids),
        popularity=popularity(counted),
    )


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue in the file at `path`.

    Raises:
        BundleCorrupt: a line does not parse (names it), or an id is there twice.
    """
    try:
        return catalogue_of(_parsed_lines(path))
    except ValueError as error:
        raise BundleCorrupt(path.name, str(error)) from None


def write_catalogue(path: Path, items: Iterable[CatalogueItem]) -> None:
    """Write one line per item, the first of which gets index 1."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(item.model_dump_json() + "\n" for item in items)


def _parsed_lines(path: Path) -> Iterator[CatalogueItem]:
    # bytes, split at \n only: a title may hold U+2028, which str.splitlines() takes for an end
    with path.open("rb") as file:
        for first in count(1, LINES_AT_ONCE):
            lines = list(islice(file, LINES_AT_ONCE))
            if not lines:
                return
            yield from _items_of(lines, first)


def _items_of(lines: Sequence[bytes], first: int) -> Sequence[CatalogueItem]:
    try:
        items = ITEMS.validate_json(b"[" + b",".join(lines) + b"]")
    except ValidationError:
        items = []
    if len(items) == len(lines):
        return items
    return [_item_of(line, number) for number, line in enumerate(lines, start=first)]


def _item_of(line: bytes, number: int) -> CatalogueItem:
    try:
        return CatalogueItem.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "line"
        raise ValueError(f"line {number}: {field}: {first['msg']}") from None


def _frozen(values: Sequence[int], dtype: type[Integer]) -> NDArray[Integer]:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


def index_of(item_ids: Sequence[str]) -> Mapping[str, int]:
    """Item index by item id; entry 0 is padding.

    Raises:
        ValueError: two items share an id.
    """
    found = dict(zip(islice(item_ids, 1, None), range(1, len(item_ids)), strict=True))
    if len(found) < len(item_ids) - 1:
        seen: dict[str, int] = {}
        for index, item_id in enumerate(item_ids):
            if seen.setdefault(item_id, index) != index:
                raise ValueError(f"items {seen[item_id]} and {index} are both {item_id!r}")
    return found


def popularity(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Item indices, most interactions first; ties: the smaller index first."""
    order = np.argsort(-counts[1:], kind="stable").astype(np.int32) + np.int32(1)
    order.flags.writeable = False
    return order
