"""All items of a bundle: `catalogue.jsonl`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from model_store.errors import BundleCorrupt
from model_store.manifest import Record


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


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """The items, column by column.

    Every column is addressed by item index, so entry 0 is padding: no id, no title, no attributes.
    """

    item_ids: tuple[str, ...]
    """[n_items + 1]."""
    titles: tuple[str, ...]
    """[n_items + 1]."""
    attributes: tuple[Mapping[str, tuple[str, ...]], ...]
    """[n_items + 1], values by attribute name."""
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
    listed = tuple(items)
    item_ids = ("", *(item.item_id for item in listed))
    index_of: dict[str, int] = {}
    for index, item_id in enumerate(item_ids[1:], start=1):
        if index_of.setdefault(item_id, index) != index:
            raise ValueError(f"items {index_of[item_id]} and {index} are both {item_id!r}")
    counts = np.array([0, *(item.count for item in listed)], dtype=np.int64)
    counts.flags.writeable = False
    return Catalogue(
        item_ids=item_ids,
        titles=("", *(item.title for item in listed)),
        attributes=({}, *(item.attributes for item in listed)),
        counts=counts,
        index_of=index_of,
        popularity=_popularity(counts),
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


def _parsed_lines(path: Path) -> Iterable[CatalogueItem]:
    # bytes, split at \n only: a title may hold U+2028, which str.splitlines() takes for an end
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield CatalogueItem.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(map(str, first["loc"])) or "line"
                raise ValueError(f"line {number}: {field}: {first['msg']}") from None


def _popularity(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    order = np.argsort(-counts[1:], kind="stable").astype(np.int32) + np.int32(1)
    order.flags.writeable = False
    return order
