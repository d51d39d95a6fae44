"""Variables of the command line: blank ones count as unset, misspelt ones are told."""

import pytest

from cli.client_variables import NAMES, misspelt, strip_values
from cli.fault_report import DEBUG_VARIABLE
from cli.options import ADDRESS_VARIABLE
from training.labeller_endpoint import KEY_VARIABLE


def test_these_are_the_variables_that_are_read() -> None:
    assert set(NAMES) == {ADDRESS_VARIABLE, DEBUG_VARIABLE, KEY_VARIABLE}


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_variable_counts_as_unset(blank: str) -> None:
    environ = {ADDRESS_VARIABLE: blank, "PATH": " "}
    strip_values(environ)
    assert environ == {"PATH": " "}


def test_blanks_around_a_value_do_not_count() -> None:
    environ = {ADDRESS_VARIABLE: " h:1\r\n"}
    strip_values(environ)
    assert environ == {ADDRESS_VARIABLE: "h:1"}


def test_a_misspelt_variable_is_told_with_the_right_name() -> None:
    (sentence,) = misspelt({"STEERREC_CLIENT_ADRESS": "h:1", ADDRESS_VARIABLE: "h:1"})
    assert sentence.endswith(f"did you mean {ADDRESS_VARIABLE}?")


def test_a_variable_of_another_client_is_not_told() -> None:
    assert not [*misspelt({"STEERREC_CLIENT_SERVICE_HOST": "10.0.0.1"})]
