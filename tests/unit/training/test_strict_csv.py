"""No row of a text file is lost, merged or changed unseen."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.files import HEADER, history, read, write
from training.errors import InvalidData

TITLED = "user_id,item_id,timestamp,title\n"


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(InvalidData) as refused:
        read(path, interaction_settings=settings)
    return str(refused.value)


def place(path: Path, **settings: Any) -> str:
    """What a refusal says before its first colon."""
    return refusal(path, **settings).partition(":")[0]


@pytest.mark.parametrize(
    ("rows", "row"),
    [
        ('u,a,1,"12\\" vinyl"\nu,b,2,x\nu,c,3,"7\\" single"\n', "row 2"),
        ('u,a,1,x\nu,b,2,5" disk\n', "row 3"),
        ('u,a,1,x\nu,b,2, "x"\n', "row 3"),
        ('u,a,1,"x" \nu,b,2,x\n', "row 2"),
        ('u,a,1,x\nu,b,2,"a\\",b"\n', "row 3"),
        ('u,a,1,x\nu,b,2,"a\nu,c,3,x\n', "row 3"),
        ('u,a,1,x\nu,b,2,"""\nu,c,3,x\n', "row 3"),
    ],
)
def test_odd_quotes_are_refused_with_their_row(rows: str, row: str, tmp_path: Path) -> None:
    assert place(write(tmp_path / "r.csv", TITLED + rows)) == f"r.csv, {row}"


def test_blank_lines_count_as_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "\n" + HEADER + "u,a,1\n\nu,b,x\n")
    assert place(path) == "r.csv, row 5"


def test_a_row_after_a_quoted_line_break_is_named_with_its_line_too(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", TITLED + 'u,a,1,"two\nlines"\nu,b,x,t\n')
    assert place(path) == "r.csv, row 3 (line 4)"


def test_odd_quotes_after_a_quoted_line_break_are_named_with_their_line(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", TITLED + 'u,a,1,"two\r\nlines"\r\nu,b,2,5"\r\n')
    assert place(path) == "r.csv, row 3 (line 4)"


def test_a_row_with_too_few_fields_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", TITLED + "u,a,1,x\nu,b,2\n")
    assert refusal(path) == (
        "r.csv, row 3: fields: 3 under a header of 4; write every column, also those without a "
        "value"
    )


def test_a_comment_above_the_header_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "# exported by us\n" + HEADER + "u,a,1\n")
    assert refusal(path) == (
        "r.csv, row 2: fields: 3 under a header of 1; remove what stands above the header"
    )


def test_a_quoted_separator_is_no_end_of_a_field(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + 'u,"a,""1""",2\nu,b,1\n')
    assert history(read(path), "u") == ["b", 'a,"1"']


def test_quotes_may_be_escaped_with_backslashes(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + 'u,"12\\" \\\\ vinyl",2\nu,b,1\n')
    dataset = read(path, interaction_settings={"quotes": "backslash"})
    assert history(dataset, "u") == ["b", '12" \\ vinyl']


def test_a_backslash_that_escapes_nothing_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + "u,a,1\n\\N,b,2\n")
    assert "row 3: its quotes cannot be read (a backslash before what needs none" in refusal(
        path, quotes="backslash"
    )


def test_quotes_may_be_ordinary_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + 'u,5" disk,2\nu,"b",1\n')
    assert history(read(path, interaction_settings={"quotes": "none"}), "u") == ['"b"', '5" disk']


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_another_separator_can_be_set(separator: str, tmp_path: Path) -> None:
    content = (HEADER + 'u,"x;y",2\nu,b,1\n').replace(",", separator)
    content = content.replace('"x;y"', f'"x{separator}y"')
    path = write(tmp_path / "r.csv", content)
    read_ = read(path, interaction_settings={"separator": separator})
    assert history(read_, "u") == ["b", f"x{separator}y"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(end: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", (HEADER + "u,b,2\nu,a,1\n").replace("\n", end))
    assert history(read(path), "u") == ["a", "b"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read_in_movielens_files(end: str, tmp_path: Path) -> None:
    path = write(tmp_path / "r.dat", "u::b::5::2\nu::a::5::1\n".replace("\n", end))
    assert history(read(path), "u") == ["a", "b"]


def test_an_id_with_a_line_break_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", HEADER + 'u,"b\nu,c",1\n')
    assert refusal(path) == (
        "r.csv, row 2: the item id 'b\\nu,c' holds a line break; check the quotes around it, or "
        "remove the line break"
    )


def test_a_field_may_be_longer_than_the_standard_library_expects(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", TITLED + f"u,a,1,{'x' * 200_000}\n")
    assert read(path).n_interactions == 1


def test_more_rows_than_are_held_at_once_are_read(tmp_path: Path) -> None:
    rows = "".join(f"u,i{number},{number}\n" for number in range(120_001))
    assert read(write(tmp_path / "r.csv", HEADER + rows)).n_interactions == 120_001


def test_a_recbole_header_that_repeats_a_name_is_refused(tmp_path: Path) -> None:
    content = "user_id:token\titem_id:token\titem_id:float\nu\ta\t1\n"
    assert refusal(write(tmp_path / "r.inter", content)) == (
        "r.inter, row 1: column 'item_id' occurs twice; rename or remove one"
    )


@pytest.mark.parametrize("word", ["NULL", "nan", "NA", "\\N", "None"])
def test_an_id_that_stands_for_a_missing_value_is_noted(word: str, tmp_path: Path) -> None:
    dataset = read(write(tmp_path / "r.csv", HEADER + f"{word},a,1\n{word},b,2\n"))
    assert dataset.notes == (
        f"rows of r.csv with the user id {word!r}: 2; if that stands for a missing value, remove "
        "them",
    )
