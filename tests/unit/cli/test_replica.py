"""Settings as the command line gives them, and what is said where they cannot be."""

import pwd

import pytest

from cli.bundles import service_store
from cli.errors import Refused
from cli.replica import replica_settings


@pytest.mark.parametrize(
    ("field", "option"),
    [("data_dir", "--data-dir"), ("bundles", "--store"), ("bind", "--bind"), ("workers", "")],
)
@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_option_is_refused(field: str, option: str, blank: str) -> None:
    with pytest.raises(Refused, match=f"{option}.* is blank: give a value, or leave it out"):
        replica_settings(**{field: blank})


def test_without_a_home_folder_a_store_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_entry(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    for name in ("HOME", "XDG_DATA_HOME", "STEERREC_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    with pytest.raises(Refused, match=r"STEERREC_DATA_DIR: must be set(.|\n)*--store"):
        service_store()
