"""What is told where a model store has not what was asked for."""

from pathlib import Path

import pytest

from cli.commands.models import list_models
from cli.empty_store import found_in, store_named
from cli.errors import NotFound
from cli.preset_check import check_in_bundle
from model_store.errors import BundleMissing
from model_store.store import Store


def test_an_empty_store_is_told_empty(tmp_path: Path) -> None:
    assert found_in(Store(str(tmp_path))) == f"model store {tmp_path} is empty"


def test_a_missing_store_is_told_missing(tmp_path: Path) -> None:
    assert found_in(Store(f"{tmp_path}/none")) == f"model store {tmp_path}/none is missing"


def test_a_remote_store_is_named_by_its_url() -> None:
    assert found_in(Store("memory://none")) == "model store memory://none is empty or missing"


def test_a_bundle_not_found_names_the_store(tmp_path: Path) -> None:
    told = pytest.raises(NotFound, match=f"named 'v9'; model store {tmp_path} is empty")
    with told, store_named(Store(str(tmp_path))):
        raise BundleMissing("v9")


def test_a_check_against_no_bundle_names_the_store(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"'production'; model store {tmp_path} is empty"):
        check_in_bundle([], str(tmp_path), "production")


def test_a_list_of_no_bundles_names_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list_models(str(tmp_path))
    assert f"model store {tmp_path} is empty" in capsys.readouterr().err


def test_a_list_of_no_bundles_is_an_empty_json_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list_models(str(tmp_path), as_json=True)
    assert capsys.readouterr().out == "[]\n"
