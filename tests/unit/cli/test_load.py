"""`steerrec load`: what words make of a load, what is printed, what its exit status says."""

from typing import Any

import pytest
import typer

from cli.errors import Refused
from cli.load_config import load_from
from cli.load_run import allowances, not_allowed
from cli.load_table import duration, remarks, summary
from loadtest.levels import Level
from loadtest.load import Load
from loadtest.result import Part, Result, result_of, windows_of
from loadtest.tally import OK, Answer, Tally, Timing

DATA = [{"history": ["50"]}]


def load(profile: str, **given: Any) -> Load:
    """Of a profile and what goes before it."""
    dashed = {name.replace("_", "-"): value for name, value in given.items()}
    return load_from(None, profile, {"data": DATA} | dashed, max_in_flight=None, processes=1)


def tally(**statuses: int) -> Tally:
    """Of so many calls with each status."""
    own = Tally()
    for status, count in statuses.items():
        for _ in range(count):
            error = "" if status == OK else f"desc = {status}"
            own.record(Answer(status, error), Timing(0, 0, 0.002), is_timed=status == OK)
    return own


def result(load_: Load, own: Tally) -> Result:
    """With all calls in the first window."""
    rest = [Tally() for _ in windows_of(load_)[1:]]
    return result_of(load_, [Part([own, *rest], 2.0, 3, 0.2)], is_cancelled=False)


def test_the_rate_of_steps_is_the_first() -> None:
    own = load("step", rate=10, load_end=30, load_step=10, load_step_duration="2s")
    assert own.levels == (Level(10, 2), Level(20, 2), Level(30, 2))


def test_the_rate_of_a_constant_load_is_its_rate() -> None:
    assert load("constant", rate=10, duration="2s").levels == (Level(10, 2),)


def test_a_rate_makes_a_closed_loop_an_open_one() -> None:
    assert load("closed", rate=10, total=20).levels == (Level(10, 2),)


def test_a_ramp_lasts_until_it_is_up() -> None:
    own = load("ramp", rate=10, load_end=50, load_step=10)
    assert sum(level.duration_s for level in own.levels) == 5


def test_a_number_of_calls_goes_before_the_profiles_duration() -> None:
    own = load("constant", total=50)
    assert (own.total, own.duration_s) == (50, float("inf"))


def test_few_calls_in_flight_have_as_few_connections() -> None:
    assert load("closed", concurrency=2).connections == 2


def test_an_unknown_profile_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refused, match=r'--profile: "stepp" is none; did you mean "step"\?'):
        load("stepp")


def test_without_data_the_command_that_makes_them_is_named() -> None:
    with pytest.raises(Refused, match="steerrec load data"):
        load_from(None, "constant", {}, max_in_flight=None, processes=1)


def test_allowances_are_read_in_both_spellings() -> None:
    read = allowances(["UNAVAILABLE=0.01", "DeadlineExceeded=1", "dropped=0.5"])
    assert read == {"Unavailable": 0.01, "DeadlineExceeded": 1.0, "Dropped": 0.5}


@pytest.mark.parametrize("text", ["UNAVAILABLE", "UNAVAILABLE=2", "NOTHING=0.1", "OK=x"])
def test_what_allows_nothing_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="CODE=SHARE"):
        allowances([text])


def test_all_ok_is_allowed() -> None:
    assert list(not_allowed(tally(OK=10), {})) == []


def test_a_status_is_told_with_its_share_and_what_may() -> None:
    (fault,) = not_allowed(tally(OK=98, Unavailable=2), {"Unavailable": 0.01})
    assert fault == (
        "Unavailable: 2 of 100 calls, 2 %; at most 1 % may (--allow Unavailable=SHARE)"
    )


def test_a_status_within_its_share_is_allowed() -> None:
    assert list(not_allowed(tally(OK=98, Unavailable=2), {"Unavailable": 0.02})) == []


def test_dropped_calls_are_no_answers() -> None:
    own = tally(OK=9)
    own.dropped = 1
    assert [fault.partition(":")[0] for fault in not_allowed(own, {})] == ["Dropped"]


def test_a_load_that_nobody_answered_is_never_allowed() -> None:
    faults = list(not_allowed(tally(Unavailable=5), {"Unavailable": 1.0}))
    assert faults == ["no call was answered, of 5"]


def test_statuses_are_printed_before_everything_else() -> None:
    text = summary(result(load("constant"), tally(OK=98, Unavailable=2)))
    assert text.splitlines()[:3] == [
        "Status code distribution:",
        "  [OK]                  98 responses",
        "  [Unavailable]         2 responses",
    ]
    assert text.index("Error distribution") < text.index("Summary") < text.index("Latency")


def test_refused_calls_alone_have_no_latencies_to_show() -> None:
    text = summary(result(load("constant"), tally(Unavailable=2)))
    assert "Latency distribution" not in text
    assert "Slowest" not in text


def test_a_late_generator_is_remarked_on() -> None:
    own = Tally()
    own.record(Answer(OK), Timing(0, 0.5, 0.6), is_timed=True)
    (remark,) = remarks(result(load("constant"), own))
    assert remark.startswith("The generator itself was late: 500.00 ms at p99")


def test_a_closed_loop_is_never_printed_without_its_remark() -> None:
    (remark,) = remarks(result(load("closed"), tally(OK=1)))
    assert remark.startswith("A closed loop asks less")


@pytest.mark.parametrize(("seconds", "text"), [(0.0012, "1.20 ms"), (1.5, "1.50 s")])
def test_a_duration_is_printed_as_ghz_prints_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
