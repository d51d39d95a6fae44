"""Statuses are spelt as ghz spells them, and read in either spelling."""

import grpc
import pytest

from loadtest.status_names import GHZ_NAMES, ghz_name


@pytest.mark.parametrize("code", grpc.StatusCode, ids=lambda code: code.name)
def test_a_status_is_read_in_both_spellings(code: grpc.StatusCode) -> None:
    assert ghz_name(code.name) == ghz_name(GHZ_NAMES[code]) == GHZ_NAMES[code]


def test_gos_spelling_is_its_own() -> None:
    names = {GHZ_NAMES[code] for code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED)}
    assert names | {GHZ_NAMES[grpc.StatusCode.DEADLINE_EXCEEDED]} == {
        "OK",
        "Canceled",
        "DeadlineExceeded",
    }


def test_what_is_no_status_has_no_name() -> None:
    assert ghz_name("Unavailible") is None
