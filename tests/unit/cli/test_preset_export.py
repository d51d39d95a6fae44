"""Presets in force as files for git."""

from pathlib import Path

import pytest
from steerrec.v1 import preset_pb2, rule_pb2

from cli.errors import Refused
from cli.preset_export import documents, export, show_exported
from cli.preset_file import read_presets


def preset(name: str, value: float = 1.0) -> preset_pb2.Preset:
    rule = rule_pb2.Rule(feature_index=1, operation=rule_pb2.OPERATION_ADD, value=value)
    return preset_pb2.Preset(name=name, rules=[rule])


def test_each_preset_is_a_file_of_its_name(tmp_path: Path) -> None:
    export([preset("a"), preset("b")], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.yaml", "b.yaml"]


def test_exported_files_read_as_the_presets(tmp_path: Path) -> None:
    export([preset("a"), preset("b")], tmp_path)
    assert [file.preset.name for file in read_presets([tmp_path])] == ["a", "b"]


def test_all_presets_fit_one_file(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    export([preset("a"), preset("b")], path)
    assert [file.preset.name for file in read_presets([path])] == ["a", "b"]


def test_the_same_presets_leave_the_files_alone(tmp_path: Path) -> None:
    export([preset("a")], tmp_path)
    again = export([preset("a")], tmp_path)
    assert (again.written, again.unchanged) == ([], [tmp_path / "a.yaml"])


def test_files_of_no_preset_in_force_are_left_over(tmp_path: Path) -> None:
    export([preset("a"), preset("b")], tmp_path)
    assert export([preset("a")], tmp_path).left_over == [tmp_path / "b.yaml"]


def test_left_over_files_are_deleted_only_where_that_was_asked_for(tmp_path: Path) -> None:
    export([preset("a"), preset("b")], tmp_path)
    for delete in (False, True):
        show_exported(export([preset("a")], tmp_path), delete=delete, as_json=True)
        assert (tmp_path / "b.yaml").exists() is not delete


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be written"):
        export([preset("a")], tmp_path / "file" / "folder")


def test_documents_are_parted_by_a_line() -> None:
    assert documents([preset("a"), preset("b")]).count("\n---\n") == 1
