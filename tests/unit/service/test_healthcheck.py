"""What the container's health check dials."""

import pytest

from service.healthcheck import DEFAULT_BIND, bind_of, dialled, main
from service.settings import Settings, load_settings

DATA = {"STEERREC_DATA_DIR": "d"}


def test_it_assumes_the_servers_own_default() -> None:
    assert Settings.model_fields["bind"].default == DEFAULT_BIND


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:50051", "127.0.0.1:50051"),
        ("0.0.0.0:50051", "127.0.0.1:50051"),
        ("[::]:7", "[::1]:7"),
        ("[0::0]:7", "[::1]:7"),
        ("localhost:50051", "localhost:50051"),
    ],
)
def test_a_server_on_every_address_is_dialled_on_loopback(bind: str, address: str) -> None:
    assert dialled(bind) == address


@pytest.mark.parametrize(
    ("environ", "bind"),
    [
        ({}, DEFAULT_BIND),
        ({"STEERREC_BIND": " "}, DEFAULT_BIND),
        ({"steerrec_bind": " [::1]:7 "}, "[::1]:7"),
    ],
)
def test_it_reads_the_setting_as_the_server_does(environ: dict[str, str], bind: str) -> None:
    assert bind_of(environ) == bind == load_settings(environ | DATA).bind


@pytest.mark.parametrize("bind", ["junk", "h:x", "127.0.0.1:\udcff", "[x]:1"])
def test_a_bind_that_is_no_address_is_a_sentence(
    bind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEERREC_BIND", bind)
    assert main() == 1
    assert capsys.readouterr().err.startswith(f"STEERREC_BIND={bind!a}: ")
