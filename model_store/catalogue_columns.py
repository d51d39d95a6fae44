"""The catalogue of a large bundle once more, column by column: `catalogue.safetensors`.

A million lines of JSON take seconds to read, columns a tenth of that: ids are one text that is
split, titles stay in the mapped file until one is asked for, attributes are numbers of sets.
`catalogue.jsonl` remains what people and other tools read; the columns name its checksum.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from model_store.catalogue import Attributes, Catalogue, index_of, popularity
from model_store.errors import BundleCorrupt
from model_store.weights import mapped_tensors

SEPARATOR = "\0"
"""Between ids; a catalogue with an id that holds it has no columns."""
SOURCE = "sha256 of catalogue.jsonl"
"""In the file's metadata."""
COLUMNS = {
    "item_ids": np.uint8,
    "titles": np.uint8,
    "title_ends": np.int64,
    "attribute_sets": np.uint8,
    "attribute_set_of": np.int32,
    "counts": np.int64,
}


class Texts(Sequence[str]):
    """Texts that lie one behind the other in a mapped file, decoded one at a time."""

    def __init__(self, contents: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        """Texts in UTF-8, and where each ends [n]."""
        self._contents = contents
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        """One text, or several."""
        if isinstance(index, slice):
            return tuple(self[own] for own in range(*index.indices(len(self))))
        place = range(len(self))[index]
        start = self._ends[place - 1] if place else 0
        return self._contents[start : self._ends[place]].tobytes().decode()


class AttributesOf(Sequence[Attributes]):
    """The attributes of each item, by the number of their set."""

    def __init__(self, sets: tuple[Attributes, ...], set_of: NDArray[np.int32]) -> None:
        """All different sets, and the place of each item's among them."""
        self._sets = sets
        self._set_of = set_of

    def __len__(self) -> int:
        return len(self._set_of)

    @overload
    def __getitem__(self, index: int) -> Attributes: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Attributes, ...]: ...
    def __getitem__(self, index: int | slice) -> Attributes | tuple[Attributes, ...]:
        """Of one item, or of several."""
        if isinstance(index, slice):
            return tuple(self._sets[own] for own in self._set_of[index].tolist())
        return self._sets[int(self._set_of[index])]


def write_columns(path: Path, catalogue: Catalogue, source_sha256: str) -> None:
    """Writes the columns, unless an id holds the separator.

    Args:
        path: of the file.
        catalogue: as catalogue.jsonl has it.
        source_sha256: of catalogue.jsonl.
    """
    if any(SEPARATOR in item_id for item_id in catalogue.item_ids):
        return
    titles = [title.encode() for title in catalogue.titles]
    sets = [list(own.items()) for own in catalogue.attribute_sets]
    columns: dict[str, NDArray[Any]] = {
        "item_ids": _bytes(SEPARATOR.join(catalogue.item_ids).encode()),
        "titles": _bytes(b"".join(titles)),
        "title_ends": np.cumsum(list(map(len, titles)), dtype=np.int64),
        "attribute_sets": _bytes(json.dumps(sets).encode()),
        "attribute_set_of": np.array(catalogue.attribute_set_of),
        "counts": np.array(catalogue.counts),
    }
    path.write_bytes(save(columns, metadata={SOURCE: source_sha256}))


def read_columns(path: Path, source_sha256: str) -> Catalogue:
    """The catalogue in the columns at `path`.

    Args:
        path: of the file.
        source_sha256: of the catalogue.jsonl beside it.

    Raises:
        BundleCorrupt: a column is missing or malformed, or they are those of another catalogue.
    """
    columns = mapped_tensors(path)
    _check_source(path, source_sha256)
    try:
        return _catalogue(columns)
    except (ValueError, TypeError, IndexError) as error:  # UnicodeDecodeError, JSONDecodeError
        raise BundleCorrupt(path.name, str(error)) from None


def _check_source(path: Path, source_sha256: str) -> None:
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    if metadata.get(SOURCE) != source_sha256:
        raise BundleCorrupt(path.name, "is not made of the catalogue.jsonl beside it")


def _catalogue(columns: dict[str, NDArray[Any]]) -> Catalogue:
    item_ids = tuple(_text(columns, "item_ids").split(SEPARATOR))
    counts = _column(columns, "counts", len(item_ids))
    set_of = _column(columns, "attribute_set_of", len(item_ids))
    parsed = json.loads(_text(columns, "attribute_sets"))
    sets = tuple({name: tuple(values) for name, values in own} for own in parsed)
    if item_ids[0] or "" in item_ids[1:]:
        raise ValueError("item_ids: the first is padding's and empty, no other is")
    if counts.min() < 0 or set_of.min() < 0 or set_of.max() >= len(sets):
        raise ValueError("counts or attribute_set_of: a number is out of range")
    return Catalogue(
        item_ids=item_ids,
        titles=_titles(columns, len(item_ids)),
        attributes=AttributesOf(sets, set_of),
        attribute_sets=sets,
        attribute_set_of=set_of,
        counts=counts,
        index_of=index_of(item_ids),
        popularity=popularity(counts),
    )


def _titles(columns: dict[str, NDArray[Any]], n: int) -> Texts:
    ends = _column(columns, "title_ends", n)
    contents = columns["titles"] if "titles" in columns else np.empty(0, dtype=np.uint8)
    if ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] != len(contents):
        raise ValueError("title_ends: must ascend to the end of titles")
    contents.tobytes().decode()  # no title can fail later
    if ((contents[ends[ends < len(contents)]] & 0xC0) == 0x80).any():
        raise ValueError("title_ends: one lies within a character")
    return Texts(contents, ends)


def _text(columns: dict[str, NDArray[Any]], name: str) -> str:
    return _column(columns, name).tobytes().decode()


def _column(columns: dict[str, NDArray[Any]], name: str, n: int | None = None) -> NDArray[Any]:
    found = columns.get(name)
    if found is None or found.dtype != COLUMNS[name] or (n is not None and found.shape != (n,)):
        size = "" if n is None else f" [{n}]"
        raise ValueError(f"lacks the {np.dtype(COLUMNS[name])} tensor {name}{size}")
    return found


def _bytes(contents: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(contents, dtype=np.uint8)
