"""The report of a fault: what it holds, and what it must not."""

import tempfile
from pathlib import Path

import pytest

from cli import fault_report
from cli.fault_report import masked, report, reported, written


@pytest.mark.parametrize(
    "text",
    [
        "redis://user:hunter2@host:6379/0",
        "rediss://:hunter2@host",
        "AuthenticationError: password='hunter2'",
        "s3_secret_key=hunter2&x=1",
        '{"token": "hunter2"}',
        "Authorization: Bearer hunter2",
        "'--api-key=hunter2'",
    ],
)
def test_a_secret_of_a_text_is_masked(text: str) -> None:
    assert "hunter2" not in masked(text, {})


def test_what_a_secret_variable_holds_is_masked_wherever_it_stands() -> None:
    assert masked("refused: hunter2", {"AWS_SECRET_ACCESS_KEY": "hunter2"}) == "refused: ***"


def test_an_ordinary_text_stays_as_it_is() -> None:
    text = "at http://127.0.0.1:50051/x, the 12th feature: density 0.25; genre=Horror"
    assert masked(text, {"HOME": "density"}) == text


def test_a_report_holds_the_command_the_versions_and_the_traceback() -> None:
    text = report(ZeroDivisionError("division by zero"), ["recommend", "a b"])
    assert "command: steerrec recommend 'a b'\n" in text
    assert "\ngrpcio: " in text
    assert text.endswith("ZeroDivisionError: division by zero\n")


def test_a_report_with_half_a_character_is_written() -> None:
    path = written("\ud800")
    assert path is not None
    assert path.read_text() == "\\ud800"
    path.unlink()


def test_a_report_goes_to_this_folder_where_there_is_no_temp_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    path = written("x")
    assert path is not None
    assert path.parent == tmp_path


def test_a_report_that_no_folder_takes_is_part_of_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(tempfile, "tempdir", str(gone))
    said = reported(RuntimeError("so"), ["serve"])
    assert "please report it with what follows" in said
    assert "command: steerrec serve" in said


def test_the_debug_variable_prints_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fault_report.DEBUG_VARIABLE, "1")
    assert "command: steerrec serve" in reported(RuntimeError("so"), ["serve"])
