"""What a result says of itself, and how its report is ghz's."""

import math
import pickle
from dataclasses import replace

import pytest

from loadtest.errors import LoadRefused, LoadtestError, Unreachable
from loadtest.levels import Level
from loadtest.load import Load
from loadtest.report import as_report
from loadtest.result import PARTS, Part, Result, Window, result_of, windows_of
from loadtest.tally import MOST_ERRORS, OK, OTHER_ERRORS, Answer, Tally, Timing

CLOSED = Load(
    address="127.0.0.1:50051",
    path="/steerrec.v1.RecommenderService/Recommend",
    requests=(b"",),
    levels=(),
    duration_s=math.inf,
    total=4,
    in_flight=2,
)
STEPS = replace(
    CLOSED, levels=(Level(10, 1), Level(20, 2)), duration_s=3.0, total=None, profile="step"
)


def tally(*, lag_s: float = 0.0, service_s: float = 0.010, count: int = 100) -> Tally:
    """Of so many calls, all alike."""
    own = Tally()
    for _ in range(count):
        own.record(Answer(OK), Timing(0.0, lag_s, lag_s + service_s), is_timed=True)
    return own


def result(load: Load, own: Tally, *, cores: float = 0.1) -> Result:
    """Of one process, with all calls in the first window."""
    rest = [Tally() for _ in windows_of(load)[1:]]
    return result_of(load, [Part([own, *rest], 3.0, 5, cores)], is_cancelled=False)


def test_each_step_is_a_window() -> None:
    assert windows_of(STEPS) == (Window(0, 1, 10), Window(1, 3, 20))


def test_a_line_is_shown_in_parts_with_their_mean_rates() -> None:
    levels = tuple(Level(10 * n, 1) for n in range(1, 31))
    windows = windows_of(replace(STEPS, levels=levels, profile="line"))
    assert len(windows) == PARTS
    assert (windows[0].end_s, windows[-1].end_s) == (3, 30)
    assert [window.rate for window in windows[:2]] == pytest.approx([20, 50])


def test_a_closed_loop_of_so_many_calls_is_one_window() -> None:
    assert windows_of(CLOSED) == (Window(0, math.inf, None),)


def test_a_closed_loop_of_a_duration_is_shown_in_parts() -> None:
    assert len(windows_of(replace(CLOSED, duration_s=20.0))) == PARTS


def test_processes_add_up() -> None:
    parts = [Part([tally(count=n), Tally()], 2.0 + n, n, n / 10) for n in (3, 4)]
    own = result_of(STEPS, parts, is_cancelled=True)
    assert (own.whole.count, own.total_s, own.most_in_flight, own.cores) == (7, 6.0, 7, 0.4)
    assert own.end == "cancel"


@pytest.mark.parametrize(
    ("lag_s", "service_s", "is_late"),
    [(0.0002, 0.001, False), (0.002, 0.001, True), (0.002, 0.1, False), (0.02, 0.1, True)],
)
def test_the_generator_is_late_when_it_is_a_notable_part_of_the_latency(
    lag_s: float, service_s: float, *, is_late: bool
) -> None:
    assert result(STEPS, tally(lag_s=lag_s, service_s=service_s)).is_late == is_late


def test_a_closed_loop_is_never_late() -> None:
    assert not result(CLOSED, tally(lag_s=1.0)).is_late


def test_a_generator_at_its_limit_says_so() -> None:
    assert [result(STEPS, tally(), cores=own).is_busy for own in (0.5, 0.95)] == [False, True]


def test_the_report_has_ghzs_keys_in_nanoseconds() -> None:
    report = as_report(result(STEPS, tally()))
    assert report["statusCodeDistribution"] == {"OK": 100}
    assert (report["count"], report["endReason"]) == (100, "timeout")
    assert report["slowest"] == pytest.approx(10_000_000)
    assert [own["percentage"] for own in report["latencyDistribution"]] == [
        *(10, 25, 50, 75, 90, 95, 99)
    ]


def test_a_report_of_refused_calls_has_no_latencies() -> None:
    own = Tally()
    own.record(Answer("Unavailable", "full"), Timing(0, 0, 1), is_timed=False)
    report = as_report(result(STEPS, own))
    assert (report["latencyDistribution"], report["errorDistribution"]) == ([], {"full": 1})


def test_errors_that_all_differ_are_counted_together() -> None:
    own = Tally()
    for number in range(3 * MOST_ERRORS):
        own.record(Answer("Internal", f"no {number}"), Timing(0, 0, 1), is_timed=False)
    assert own.errors[OTHER_ERRORS] == 2 * MOST_ERRORS
    assert own.errors.total() == 3 * MOST_ERRORS


def test_the_share_of_ok_counts_the_dropped() -> None:
    own = tally(count=3)
    own.dropped = 1
    assert own.ok_share == 0.75


@pytest.mark.parametrize("error", [LoadRefused(["a: b", "c: d"]), Unreachable("a:1", 2.0)])
def test_an_error_comes_whole_from_another_process(error: LoadtestError) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own
