import base64

import pytest

from service.errors import InvalidRequest
from service.rpc.paging import page_size_of, page_token, position_of, start_of


def test_a_token_gives_its_position_back() -> None:
    assert position_of(page_token("features v1", "41"), "features v1") == "41"


def test_an_empty_token_is_the_beginning() -> None:
    assert position_of("", "features v1") is None


@pytest.mark.parametrize("token", ["x", "####", "bnVsbA==", page_token("features v2", "41")])
def test_a_token_of_another_list_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequest, match="page_token"):
        position_of(token, "features v1")


@pytest.mark.parametrize(("asked", "size"), [(0, 100), (1, 1), (1000, 1000)])
def test_a_page_has_the_size_asked(asked: int, size: int) -> None:
    assert page_size_of(asked) == size


@pytest.mark.parametrize("asked", [-1, 1001])
def test_a_page_size_has_limits(asked: int) -> None:
    with pytest.raises(InvalidRequest, match="page_size"):
        page_size_of(asked)


@pytest.mark.parametrize("position", ["abc", "1e3", "-5", "9" * 5000])
def test_a_forged_position_is_refused(position: str) -> None:
    with pytest.raises(InvalidRequest):
        start_of(page_token("features", position), "features")


def test_a_deeply_nested_token_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        position_of(base64.urlsafe_b64encode(b"[" * 100_000).decode(), "features")
