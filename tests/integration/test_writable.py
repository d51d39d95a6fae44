"""Folders and files that cannot be written are told before a port is bound."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from service.errors import PlaceUnusable
from service.process import prepare_places
from service.server import serve
from service.settings import Settings
from service.writable import prepare_file, prepare_folder
from tests.permissions import permissions_hold

NAME = "STEERREC_X"


def test_a_folder_is_made(tmp_path: Path) -> None:
    prepare_folder(NAME, tmp_path / "a" / "b")
    assert [*(tmp_path / "a" / "b").iterdir()] == []


def test_a_relative_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare_folder(NAME, Path("data"))
    assert (tmp_path / "data").is_dir()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(PlaceUnusable, match=r"STEERREC_X: .*/data cannot be written: it is a file"):
        prepare_folder(NAME, tmp_path / "data")


def test_nothing_is_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(PlaceUnusable, match="a part of the path is a file"):
        prepare_folder(NAME, tmp_path / "data" / "x")


def test_a_folder_of_another_user_is_told_with_the_uid(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        permissions_hold(),
        pytest.raises(PlaceUnusable, match=f"permission denied for uid {os.getuid()}"),
    ):
        prepare_folder(NAME, tmp_path)


def test_a_folder_within_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir(mode=0o500)
    with permissions_hold(), pytest.raises(PlaceUnusable, match="/redis cannot be written"):
        prepare_folder(NAME, tmp_path)


def test_a_store_within_may_be_read_only(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o500)
    with permissions_hold():
        prepare_folder(NAME, tmp_path)


def test_a_circle_of_links_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "data")
    with pytest.raises(PlaceUnusable, match="cannot be written"):
        prepare_folder(NAME, tmp_path / "data" / "x")


def test_the_file_of_a_run_before_is_removed(tmp_path: Path) -> None:
    (tmp_path / "ready").write_text("old")
    prepare_file(NAME, tmp_path / "ready")
    assert [*tmp_path.iterdir()] == []


def test_a_file_in_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlaceUnusable, match="its folder does not exist"):
        prepare_file(NAME, tmp_path / "nowhere" / "ready")


def test_a_file_that_is_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlaceUnusable, match="cannot be written"):
        prepare_file(NAME, tmp_path)


def test_a_file_in_a_folder_of_another_user_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with permissions_hold(), pytest.raises(PlaceUnusable, match="permission denied"):
        prepare_file(NAME, tmp_path / "ready")


async def test_the_start_stops_before_a_port_is_bound(
    settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = settings_for(ready_file=tmp_path / "nowhere" / "ready")
    with pytest.raises(PlaceUnusable, match="STEERREC_READY_FILE"):
        await serve(settings)


def test_both_places_of_a_replica_are_looked_at(
    settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = settings_for(ready_file=tmp_path / "ready")
    prepare_places(settings)
    assert settings.data_dir.is_dir()
