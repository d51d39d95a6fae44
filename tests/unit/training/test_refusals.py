"""What bad files get: each case is a file and the exact message."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.files import HEADER, read, write
from training.errors import InvalidData

ALIKE = (
    "write a number or an ISO 8601 time, all rows alike, e.g. 2024-01-31, "
    "2024-01-31T10:00:00.5+02:00, 20240131T100000Z, 2024-W05-3 or 2024-031"
)

BAD_INTERACTIONS: dict[str, tuple[str, str | bytes, dict[str, Any], str]] = {
    "empty file": ("r.csv", "", {}, "r.csv: the file is empty; fill it, or correct its path"),
    "header only": (
        "r.csv",
        HEADER,
        {},
        "r.csv: no rows; fill it, or correct `interactions.path`",
    ),
    "missing column": (
        "r.csv",
        "user,item_id,timestamp\nu,a,1\n",
        {},
        "r.csv, row 1: no column 'user_id'; set `interactions.user` to the right column "
        "(the nearest is 'user')",
    ),
    "missing column, nothing like it": (
        "r.csv",
        "a,b\nu,a\n",
        {},
        "r.csv, row 1: no column 'user_id'; set `interactions.user` to the right column "
        "(it has a, b)",
    ),
    "column twice": (
        "r.csv",
        "user_id,item_id,item_id,timestamp\nu,a,b,1\n",
        {},
        "r.csv, row 1: column 'item_id' occurs twice; rename or remove one",
    ),
    "nothing orders": (
        "r.csv",
        "user_id,item_id\nu,a\n",
        {},
        "r.csv, row 1: nothing orders the histories: no column 'timestamp'; set "
        "`interactions.timestamp` or `interactions.position` to a column (it has user_id, "
        "item_id), or `interactions.order` to file",
    ),
    "blank users": (
        "r.csv",
        HEADER + "u,a,0\n" + "".join(f",a,{time}\n" for time in range(5)),
        {},
        "r.csv, row 3: the user id is blank; fill it or remove the row\n"
        "r.csv, row 4: the user id is blank; fill it or remove the row\n"
        "r.csv, row 5: the user id is blank; fill it or remove the row (and 2 more like this)",
    ),
    "blank item": (
        "r.csv",
        HEADER + "u, ,1\n",
        {},
        "r.csv, row 2: the item id is blank; fill it or remove the row",
    ),
    "unparsable time": (
        "r.csv",
        HEADER + "u,a,1\nu,b,soon\n",
        {},
        f"r.csv, row 3: timestamp 'soon' cannot be read; {ALIKE}",
    ),
    "blank time": (
        "r.csv",
        HEADER + "u,a,1\nu,b,\n",
        {},
        f"r.csv, row 3: timestamp (blank) cannot be read; {ALIKE}",
    ),
    "infinite time": (
        "r.csv",
        HEADER + "u,a,1.5\nu,b,inf\n",
        {},
        f"r.csv, row 3: timestamp 'inf' cannot be read; {ALIKE}",
    ),
    "repeated row": (
        "r.csv",
        HEADER + "u,a,1\nv,a,1\nu,a,1\n",
        {},
        "r.csv, row 4: user 'u', item 'a' and timestamp '1' occur again; remove the row, or set "
        "`interactions.duplicates` to drop",
    ),
    "out of order": (
        "r.csv",
        HEADER + "u,a,2\nv,b,1\nu,b,1\n",
        {"order": "file"},
        "r.csv, row 4: timestamp '1' of user 'u' comes after a later one; sort the file by "
        "timestamp, or set `interactions.order` to sort",
    ),
    "too many fields": (
        "r.csv",
        HEADER + "u,a,1\nu,a,b,1\n",
        {},
        "r.csv, row 3: fields: 4 under a header of 3; quote fields that hold the separator",
    ),
    "open quote": (
        "r.csv",
        HEADER + 'u,a,1\nu,"b,2\n',
        {},
        "r.csv, row 3: its quotes cannot be read (a quote is never closed); write a quote inside "
        "a quoted field twice, and close each, or say how quotes are written: set "
        "`interactions.quotes` to backslash or none",
    ),
    "wrong encoding": (
        "r.csv",
        HEADER.encode() + "u,é,1\n".encode("latin-1"),
        {},
        "r.csv, row 2: byte 0xe9 is not utf-8; set `interactions.encoding`, e.g. to latin-1",
    ),
    "short line": (
        "r.dat",
        "1::2::3::4\n1::2::3\n",
        {},
        "r.dat, row 2: fields: 3 instead of 4; write 'user_id::item_id::rating::timestamp', or "
        "set `format`",
    ),
    "unknown format": (
        "r.json",
        "{}",
        {},
        "r.json: the name does not tell the format; set `interactions.format`, e.g. to csv",
    ),
    "no usable user": (
        "r.csv",
        HEADER + "u,a,1\n",
        {"min_history": 3},
        "r.csv: no user has 3 or more interactions; lower `min_history` to 1 or less, or add "
        "interactions",
    ),
    "no core": (
        "r.csv",
        HEADER + "u,a,1\nu,b,2\nv,c,1\nv,d,2\n",
        {"k_core": 2},
        "r.csv: no row is in the 2-core of users and items; lower `k_core` (2), or add "
        "interactions",
    ),
    "no usable user within the core": (
        "r.csv",
        HEADER + "u,a,1\nu,b,2\nv,a,1\nv,b,2\n",
        {"k_core": 2, "min_history": 3},
        "r.csv: no user has 3 or more interactions within the 2-core; lower `min_history` to 2 "
        "or less, or add interactions",
    ),
}


@pytest.mark.parametrize("case", BAD_INTERACTIONS)
def test_bad_interactions_are_refused_with_file_row_and_remedy(case: str, tmp_path: Path) -> None:
    name, content, settings, message = BAD_INTERACTIONS[case]
    whole = {key: settings[key] for key in settings if key in ("min_history", "k_core")}
    own = {key: settings[key] for key in settings if key not in whole}
    with pytest.raises(InvalidData) as refused:
        read(write(tmp_path / name, content), interaction_settings=own, **whole)
    assert str(refused.value) == message


BAD_ITEMS: dict[str, tuple[str, str]] = {
    "unknown item": (
        "item_id,title\nb,B\n",
        "r.csv, row 2: item 'a' is not in i.csv; add it there, or set "
        "`interactions.unknown_items` to drop",
    ),
    "repeated item": (
        "item_id,title\na,A\nb,B\na,C\n",
        "i.csv, row 4: item 'a' occurs again; keep one row for each item",
    ),
    "blank item": (
        "item_id,title\na,A\n,B\n",
        "i.csv, row 3: the item id is blank; give it an id or remove the row",
    ),
    "missing title": (
        "item_id,titel\na,A\n",
        "i.csv, row 1: no column 'title'; set `items.title` to the right column (the nearest is "
        "'titel')",
    ),
}


@pytest.mark.parametrize("case", BAD_ITEMS)
def test_bad_items_are_refused_with_file_row_and_remedy(case: str, tmp_path: Path) -> None:
    content, message = BAD_ITEMS[case]
    interactions = write(tmp_path / "r.csv", HEADER + "u,a,1\n")
    with pytest.raises(InvalidData) as refused:
        read(interactions, write(tmp_path / "i.csv", content))
    assert str(refused.value) == message


def test_rows_that_are_all_dropped_name_the_ids(tmp_path: Path) -> None:
    interactions = write(tmp_path / "r.csv", HEADER + "u,A,1\n")
    items = write(tmp_path / "i.csv", "item_id,title\na,A\n")
    with pytest.raises(InvalidData) as refused:
        read(interactions, items, interaction_settings={"unknown_items": "drop"})
    assert str(refused.value) == (
        "r.csv: no row is left: every item is missing in i.csv; write the ids as in i.csv, or "
        "correct `interactions.item` or `items.item`"
    )


def test_a_core_may_take_as_many_turns_as_there_are_users(tmp_path: Path) -> None:
    chain = "".join(f"u{n},i{n},1\nu{n},i{n + 1},2\n" for n in range(1500))
    with pytest.raises(InvalidData, match="no row is in the 2-core"):
        read(write(tmp_path / "r.csv", HEADER + chain), k_core=2)


def test_a_missing_attribute_column_names_its_setting(tmp_path: Path) -> None:
    interactions = write(tmp_path / "r.csv", HEADER + "u,a,1\n")
    items = write(tmp_path / "i.csv", "item_id,title,genres\na,A,x\n")
    with pytest.raises(InvalidData) as refused:
        read(interactions, items, item_settings={"attributes": {"genre": "genre"}})
    assert str(refused.value) == (
        "i.csv, row 1: no column 'genre'; set `items.attributes.genre.column` to the right "
        "column (the nearest is 'genres')"
    )


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as refused:
        read(tmp_path / "gone.csv")
    assert str(refused.value) == "gone.csv: no such file; correct `interactions.path`"


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"^r\.parquet: not readable as Parquet \("):
        read(write(tmp_path / "r.parquet", "user_id,item_id"))


def test_faults_of_different_kinds_come_together(tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as refused:
        read(write(tmp_path / "r.csv", HEADER + ",a,1\nu,b,soon\n"))
    assert [fault.row for fault in refused.value.faults] == [2, 3]


def test_faults_that_are_not_shown_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as refused:
        read(write(tmp_path / "r.csv", HEADER + "".join(f",a,{time}\n" for time in range(9))))
    assert refused.value.n_faults == 9


def test_a_message_shortens_a_long_value(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", f"{HEADER}u,a,{'x' * 1000}\n")
    with pytest.raises(InvalidData, match=rf"row 2: timestamp '{'x' * 80}\.\.\.' cannot be read"):
        read(path)


def test_a_message_counts_the_columns_beyond_twenty(tmp_path: Path) -> None:
    header = ",".join(f"c{number}" for number in range(30))
    path = write(tmp_path / "r.csv", f"{header}\n{',' * 29}\n")
    with pytest.raises(InvalidData, match=r"c18, c19 and 10 more\)"):
        read(path)


@pytest.mark.parametrize("settings", [{"separator": ";"}, {"separator": ","}])
def test_a_hint_for_excel_above_the_header_is_told(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    rows = f"{HEADER}u,a,1\n".replace(",", settings["separator"])
    path = write(tmp_path / "r.csv", f"sep={settings['separator']}\n{rows}")
    with pytest.raises(InvalidData, match=r"row 1: 'sep=.' is a hint for Excel.*; remove the line"):
        read(path, interaction_settings=settings)


def test_separators_at_the_ends_of_rows_only_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", f"{HEADER}u,a,1,\n")
    with pytest.raises(InvalidData, match="fields: 4 under a header of 3; remove the separators"):
        read(path)
