"""What a study says where there is no terminal."""

from io import StringIO

from rich.console import Console

from training.study.clock import Clock
from training.study.display import StudyBars


def said(*, is_terminal: bool) -> str:
    stream = StringIO()
    clock = Clock({"base": 120.0, "sweep": 60.0}, {})
    console = Console(file=stream, force_terminal=is_terminal, width=120)
    with StudyBars(console, clock, ("base", "sweep")) as bars:
        clock.finish("base")
        bars.kept("base")
        clock.start("sweep")
        bars.began("sweep")
        bars.step("training", 1, 2, "loss .5")
        clock.finish("sweep", 30)
        bars.ended("sweep", 30)
    return stream.getvalue()


def test_without_a_terminal_each_part_is_a_line() -> None:
    assert said(is_terminal=False).splitlines()[:3] == [
        "base: done before",
        "sweep: began; about 1 min left for all",
        "sweep: done in 30 s",
    ]


def test_a_terminal_shows_the_running_part_and_its_step() -> None:
    shown = said(is_terminal=True)
    assert "sweep, 2 of 2" in shown
    assert "loss .5" in shown
