"""Config files: good ones as values, bad ones with their exact message."""

from pathlib import Path

import pytest

from tests.unit.training.files import HEADER, write
from training.builtin import load_dataset
from training.data import data_config, load_data_config
from training.errors import InvalidDataConfig, UnknownDataset

GOOD = """\
interactions:
  path: clicks.csv
  position: place
items:
  path: shop/items.csv
  attributes:
    brand: brand_name
    tag: {column: tags, separator: "|"}
min_history: 3
"""


def test_paths_are_relative_to_the_config_file(tmp_path: Path) -> None:
    config = load_data_config(write(tmp_path / "shop.yaml", GOOD))
    assert config.interactions.path == tmp_path / "clicks.csv"


def test_a_data_set_is_called_by_its_config_file(tmp_path: Path) -> None:
    assert load_data_config(write(tmp_path / "shop.yaml", GOOD)).name == "shop"


def test_a_column_alone_is_an_attribute(tmp_path: Path) -> None:
    items = load_data_config(write(tmp_path / "shop.yaml", GOOD)).items
    assert items is not None
    assert items.attributes is not None
    assert items.attributes["brand"].column == "brand_name"


def test_a_config_file_is_a_data_set(tmp_path: Path) -> None:
    write(tmp_path / "r.csv", HEADER + "u,a,1\n")
    path = write(tmp_path / "shop.yaml", "interactions:\n  path: r.csv\n")
    assert load_dataset(path).name == "shop"


def test_files_may_lie_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.yaml", GOOD)
    config = load_data_config(path, files=tmp_path / "data")
    assert config.interactions.path == tmp_path / "data" / "clicks.csv"


