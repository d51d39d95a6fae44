"""Each file of bad_presets/ begins with the message that it must be refused with."""

from itertools import takewhile
from pathlib import Path

import pytest

from cli.errors import Refused
from cli.preset_file import read_preset

BAD_PRESETS = sorted(Path(__file__).parent.joinpath("bad_presets").glob("*.yaml"))


def expected_message(path: Path) -> str:
    """The comment lines that the file begins with, one for each fault."""
    lines = path.read_text().splitlines()
    return "\n".join(line[2:] for line in takewhile(lambda line: line.startswith("# "), lines))


@pytest.mark.parametrize("path", BAD_PRESETS, ids=lambda path: path.stem)
def test_a_bad_preset_is_refused_with_the_message_at_its_top(path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read_preset(path)
    assert str(refused.value) == expected_message(path)


def test_a_preset_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: café\n".encode("latin-1"))
    with pytest.raises(Refused, match=r"latin\.yaml, line 1: byte 0xe9 is not UTF-8; save"):
        read_preset(path)


def test_a_preset_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"none\.yaml: cannot be read: No such file or directory"):
        read_preset(tmp_path / "none.yaml")
