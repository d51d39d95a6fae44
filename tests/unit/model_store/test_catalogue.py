"""The catalogue, by item index."""

import re
from pathlib import Path

import pytest

from model_store.catalogue import (
    Catalogue,
    CatalogueItem,
    catalogue_of,
    read_catalogue,
    write_catalogue,
)
from model_store.errors import BundleCorrupt


def item(item_id: str, count: int = 0, title: str = "") -> CatalogueItem:
    return CatalogueItem(
        item_id=item_id, title=title, attributes={"genre": ("Horror",)}, count=count
    )


@pytest.fixture
def catalogue() -> Catalogue:
    return catalogue_of([item("a", 3), item("b", 7), item("c", 3)])


def test_the_first_item_has_index_1(catalogue: Catalogue) -> None:
    assert catalogue.index_of["a"] == 1
    assert catalogue.item_ids[1] == "a"


def test_padding_is_counted_nowhere(catalogue: Catalogue) -> None:
    assert catalogue.n_items == 3
    assert "" not in catalogue.index_of
    assert 0 not in catalogue.popularity


def test_popularity_orders_by_count_and_ties_by_index(catalogue: Catalogue) -> None:
    assert catalogue.popularity.tolist() == [2, 1, 3]
    assert catalogue.popularity.dtype == "int32"


def test_the_columns_cannot_be_written(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="read-only"):
        catalogue.counts[1] = 0


def test_a_written_catalogue_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.jsonl"
    write_catalogue(path, [item("a", 3, "Amélie\u2028(2001)"), item("b")])
    read = read_catalogue(path)
    assert read.item_ids == ("", "a", "b")
    assert read.titles[1] == "Amélie\u2028(2001)"
    assert read.attributes[2] == {"genre": ("Horror",)}


def test_a_set_of_attributes_that_many_items_have_is_held_once(catalogue: Catalogue) -> None:
    assert catalogue.attribute_sets == ({}, {"genre": ("Horror",)})
    assert catalogue.attribute_set_of.tolist() == [0, 1, 1, 1]
    assert catalogue.attributes[1] is catalogue.attributes[3]


def test_a_catalogue_longer_than_is_parsed_at_once_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.jsonl"
    write_catalogue(path, [item(str(number), number) for number in range(1, 2502)])
    read = read_catalogue(path)
    assert read.counts.tolist() == list(range(2502))
    assert read.index_of["2501"] == 2501


def test_a_bad_line_far_down_is_named(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.jsonl"
    write_catalogue(path, [item(str(number)) for number in range(1, 1502)])
    good = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*good[:1200], good[1200].rstrip() + "," + good[1201], *good[1202:]]))
    with pytest.raises(BundleCorrupt, match="line 1201: line: Invalid JSON"):
        read_catalogue(path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2: line: Invalid JSON"),
        ('{"item_id":"b","title":"","attributes":{}}', "line 2: count: Field required"),
        ('{"item_id":"","title":"","attributes":{},"count":0}', "line 2: item_id: String"),
        ('{"item_id":"b","title":"","attributes":{},"count":-1}', "line 2: count: Input"),
        ('{"item_id":"b","title":"","attributes":{},"count":0,"x":0}', "line 2: x: Extra"),
        ('{"item_id":"a","title":"","attributes":{},"count":0}', "items 1 and 2 are both 'a'"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "catalogue.jsonl"
    path.write_text('{"item_id":"a","title":"","attributes":{},"count":0}\n' + line + "\n")
    with pytest.raises(BundleCorrupt, match=re.escape(f"catalogue.jsonl: {reason}")):
        read_catalogue(path)
