"""What good files become."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.unit.training.files import HEADER, history, read, write


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write(tmp_path / "r.csv", HEADER + "u,b,2\nv,a,9\nu,a,1\nu,c,2\n")


def test_a_history_is_sorted_by_time(rows: Path) -> None:
    assert history(read(rows), "u") == ["a", "b", "c"]


def test_equal_times_keep_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "u,c,1\nu,a,1\nu,b,1\n")
    assert history(read(path), "u") == ["c", "a", "b"]


def test_rows_that_had_to_be_sorted_are_noted(rows: Path) -> None:
    assert read(rows).notes == ("rows of r.csv out of order, sorted by timestamp: 1",)


def test_users_come_in_order_of_first_appearance(rows: Path) -> None:
    assert read(rows).user_ids == ("u", "v")


def test_without_an_items_file_the_interactions_are_the_catalogue(rows: Path) -> None:
    assert [item.title for item in read(rows).items] == ["b", "a", "c"]


def test_histories_are_int32(rows: Path) -> None:
    assert {items.dtype for items in read(rows).histories} == {np.dtype(np.int32)}


def test_interactions_are_counted(rows: Path) -> None:
    assert read(rows).n_interactions == 4


def test_the_data_set_is_called_by_its_file(rows: Path) -> None:
    assert read(rows).name == "r"


def test_a_k_core_leaves_out_users_and_items_until_none_is_short(tmp_path: Path) -> None:
    rows = "u,a,1\nu,b,2\nv,a,1\nv,b,2\nw,a,1\nw,c,2\n"
    core = read(write(tmp_path / "r.csv", HEADER + rows), k_core=2)
    assert (core.user_ids, [item.item_id for item in core.items]) == (("u", "v"), ["a", "b"])


def test_what_lies_outside_the_core_is_noted(tmp_path: Path) -> None:
    rows = write(tmp_path / "r.csv", HEADER + "u,a,1\nu,b,2\nv,a,1\nv,b,2\nw,a,1\n")
    assert read(rows, k_core=2).notes == ("interactions outside the 2-core, left out: 1",)


def test_html_entities_are_read_where_the_config_says_so(rows: Path, tmp_path: Path) -> None:
    items = write(tmp_path / "i.csv", "item_id,title\na,L&#39;Or\nb,B\nc,C\n")
    found = read(rows, items, item_settings={"html_entities": True})
    assert found.items[0].title == "L'Or"


def test_a_value_may_be_left_out(rows: Path, tmp_path: Path) -> None:
    items = write(tmp_path / "i.csv", "item_id,title,path\na,A,All|Nails\nb,B,All\nc,C,\n")
    taken = {"column": "path", "separator": "|", "leave_out": ["All"]}
    found = read(rows, items, item_settings={"attributes": {"category": taken}})
    assert [item.attributes for item in found.items] == [{"category": ("Nails",)}, {}, {}]


def test_items_come_in_order_of_their_file(rows: Path, tmp_path: Path) -> None:
    items = write(tmp_path / "i.csv", "item_id,title\nc,C\nb,B\na,A\n")
    assert [item.item_id for item in read(rows, items).items] == ["c", "b", "a"]


def test_items_that_nobody_met_are_left_out_and_noted(rows: Path, tmp_path: Path) -> None:
    items = write(tmp_path / "i.csv", "item_id,title\na,A\nx,X\nb,B\nc,C\ny,Y\n")
    assert read(rows, items).notes[-1] == "items of i.csv that no user met, left out: 2"


def test_an_item_without_a_title_is_called_by_its_id(rows: Path, tmp_path: Path) -> None:
    items = write(tmp_path / "i.csv", "item_id,title\na,\nb,B\nc,C\n")
    assert read(rows, items).items[0].title == "a"


def test_values_are_split_stripped_and_distinct(rows: Path, tmp_path: Path) -> None:
    items = write(tmp_path / "i.csv", "item_id,title,tags\na,A,x| y||x\nb,B,\nc,C,z\n")
    tags = {"tag": {"column": "tags", "separator": "|"}}
    dataset = read(rows, items, item_settings={"attributes": tags})
    assert [item.attributes for item in dataset.items] == [{"tag": ("x", "y")}, {}, {"tag": ("z",)}]


def test_carries_is_indexed_by_item_index(rows: Path, tmp_path: Path) -> None:
    items = write(tmp_path / "i.csv", "item_id,title,tag\na,A,x\nb,B,y\nc,C,x\n")
    dataset = read(rows, items, item_settings={"attributes": {"tag": "tag"}})
    assert dataset.carries("tag", "x").tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("take", "expected"),
    [("decade", [("1990s",), ("2000s",), ()]), ("year", [("1995",), ("2001",), ()])],
)
def test_a_year_is_found_alone_and_at_the_end_of_a_title(
    take: str, expected: list[tuple[str, ...]], rows: Path, tmp_path: Path
) -> None:
    items = write(tmp_path / "i.csv", "item_id,title\na,Toy Story (1995)\nb,2001\nc,2010: V\n")
    settings = {"attributes": {"when": {"column": "title", "take": take}}}
    dataset = read(rows, items, item_settings=settings)
    assert [item.attributes.get("when", ()) for item in dataset.items] == expected


def test_ids_keep_their_leading_zeros(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "007,0054890,1\n")
    assert history(read(path), "007") == ["0054890"]


def test_users_below_the_least_history_are_left_out(rows: Path) -> None:
    assert read(rows, min_history=2).user_ids == ("u",)


def test_users_left_out_are_noted(rows: Path) -> None:
    note = "users with fewer than 2 interactions, left out: 1"
    assert note in read(rows, min_history=2).notes


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("10", "9"),
        ("9.5", "9"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:30:00+01:00"),
        ("2020-01-01 10:00:00", "2020-01-01 09:00:00.5"),
        ("2020-01-02", "2020-01-01 23:00:00"),
        ("-1", "-2"),
    ],
)
def test_times_are_compared_as_times(later: str, earlier: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + f"u,new,{later}\nu,old,{earlier}\n")
    assert history(read(path), "u") == ["old", "new"]


def test_a_position_orders_instead_of_a_time(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "user_id,item_id,place\nu,b,10\nu,a,9\n")
    settings = {"position": "place"}
    assert history(read(path, interaction_settings=settings), "u") == ["a", "b"]


def test_the_order_of_the_file_can_be_the_order(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "user_id,item_id\nu,b\nu,a\nu,b\n")
    assert history(read(path, interaction_settings={"order": "file"}), "u") == ["b", "a", "b"]


def test_rows_may_be_dropped_for_unknown_items(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "u,a,1\nu,x,2\n")
    items = write(tmp_path / "i.csv", "item_id,title\na,A\n")
    dataset = read(path, items, interaction_settings={"unknown_items": "drop"})
    assert dataset.notes == ("rows of r.csv with an item that is not in i.csv, left out: 1",)


def test_repeated_rows_may_be_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "u,a,1\nu,a,1\nu,a,2\n")
    assert history(read(path, interaction_settings={"duplicates": "drop"}), "u") == ["a", "a"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.tsv", "user_id\titem_id\ttimestamp\nu\tb\t2\nu\ta\t1\n"),
        ("r.inter", "user_id:token\titem_id:token\ttimestamp:float\nu\tb\t2\nu\ta\t1\n"),
        ("ratings.dat", "u::b::5::2\r\nu::a::5::1\r\n"),
        ("u.data", "u\tb\t5\t2\nu\ta\t5\t1\n"),
        ("r.csv", "\ufeffuser_id,item_id,timestamp\r\nu,b,2\r\nu,a,1\r\n\r\n"),
    ],
)
def test_a_format_is_told_by_its_name(name: str, content: str, tmp_path: Path) -> None:
    assert history(read(write(tmp_path / name, content)), "u") == ["a", "b"]


def test_a_format_can_be_set(tmp_path: Path) -> None:
    path = write(tmp_path / "ratings", "u::a::5::1\n")
    assert history(read(path, interaction_settings={"format": "movielens"}), "u") == ["a"]


def test_parquet_times_and_numbers_are_read(tmp_path: Path) -> None:
    when = [dt.datetime(2020, 1, 2, tzinfo=dt.UTC), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]
    path = tmp_path / "r.parquet"
    pl.DataFrame({"user_id": [1, 1], "item_id": [10, 20], "timestamp": when}).write_parquet(path)
    assert history(read(path), "1") == ["20", "10"]


def test_parquet_lists_are_values(rows: Path, tmp_path: Path) -> None:
    path = tmp_path / "i.parquet"
    tags = [["x", "y"], None, []]
    frame = {"item_id": ["a", "b", "c"], "title": ["A", "B", "C"], "tag": tags}
    pl.DataFrame(frame).write_parquet(path)
    dataset = read(rows, path, item_settings={"attributes": {"tag": "tag"}})
    assert [item.attributes for item in dataset.items] == [{"tag": ("x", "y")}, {}, {}]


def test_movies_dat_carries_genres(tmp_path: Path) -> None:
    ratings = write(tmp_path / "ratings.dat", "1::2::5::1\n")
    movies = write(tmp_path / "movies.dat", "2::Léon (1994)::Crime|Drama\n".encode("latin-1"))
    dataset = read(ratings, movies, item_settings={"encoding": "latin-1"})
    assert dataset.items[0].attributes == {"genre": ("Crime", "Drama")}


def test_u_item_flags_become_genres(tmp_path: Path) -> None:
    data = write(tmp_path / "u.data", "1\t2\t5\t1\n")
    flags = "|".join("1" if place in (1, 18) else "0" for place in range(19))
    items = write(tmp_path / "u.item", f"2|High Noon (1952)|01-Jan-1952||http|{flags}\n")
    assert read(data, items).items[0].attributes == {"genre": ("Action", "Western")}


def test_the_same_files_give_the_same_digest(rows: Path) -> None:
    assert read(rows).sha256 == read(rows).sha256


def test_another_order_is_another_digest(rows: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "o.csv", HEADER + "u,b,1\nv,a,9\nu,a,2\nu,c,3\n")
    assert read(rows).sha256 != read(other).sha256


def test_a_corrected_title_is_the_same_digest(rows: Path, tmp_path: Path) -> None:
    wrong = write(tmp_path / "w.csv", "item_id,title\na,A\nb,B\nc,C\n")
    right = write(tmp_path / "i.csv", "item_id,title\na,Anna\nb,B\nc,C\n")
    assert read(rows, wrong).sha256 == read(rows, right).sha256
