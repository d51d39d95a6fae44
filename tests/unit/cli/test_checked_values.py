"""Every option of every command refuses what nothing can hold: option, value and range are told."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli.checked_values import finite_number, whole_number
from cli.command_tree import command
from cli.main import run
from cli.rule_text import context_of, preset_reference_of, rule_of

BEYOND = ("2147483648000", "-2147483649000", "99999999999999999999", "1" + "0" * 5000)
NOT_FINITE = ("nan", "inf", "-inf", "1e999")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages on one line."""
    monkeypatch.setenv("COLUMNS", "300")


def parameters(kind: Any, inner: Any, words: tuple[str, ...] = ()) -> Iterator[Any]:
    """Words of a command and the spelling of each of its options of a type."""
    for name, below in getattr(inner, "commands", {}).items():
        yield from parameters(kind, below, (*words, name))
    for one in inner.params:
        if one.type_descriptor.annotation in (kind, list[kind]) and one.opts[-1].startswith("-"):
            yield pytest.param(words, one.opts[-1], id=" ".join((*words, one.opts[-1])))


def refusal(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says of a wrong option; the status is that of a wrong command line."""
    assert run(words) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("number", ["99999999999999999999"])
@pytest.mark.parametrize(("words", "option"), [*parameters(int, command())])
def test_a_whole_number_that_no_message_holds_is_refused(
    words: tuple[str, ...], option: str, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal((*words, option, number), capsys)
    assert f"'{option}'" in said
    assert number in said


@pytest.mark.parametrize("number", ["nan"])
@pytest.mark.parametrize(("words", "option"), [*parameters(float, command())])
def test_a_number_that_is_not_finite_is_refused(
    words: tuple[str, ...], option: str, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"'{option}'" in refusal((*words, option, number), capsys)


@pytest.mark.parametrize(("words", "option"), [*parameters(str, command())])
def test_bytes_that_are_not_utf8_are_refused(
    words: tuple[str, ...], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal((*words, option, "a=\udcff"), capsys)
    assert f"'{option}'" in said
    assert "not UTF-8 text" in said


def test_a_range_is_told_with_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(("features", "search", "x", "--limit", "101"), capsys)
    assert "Invalid value for '--limit': \"101\" is not a number from 1 to 100" in said


@pytest.mark.parametrize("text", BEYOND, ids=lambda text: text[:8])
def test_a_feature_of_a_rule_that_no_message_holds_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"^--rule .* is not within "):
        rule_of(f"{text}:ADD:1")


@pytest.mark.parametrize("text", NOT_FINITE)
def test_a_value_of_a_rule_that_is_not_finite_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a finite number"):
        rule_of(f"1:ADD:{text}")


@pytest.mark.parametrize("text", ["9223372036854775808", "1" + "0" * 5000, "-1"])
def test_a_revision_that_no_message_holds_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not within 0 to 9223372036854775807"):
        preset_reference_of(f"fam@{text}")


@pytest.mark.parametrize("text", ["", "x", "1.5", "1_0", "٣", "0x1"])
def test_what_is_not_a_whole_number_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a whole number"):
        whole_number(text, "--rule")


def test_the_largest_whole_number_is_read() -> None:
    assert whole_number("2147483647", "--rule") == 2147483647


def test_a_number_is_read() -> None:
    assert finite_number("-1.5e3", "--rule") == -1500


@pytest.mark.parametrize(
    "fact",
    ["9007199254740993", "-99999999999999999999", "1e999", '[1, {"a": 1e999}]', "1" + "0" * 5000],
    ids=lambda text: text[:20],
)
def test_a_number_that_a_context_would_change_is_refused(fact: str) -> None:
    with pytest.raises(typer.BadParameter, match=r'^--context "x".*write it as text'):
        context_of([f"x={fact}"])


@pytest.mark.parametrize("fact", ['"\\ud800"', "[" * 200 + "]" * 200, "[" * 5000 + "]" * 5000])
def test_a_fact_that_no_message_holds_is_refused(fact: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"^--context"):
        context_of([f"x={fact}"])


def test_a_number_in_quotes_is_text() -> None:
    context = context_of(['x="9007199254740993"'])
    assert context is not None
    assert context["x"] == "9007199254740993"


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--seed", "3", "data"),
        ("train", "--interactions", "mine.csv", "base"),
        ("train", "--promote", "publish"),
        ("load", "--rate", "3", "data", "--out", "requests.json"),
    ],
    ids=" ".join,
)
def test_an_option_before_a_subcommand_is_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(words, capsys)
    assert f"'{words[1]}" in said
    assert "which takes options after it" in said


PLACES = ("--work-dir", "--store", "--data", "--files", "--interactions", "--config")


@pytest.mark.parametrize("option", PLACES)
def test_an_empty_place_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "it is empty" in refusal(("train", "data", option, ""), capsys)
