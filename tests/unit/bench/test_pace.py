"""When training is over, and how long it took to a level."""

import pytest

from bench.pace import FEWEST_EPOCHS, Pace, Reached, first_at, is_over
from bench.training import Runner, level, show

MAX_S = 100.0


def course(*ndcgs: float) -> list[Reached]:
    """Epochs of one processor second that take two on the clock."""
    return [Reached(2.0 * n, 1.0 * n, ndcg) for n, ndcg in enumerate(ndcgs, start=1)]


def test_training_is_over_when_nothing_got_better_for_as_long_as_the_best_took() -> None:
    stuck = course(*[0.1] * (FEWEST_EPOCHS - 1), 0.5, *[0.4] * (FEWEST_EPOCHS + 1))
    assert is_over(stuck, MAX_S)
    assert not is_over(stuck[:-1], MAX_S)


def test_the_first_epochs_are_always_trained() -> None:
    assert not is_over(course(0.5, *[0.1] * (FEWEST_EPOCHS - 2)), MAX_S)


def test_training_is_over_when_its_seconds_are_used_up() -> None:
    assert is_over(course(0.1, 0.2, 0.3), 2.5)


def test_the_first_epoch_at_a_level_counts() -> None:
    assert first_at(course(0.1, 0.3, 0.4), 0.3) == Reached(4.0, 2.0, 0.3)


def test_a_level_may_never_be_reached() -> None:
    assert first_at(course(0.1), 0.3) is None


def test_validation_is_no_part_of_the_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    pace = Pace(lambda: float(sum(range(3_000_000)) > 0), MAX_S)
    for _ in range(2):
        pace.epoch_ended()
    assert pace.epochs[1].cpu_s < 0.02
    assert capsys.readouterr().out.count("ndcg") == 2


@pytest.fixture
def runners() -> list[Runner]:
    """Ours, a rival that gets less far, and one that gets nowhere."""
    courses = (course(0.1, 0.3, 0.4), course(0.1, 0.1, 0.1, 0.1, 0.1, 0.2), course(0.05))
    names = ("ours", "rival", "lost")
    return [Runner(name, (), {}, [run]) for name, run in zip(names, courses, strict=True)]


def test_the_level_is_what_both_reached(runners: list[Runner]) -> None:
    assert level(runners, 0) == 0.2


def test_the_table_says_how_many_times_longer(
    runners: list[Runner], capsys: pytest.CaptureFixture[str]
) -> None:
    show(runners, "title")
    rows = [row.split("|")[1:-1] for row in capsys.readouterr().out.splitlines() if "|" in row]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert cells["ours"] == ["0.4000", "4.0", "2.0", "1.0", "1.0"]
    assert cells["rival"] == ["0.2000", "12.0", "6.0", "1.0", "3.0"]
    assert cells["lost"] == ["0.0500", "-", "-", "1.0", "-"]
