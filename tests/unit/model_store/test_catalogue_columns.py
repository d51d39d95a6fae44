"""The catalogue by columns says what the lines say, or is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from model_store.catalogue import Catalogue, CatalogueItem, catalogue_of
from model_store.catalogue_columns import SOURCE, read_columns, write_columns
from model_store.errors import BundleCorrupt

SHA = "a" * 64
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ITEMS = st.lists(
    st.builds(
        CatalogueItem,
        item_id=TEXT.filter(lambda text: text and "\0" not in text),
        title=TEXT,
        attributes=st.dictionaries(TEXT, st.lists(TEXT, max_size=2).map(tuple), max_size=2),
        count=st.integers(0, 2**40),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda item: item.item_id,
)


def _columns(catalogue: Catalogue) -> dict[str, object]:
    own = {name: getattr(catalogue, name) for name in Catalogue.__slots__}
    arrays = ("counts", "attribute_set_of", "popularity")
    listed = {name: own[name].tolist() for name in arrays}
    return own | listed | {name: tuple(own[name]) for name in ("titles", "attributes")}


@settings(max_examples=60, deadline=None)
@given(items=ITEMS)
def test_columns_say_what_lines_say(
    tmp_path_factory: pytest.TempPathFactory, items: list[CatalogueItem]
) -> None:
    path = tmp_path_factory.mktemp("columns") / "catalogue.safetensors"
    catalogue = catalogue_of(items)
    write_columns(path, catalogue, SHA)
    assert _columns(read_columns(path, SHA)) == _columns(catalogue)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    items = [
        CatalogueItem(item_id=name, title=f"{name}é", attributes={"group": (name,)}, count=3)
        for name in ("a", "b", "c")
    ]
    made = tmp_path / "catalogue.safetensors"
    write_columns(made, catalogue_of(items), SHA)
    return made


def test_a_title_is_read_from_the_end_and_by_slices(path: Path) -> None:
    titles = read_columns(path, SHA).titles
    assert titles[-1] == "cé"
    assert titles[1:3] == ("aé", "bé")
    with pytest.raises(IndexError):
        titles[4]


def test_attributes_are_read_by_slices(path: Path) -> None:
    assert read_columns(path, SHA).attributes[2:] == ({"group": ("b",)}, {"group": ("c",)})


def test_columns_of_another_catalogue_are_refused(path: Path) -> None:
    with pytest.raises(BundleCorrupt, match=r"not made of the catalogue\.jsonl beside it"):
        read_columns(path, "b" * 64)


def test_ids_that_hold_the_separator_are_left_to_the_lines(tmp_path: Path) -> None:
    item = CatalogueItem(item_id="a\0b", title="", attributes={}, count=0)
    write_columns(tmp_path / "none", catalogue_of([item]), SHA)
    assert not (tmp_path / "none").exists()


def _text(text: bytes) -> NDArray[Any]:
    return np.frombuffer(text, dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        ("counts", np.array([0, -1, 2, 3]), "out of range"),
        ("counts", np.array([0, 1, 2]), r"lacks the int64 tensor counts \[4\]"),
        ("counts", np.zeros(4, dtype=np.int32), r"lacks the int64 tensor counts \[4\]"),
        ("attribute_set_of", np.array([0, 1, 2, 9], dtype=np.int32), "out of range"),
        ("title_ends", np.array([0, 3, 2, 9]), "must ascend"),
        ("title_ends", np.array([0, 3, 6, 8]), "must ascend to the end"),
        ("title_ends", np.array([0, 2, 6, 9]), "within a character"),
        ("titles", _text(b"a\xff\xffb\xff\xffc\xff\xff"), "can't decode"),
        ("item_ids", _text(b"\0a\0b\0a"), "are both 'a'"),
        ("item_ids", _text(b"\0a\0\0c"), "no other is"),
        ("attribute_sets", _text(b"[1]"), "not iterable"),
    ],
)
def test_a_malformed_column_is_refused(
    path: Path, name: str, column: NDArray[Any], reason: str
) -> None:
    save_file(load_file(path) | {name: column}, path, metadata={SOURCE: SHA})
    with pytest.raises(BundleCorrupt, match=reason) as refused:
        read_columns(path, SHA)
    assert refused.value.file == "catalogue.safetensors"


def _without(name: str) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        columns = load_file(path)
        del columns[name]
        save_file(columns, path, metadata={SOURCE: SHA})

    return edit


@pytest.mark.parametrize("name", ["item_ids", "titles", "title_ends", "attribute_sets", "counts"])
def test_a_missing_column_is_refused(path: Path, name: str) -> None:
    _without(name)(path)
    with pytest.raises(BundleCorrupt):
        read_columns(path, SHA)
