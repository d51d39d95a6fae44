"""What is suggested for a name that is no time zone; never a zone of another offset."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.presets.time_zones import zone_names, zone_remedy

QUOTED = re.compile(r'"([^"]+)"')
HOURS = range(-15, 16)
FORMS = ("UTC{0}{1}", "GMT{0}{1}", "utc {0}{1}", "{0}{1:02}:00", "{0}{1:02}00", "{0}{1}", "Z{0}{1}")


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("form", FORMS)
def test_an_offset_gets_a_zone_of_that_offset_or_none(form: str, hours: int) -> None:
    name = form.format("-" if hours < 0 else "+", abs(hours))
    for zone in QUOTED.findall(zone_remedy(name)):
        assert datetime.now(UTC).astimezone(ZoneInfo(zone)).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("hours", [one for one in HOURS if -12 <= one <= 14])
def test_an_offset_of_whole_hours_gets_a_zone(hours: int) -> None:
    assert QUOTED.findall(zone_remedy(f"UTC{hours:+}"))


@pytest.mark.parametrize("name", ["+05:30", "-0330", "UTC+15", "GMT-13"])
def test_an_offset_of_no_zone_gets_none(name: str) -> None:
    assert zone_remedy(name).startswith("it is an offset; name a city there as Region/City")


@pytest.mark.parametrize("name", ["Z", "z", "utc", "UTC+0", "GMT-0", "+00:00", " UTC "])
def test_what_means_utc_gets_utc(name: str) -> None:
    assert zone_remedy(name) == 'write "UTC"'


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("America/New York", "America/New_York"),
        ("Etc/GMT+02", "Etc/GMT+2"),
    ],
)
def test_a_misspelled_name_gets_the_right_one(name: str, meant: str) -> None:
    assert zone_remedy(name) == f'did you mean "{meant}"?'


@pytest.mark.parametrize("name", ["PST", "BST", "IST", "CEST", "EST5", "Etc/GMT-15", "qqqq", ""])
def test_an_abbreviation_gets_no_other_zone(name: str) -> None:
    assert zone_remedy(name) == 'an IANA name such as "Europe/Berlin"'


def test_what_is_suggested_is_a_zone() -> None:
    names = ("Berlin", "Etc/GMT+02", "UTC+2", "Z", "nonsense")
    assert {zone for name in names for zone in QUOTED.findall(zone_remedy(name))} <= zone_names()
