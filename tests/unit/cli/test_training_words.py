"""Data and settings of a training run, as words."""

from pathlib import Path

import pytest
import typer

from cli.errors import Refused
from cli.training_words import config_of, data_of
from training.data import DataConfig


def described(*, columns: list[str], attributes: list[str]) -> DataConfig:
    config = data_of(
        None,
        interactions=Path("clicks.csv"),
        items=Path("items.csv"),
        columns=columns,
        attributes=attributes,
    )
    assert isinstance(config, DataConfig)
    return config


def plain(name: str | None, items: Path | None = None, interactions: Path | None = None) -> object:
    return data_of(name, interactions=interactions, items=items, columns=[], attributes=[])


def test_no_words_mean_the_built_in_data_set() -> None:
    assert plain(None) == "ml-100k"


def test_a_name_is_taken_as_it_is() -> None:
    assert plain("shop.yaml") == "shop.yaml"


def test_columns_reach_their_section() -> None:
    config = described(columns=["user=visitor", "items.title=name"], attributes=[])
    assert config.items is not None
    assert (config.interactions.user, config.items.title) == ("visitor", "name")


def test_an_attribute_may_name_its_separator() -> None:
    config = described(columns=[], attributes=["genre=genres:|"])
    assert config.items is not None
    assert config.items.attributes is not None
    genre = config.items.attributes["genre"]
    assert (genre.column, genre.separator) == ("genres", "|")


def test_an_unknown_role_gets_the_nearest_one() -> None:
    with pytest.raises(typer.BadParameter, match='did you mean "timestamp"'):
        described(columns=["timestmp=at"], attributes=[])


def test_items_without_interactions_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="go with --interactions"):
        plain(None, items=Path("items.csv"))


def test_a_name_and_files_together_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="two ways to say the same"):
        plain("ml-100k", interactions=Path("clicks.csv"))


def test_flags_go_before_the_config_file(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text("seed: 3\nthreads: 1\n")
    config = config_of(path, seed=7, device=None)
    assert (config.seed, config.threads) == (7, 1)


def test_a_bad_device_is_refused() -> None:
    with pytest.raises(Refused, match="device"):
        config_of(None, seed=None, device="tpu")


@pytest.mark.parametrize(
    ("columns", "attributes"),
    [(["user=a", "user=b"], []), ([], ["genre=a", "genre=b"])],
)
def test_a_setting_that_is_given_twice_is_refused(
    columns: list[str], attributes: list[str]
) -> None:
    with pytest.raises(typer.BadParameter, match="is given twice"):
        described(columns=columns, attributes=attributes)
