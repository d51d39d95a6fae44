"""What tables keep: in a narrow terminal, and where stdout is piped."""

import io
import json
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from steerrec.v1 import feature_pb2, preset_pb2

from cli.feature_cards import show_groups
from cli.output import show, show_json, table
from cli.preset_file import read_preset
from cli.stored_presets import show_preset, show_presets

GROUP = "attribute { name: 'genre' value: 'Children and Family' } item_count: 251"
PRESET = """
name: "weekend-horror-evening" revision: 12 state: PRESET_STATE_ACTIVE author: "operations"
description: "More horror on Friday and Saturday evenings"
targeting { is_default: true condition: "true" schedule {} rollout { percent: 12.5 }
  exclusivity_group: "evening" priority: 7 }
"""


def rows(text: str) -> list[list[str]]:
    """The cells of every line of a table."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]


def group_of_many() -> feature_pb2.AttributeGroup:
    found = text_format.Parse(GROUP, feature_pb2.AttributeGroup())
    for index in range(1000, 1030):
        found.members.add(feature_index=index, weight=0.25)
    return found


@pytest.mark.parametrize("columns", ["80", "120", "200"])
def test_an_attribute_and_its_items_are_never_cut(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show_groups([group_of_many()], as_json=False)
    told = [cells[:2] for cells in rows(capsys.readouterr().out)]
    assert ["genre=Children and Family", "251"] in told


def test_the_features_that_do_not_fit_end_in_an_ellipsis(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_groups([group_of_many()], as_json=False)
    told = [cells for cells in rows(capsys.readouterr().out) if cells]
    assert [cells[2][-1] for cells in told] == ["…"]


def test_every_feature_of_a_group_is_told_where_it_is_piped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    show_groups([group_of_many()], as_json=False)
    assert capsys.readouterr().out.count("(0.25)") == 30


def test_a_presets_name_revision_state_and_rules_are_never_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_presets([text_format.Parse(PRESET, preset_pb2.Preset())], as_json=False)
    told = [cells[:4] for cells in rows(capsys.readouterr().out)]
    assert ["weekend-horror-evening", "12", "active", "0"] in told


def test_a_preset_takes_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_presets([text_format.Parse(PRESET, preset_pb2.Preset())], as_json=False)
    assert len([cells for cells in rows(capsys.readouterr().out) if cells]) == 1


def test_a_piped_table_is_as_wide_as_what_it_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    made = table("long", "short")
    made.add_row("x" * 500, "end")
    show(made)
    assert ["x" * 500, "end"] in rows(capsys.readouterr().out)


def test_a_piped_table_is_not_wider_than_what_it_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    made = table("short")
    made.add_row("end")
    show(made)
    assert max(map(len, capsys.readouterr().out.splitlines())) == len("┃ short ┃")


def test_a_piped_table_heeds_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    made = table("long")
    made.add_row("x" * 500)
    show(made)
    assert max(map(len, capsys.readouterr().out.splitlines())) == 60


class Stdout(io.TextIOWrapper):
    """Text that is written in one encoding, strictly."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def content(self) -> bytes:
        """What was written."""
        self.flush()
        content: bytes = self.buffer.getvalue()  # type: ignore[attr-defined]
        return content


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("text", ["Amélie", "東京", "half \ud800"])
def test_json_is_exact_whatever_stdout_can_write(
    encoding: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = Stdout(encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    show_json({"title": text})
    assert json.loads(stdout.content()) == {"title": text}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_shown_preset_is_read_as_it_is_whatever_stdout_can_write(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout, rule = Stdout(encoding), "attribute { name: 'g' value: 'Amélie' } operation: 2 value: 1"
    text = f"name: 'a' description: '東京 … é' rules {{ {rule} unit: UNIT_RAW }}"
    preset = text_format.Parse(text, preset_pb2.Preset())
    monkeypatch.setattr(sys, "stdout", stdout)
    show_preset(preset, as_json=False)
    (tmp_path / "a.yaml").write_bytes(stdout.content())
    assert read_preset(tmp_path / "a.yaml").preset.message() == preset
