"""Who writes a preset where the command line does not say it."""

import getpass
import os
import socket
from collections.abc import Iterator

import pytest
import typer

from cli.authors import author_of

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user without a variable or an entry of the password file, as in many containers."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    before = os.getuid()
    if before != 0:
        pytest.skip("only root can become a user without a login name")
    os.seteuid(0)
    os.setreuid(54321, 0)
    yield
    os.setreuid(0, 0)


def test_the_author_given_counts() -> None:
    assert author_of("ada") == "ada"


@pytest.mark.parametrize("given", [None, "", "  "])
def test_the_author_is_who_is_logged_in_where(
    given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert author_of(given) == f"ada@{socket.gethostname().partition('.')[0]}"


def test_the_service_itself_is_no_author(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "steerrec")
    with pytest.raises(typer.BadParameter, match="give --author NAME"):
        author_of(None)


@pytest.mark.usefixtures("nameless")
def test_a_user_without_a_login_name_is_asked_for_one() -> None:
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    with pytest.raises(typer.BadParameter, match="give --author NAME"):
        author_of(None)
