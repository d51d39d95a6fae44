"""Progress off a terminal: plain lines, and how long the rest takes."""

import io
import threading

from rich.console import Console

from training.progress import Steps, part_of, progress_bars, progress_lines


class Hand:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


class Noted(io.StringIO):
    """A stream that says when a line has come that holds a word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word
        self.has_come = threading.Event()

    def write(self, text: str) -> int:
        """Keeps the text."""
        if self.word in text:
            self.has_come.set()
        return super().write(text)


def test_a_step_has_a_line_at_its_start_and_its_end() -> None:
    stream = io.StringIO()
    with progress_lines(stream, Steps(clock=Hand())) as report:
        for done in range(0, 301, 100):
            report("sae", done, 300, "fvu 0.1")
    assert stream.getvalue().splitlines() == [
        "sae: started, 0 of 300 steps",
        "sae: 300 of 300 steps, fvu 0.1, done in 0 s",
    ]


def test_every_epoch_has_a_line_with_what_is_left() -> None:
    stream, clock = io.StringIO(), Hand()
    with progress_lines(stream, Steps({"base model": 400.0, "sae": 30.0}, clock)) as report:
        report("base model", 0, 4)
        for done in (0.5, 1, 2):
            clock.now = 100 * done
            report("base model", done, 4, "loss 5.0")
    assert stream.getvalue().splitlines() == [
        "base model: started, 0 of 4 epochs, about 7 min",
        "base model: 1 of 4 epochs, loss 5.0, 2 min so far, about 5 min left, 6 min of all steps",
        "base model: 2 of 4 epochs, loss 5.0, 3 min so far, about 3 min left, 4 min of all steps",
    ]


def test_the_only_unit_of_a_step_is_told_in_percent() -> None:
    steps = Steps(clock=Hand())
    assert steps.reported("base model", 0.125, 1, "").share() == "12 %"
    assert not steps.reported("base model", 1, 1, "").share()


def test_a_step_that_goes_on_is_judged_by_what_it_did_now() -> None:
    stream, clock = io.StringIO(), Hand()
    with progress_lines(stream, Steps(clock=clock)) as report:
        report("base model", 30, 40)
        clock.now = 60.0
        report("base model", 31, 40)
    assert stream.getvalue().splitlines()[-1].endswith("1 min so far, about 9 min left")


def test_a_step_that_says_nothing_is_told_all_the_same() -> None:
    stream = Noted("so far")
    with progress_lines(stream, Steps(), every_s=0.01) as report:
        report("clusters of items", 0, 1)
        assert stream.has_come.wait(30)
    assert "clusters of items: 0 s so far" in stream.getvalue()


def test_work_after_a_step_is_told_as_such() -> None:
    stream = Noted("still working")
    with progress_lines(stream, Steps(), every_s=0.01) as report:
        report("effects", 1, 1)
        assert stream.has_come.wait(30)
    assert "still working, 0 s since effects was done" in stream.getvalue()
    assert stream.getvalue().count("effects: done") == 1


def test_lines_hold_no_control_characters() -> None:
    stream = io.StringIO()
    with progress_bars(Console(file=stream)) as report:
        report("base model", 0, 1)
        report("base model", 1, 1, "loss 5.0")
    assert stream.getvalue().replace("\n", "").isprintable()
    assert "base model: started" in stream.getvalue()


def test_a_terminal_has_bars() -> None:
    stream = io.StringIO()
    with progress_bars(Console(file=stream, force_terminal=True, width=120)) as report:
        report("base model", 1, 2)
    assert "━" in stream.getvalue()


def test_a_closed_stream_does_not_end_the_run() -> None:
    stream = io.StringIO()
    with progress_lines(stream, Steps()) as report:
        stream.close()
        report("sae", 0, 10)


def test_parts_of_a_step_count_on() -> None:
    told: list[tuple[str, float, int]] = []

    def report(step: str, done: float, total: int, note: str = "") -> None:
        assert not note
        told.append((step, done, total))

    part_of(report, 1, 2)("effects", 3, 10)
    assert told == [("effects", 13, 20)]
