"""Parts are made once, again when what they depend on changes, and go on after a break."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from training.config import TINY, SaeConfig, Settings
from training.dataset import Dataset
from training.progress import Report
from training.study.clock import Clock
from training.study.config import StudyConfig
from training.study.engine import Engine
from training.study.parts import AnyPart, Part, Subject
from training.study.stages import Shelf


@dataclass(frozen=True)
class Number:
    value: int


class Dose(Settings):
    amount: int = 1


@dataclass
class Heard:
    """A listener that remembers."""

    lines: list[str] = field(default_factory=list)

    def began(self, part: str) -> None:
        self.lines.append(f"{part} began")

    def step(self, step: str, done: float, total: int, note: str = "") -> None:
        self.lines.append(f"{step} {done}/{total}{note}")

    def ended(self, part: str, seconds: float) -> None:
        self.lines.append(f"{part} ended" if seconds >= 0 else "too early")

    def kept(self, part: str) -> None:
        self.lines.append(f"{part} kept")


def part(name: str, make: Callable[[Subject, Report], Number], **given: object) -> AnyPart:
    known = {"settings": lambda _config: Dose(), "reads": "sae", "weight_s": 1.0}
    return Part(name, Number, make, **{**known, **given})  # type: ignore[arg-type]


def counting(subject: Subject, report: Report) -> Number:
    report("counting", 1, 1)
    return Number(subject.run.config.sae.k)


def broken(subject: Subject, report: Report) -> Number:
    report("counting", 0, 1)
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Study:
    """One folder and data set."""

    out: Path
    data: Dataset

    def __call__(self, *parts: AnyPart, wanted: tuple[str, ...] | None = None) -> list[str]:
        """What is heard when the parts are asked for."""
        heard = Heard()
        names = tuple(p.name for p in parts)
        clock = Clock(dict.fromkeys(names, 1.0), {})
        engine = Engine(Shelf(self.out), clock, heard)
        subject = Subject(StudyConfig(train=TINY), self.data, self.out / "work")
        engine.records(parts, names if wanted is None else wanted, subject)
        return heard.lines


@pytest.fixture
def study(tmp_path: Path, ml100k: Dataset) -> Study:
    return Study(tmp_path, ml100k)


def test_a_part_is_made_with_its_news(study: Study) -> None:
    assert study(part("a", counting)) == ["a began", "counting 1/1", "a ended"]


def test_what_is_done_is_not_done_again(study: Study) -> None:
    study(part("a", counting))
    assert study(part("a", counting)) == ["a kept"]


def test_a_raised_revision_does_it_again(study: Study) -> None:
    study(part("a", counting))
    assert "a ended" in study(part("a", counting, revision=2))


def test_other_settings_do_it_again(study: Study) -> None:
    study(part("a", counting))
    assert "a ended" in study(part("a", counting, settings=lambda _: Dose(amount=2)))


def test_what_is_not_wanted_is_not_made(study: Study) -> None:
    assert study(part("a", counting), part("b", counting), wanted=("b",))[0] == "b began"


def test_after_a_break_the_parts_before_it_are_kept(study: Study) -> None:
    with pytest.raises(KeyboardInterrupt):
        study(part("a", counting), part("b", broken))
    assert study(part("a", counting), part("b", counting))[:2] == ["a kept", "b began"]


def test_the_seconds_of_a_broken_attempt_are_noted(study: Study) -> None:
    with pytest.raises(KeyboardInterrupt):
        study(part("b", broken))
    assert [path.suffix for path in (study.out / "parts").iterdir()] == [".spent"]


def choose(_result: Number, subject: Subject) -> None:
    subject.select(SaeConfig(k=7))


def test_a_part_may_select_the_sae_of_the_parts_after_it(study: Study) -> None:
    seen: list[int] = []

    def look(subject: Subject, _report: Report) -> Number:
        seen.append(subject.run.config.sae.k)
        return Number(0)

    sweep = part("sweep", counting, reads="first", after=choose)
    study(sweep, part("a", look))
    study(sweep, part("b", look))
    assert seen == [7, 7]


def test_another_sae_does_the_parts_again_that_read_it(study: Study) -> None:
    study(part("sweep", counting, reads="first"), part("a", counting))
    sweep = part("sweep", counting, reads="first", after=choose)
    assert study(sweep, part("a", counting))[:2] == ["sweep kept", "a began"]


def test_a_runs_key_does_not_train_it(study: Study) -> None:
    study(part("a", lambda *_: Number(0)))
    assert not list((study.out / "work").glob("*/*"))