BAD: dict[str, tuple[str, str]] = {
    "misspelled section": (
        "interactons:\n  path: a.csv\n",
        "s.yaml: `interactions` is missing\n"
        "s.yaml: line 1: unknown key `interactons`; did you mean `interactions`?",
    ),
    "misspelled key": (
        "interactions:\n  path: a.csv\n  usr: x\n",
        "s.yaml: line 3: unknown key `interactions.usr`; did you mean `user`?",
    ),
    "misspelled attribute key": (
        "interactions:\n  path: a.csv\nitems:\n  path: b.csv\n  attributes:\n"
        "    genre: {column: x, seperator: '|'}\n",
        "s.yaml: line 6: unknown key `items.attributes.genre.seperator`; did you mean `separator`?",
    ),
    "section without keys": (
        "interactions:\n",
        "s.yaml: line 1: `interactions` must hold keys and values",
    ),
    "unlike any key": (
        "interactions:\n  path: a.csv\nqq: 1\n",
        "s.yaml: line 3: unknown key `qq`; known here: name, interactions, items, min_history, "
        "k_core",
    ),
    "key twice": (
        "interactions:\n  path: a.csv\ninteractions:\n  path: b.csv\n",
        's.yaml: line 3: found duplicate key "interactions"',
    ),
    "time and position": (
        "interactions:\n  path: a.csv\n  timestamp: t\n  position: p\n",
        "s.yaml: line 1: `interactions`: name `timestamp` or `position`, not both: "
        "one column is the order",
    ),
    "unknown encoding": (
        "interactions:\n  path: a.csv\n  encoding: foo\n",
        "s.yaml: line 3: `interactions.encoding`: 'foo' is no text encoding; try utf-8 or latin-1",
    ),
    "two faults": (
        "interactions:\n  path: a.csv\n  order: up\nmin_history: 0\n",
        "s.yaml: line 3: `interactions.order`: Input should be 'sort' or 'file'\n"
        "s.yaml: line 4: `min_history`: Input should be greater than or equal to 1",
    ),
    "not YAML": (
        "a: [\n",
        "s.yaml: line 2: not YAML: expected the node content, but found '<stream end>'",
    ),
    "an encoding that is none of text": (
        "interactions:\n  path: a.csv\n  encoding: rot13\n",
        "s.yaml: line 3: `interactions.encoding`: 'rot13' is no text encoding; try utf-8 or "
        "latin-1",
    ),
    "an encoding with a NUL": (
        'interactions:\n  path: a.csv\n  encoding: "a\\0"\n',
        "s.yaml: line 3: `interactions.encoding`: 'a\\x00' is no text encoding; try utf-8 or "
        "latin-1",
    ),
    "a separator of two characters": (
        'interactions:\n  path: a.csv\n  separator: "::"\n',
        "s.yaml: line 3: `interactions.separator`: String should have at most 1 character",
    ),
    "a separator that is a quote": (
        "interactions:\n  path: a.csv\n  separator: '\"'\n",
        "s.yaml: line 3: `interactions.separator`: '\"' cannot separate fields; try ';', '|' or "
        '"\\t"',
    ),
    "one column for two": (
        "interactions:\n  path: a.csv\n  item: user_id\n",
        "s.yaml: line 1: `interactions`: user, item and time are columns of their own; two name "
        "the same",
    ),
    "an attribute that no rule can name": (
        "interactions:\n  path: a.csv\nitems:\n  path: b.csv\n  attributes:\n    g=x: g\n",
        "s.yaml: line 6: `items.attributes.g=x`: an attribute's name cannot hold '=', which ends "
        "it in name=value",
    ),
    "nested too deep": (
        f"interactions: {'[' * 3000}{']' * 3000}\n",
        "s.yaml: line 1: more than 16 sections within each other; write fewer",
    ),
    "no number": (
        "interactions:\n  path: a.csv\nmin_history: .nan\n",
        "s.yaml: line 3: `min_history`: Input should be a finite number",
    ),
    "a number that is too large": (
        f"interactions:\n  path: a.csv\nk_core: 1{'0' * 40}\n",
        "s.yaml: line 3: `k_core`: Input should be less than or equal to 1000000000",
    ),
    "a number beyond all reading": (
        f"interactions:\n  path: a.csv\nk_core: 1{'0' * 5000}\n",
        "s.yaml: holds a value that cannot be read: Exceeds the limit (4300 digits) for integer "
        "string conversion",
    ),
    "no keys": ("- 1\n", "s.yaml: must hold keys and values, e.g. `interactions:`"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_config_is_refused_with_line_and_remedy(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    with pytest.raises(InvalidDataConfig) as refused:
        load_data_config(write(tmp_path / "s.yaml", content))
    assert str(refused.value) == message


def test_bad_flags_are_refused_alike() -> None:
    with pytest.raises(InvalidDataConfig) as refused:
        data_config({"interactions": {"path": "a.csv", "itme": "x"}})
    assert str(refused.value) == (
        "command line: unknown key `interactions.itme`; did you mean `item`?"
    )


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownDataset) as refused:
        load_dataset("ml-100")
    assert str(refused.value) == (
        "unknown data set 'ml-100': did you mean 'ml-100k'? it is no file; built in is ml-100k, "
        "and with files of yours ml-1m, amazon-beauty, movietweetings"
    )


def test_a_byte_order_mark_is_no_part_of_the_config(tmp_path: Path) -> None:
    config = load_data_config(write(tmp_path / "shop.yaml", "\ufeff" + GOOD))
    assert config.min_history == 3


def test_a_config_in_utf_16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataConfig, match=r"^s\.yaml: is not UTF-8; save it as UTF-8$"):
        load_data_config(write(tmp_path / "s.yaml", GOOD.encode("utf-16")))


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "nowhere/s.yaml"])
def test_a_name_that_no_file_has_is_unknown(name: str) -> None:
    with pytest.raises(UnknownDataset, match="it is no file") as refused:
        load_dataset(name)
    assert len(str(refused.value)) < 300


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(UnknownDataset, match="it is a folder; name the data config"):
        load_dataset(tmp_path)


def test_a_data_file_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataConfig) as refused:
        load_dataset(write(tmp_path / "r.csv", HEADER + "u,a,1\n"))
    assert str(refused.value) == (
        "r.csv: is a data file, not a data config; name it with --interactions, or as "
        "`interactions.path` of a data config"
    )
