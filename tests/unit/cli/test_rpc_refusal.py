"""A refused request of a batch as sentences, with the exit code that says why."""

import pytest

from cli.exit_code import ExitCode
from cli.rpc_refusal import refused_result
from service.errors import InvalidRequest, ModelNotServed, Overloaded, Violation
from service.status import status_of

ID = "r-1"
TWO_FAULTS = InvalidRequest([Violation("k", "too many"), Violation("rules[2].value", "NaN")])


def test_each_field_at_fault_has_a_line() -> None:
    lines = str(refused_result(status_of(TWO_FAULTS, ID))).splitlines()
    assert lines[1:3] == ["  k: too many", "  rules[2].value: NaN"]


def test_the_status_and_message_come_first() -> None:
    first = str(refused_result(status_of(TWO_FAULTS, ID))).splitlines()[0]
    assert first == "INVALID_ARGUMENT: k: too many; rules[2].value: NaN"


def test_the_request_id_comes_last() -> None:
    assert str(refused_result(status_of(TWO_FAULTS, ID))).endswith("  request id r-1")


def test_when_to_try_again_is_told() -> None:
    assert "  try again in 0.1 s" in str(refused_result(status_of(Overloaded(8), ID)))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TWO_FAULTS, ExitCode.REFUSED),
        (ModelNotServed("v9", ["v1"]), ExitCode.NOT_FOUND),
        (Overloaded(8), ExitCode.UNAVAILABLE),
        (ZeroDivisionError(), ExitCode.REFUSED),
    ],
)
def test_the_status_decides_the_exit_code(error: Exception, code: ExitCode) -> None:
    assert refused_result(status_of(error, ID)).exit_code is code
