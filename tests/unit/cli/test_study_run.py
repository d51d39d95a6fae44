"""A study's words: its settings from all sides, and a command that does it again."""

from pathlib import Path

import pytest
import typer

from cli.errors import Refused
from cli.study_run import Asked, command_of, config_of, run
from training.study.config import QUICK


def asked(**words: object) -> Asked:
    return Asked(**{"data": "ml-100k", "out": Path("out"), **words})  # type: ignore[arg-type]


def test_a_file_goes_over_the_quick_form(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("seeds: [4]\n")
    assert config_of(asked(is_quick=True, config=path)) == QUICK.model_copy(update={"seeds": (4,)})


def test_seeds_go_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("seeds: [4]\n")
    assert config_of(asked(config=path, seeds=(5, 6))).seeds == (5, 6)


@pytest.mark.parametrize("name", ["ml-1m", "amazon-beauty", "movietweetings", "ml-100k"])
def test_every_known_data_set_has_settings_that_are_sound(name: str) -> None:
    assert config_of(asked(data=name)).seeds


def test_the_command_on_record_says_all_that_was_asked() -> None:
    words = asked(files=Path("my data"), seeds=(1, 2), parts=("sweep", "labels"), is_quick=True)
    assert command_of(words) == (
        "steerrec study --data ml-100k --files 'my data' --out out --seed 1 --seed 2 "
        "--parts sweep,labels --quick"
    )


def test_an_unknown_part_gets_the_nearest() -> None:
    with pytest.raises(typer.BadParameter, match=r"no such part; did you mean \"frontier\"\?"):
        run(asked(parts=("fronteer",)))


def test_an_unknown_key_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("frontier: {n_user: 3}\n")
    with pytest.raises(Refused, match=r"line 1: unknown key `frontier.n_user`; did you mean"):
        run(asked(config=path))


def test_a_data_set_whose_files_are_not_brought_is_refused() -> None:
    with pytest.raises(Refused, match="say which folder holds ratings"):
        run(asked(data="ml-1m"))


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(Refused, match="a file, where a folder is needed; remove it"):
        run(asked(out=path))
