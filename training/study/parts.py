"""A part of a study: what it depends on, how it is made, and how long it is supposed to take."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from training.config import SaeConfig, Settings, TrainConfig
from training.dataset import Dataset
from training.pipeline import Run
from training.progress import Report, silent
from training.study.config import StudyConfig
from training.study.stages import fingerprint

Result = TypeVar("Result")


class Subject:
    """What is studied: runs on one data set, by the config, in one work folder."""

    def __init__(
        self, config: StudyConfig, dataset: Dataset, work_dir: Path, report: Report = silent
    ) -> None:
        self.config = config
        self.dataset = dataset
        self._work_dir = work_dir
        self._report = report
        self._selected: SaeConfig | None = None

    @cached_property
    def catalogue(self) -> str:
        """Fingerprint of titles and attributes, which the training's own does not hold."""
        items = self.dataset.items
        return fingerprint([[item.title, dict(item.attributes)] for item in items])

    @cached_property
    def first(self) -> Run:
        """The first seed's base model with the SAE of the config."""
        return self.run_of(self.config.first)

    @cached_property
    def run(self) -> Run:
        """The same base model with the SAE that is studied: the sweep's, once it was swept."""
        if self._selected in (None, self.config.train.sae):
            return self.first
        return self.run_of(self.config.first.model_copy(update={"sae": self._selected}))

    def run_of(self, config: TrainConfig) -> Run:
        """The run of a config; nothing is trained before it is asked for."""
        return Run(config, self.dataset, self._work_dir, self._report)

    def select(self, sae: SaeConfig) -> None:
        """From now on this SAE is studied."""
        self._selected = sae
        self.__dict__.pop("run", None)


@dataclass(frozen=True)
class Part(Generic[Result]):
    """One part of a study."""

    name: str
    """On the command line, in file names, and of its section in the config."""
    result: type[Result]
    """A frozen dataclass that is JSON through `dataclasses.asdict`."""
    make: Callable[[Subject, Report], Result]
    """Trains what is missing, and measures."""
    settings: Callable[[StudyConfig], Settings]
    """What of the config it reads, beside what was trained."""
    reads: Literal["seeds", "first", "sae", "cards"]
    """What of the training it reads: every seed's base model; the first one's, with the config's
    SAE; the SAE that is studied; its cards too."""
    weight_s: float
    """Seconds on ml-1m on one core, where nothing was measured yet."""
    after: Callable[[Result, Subject], None] = lambda _result, _subject: None
    """What the result changes for the parts after it."""
    revision: int = 1
    """Raised when the same settings give something else: the part is done again."""

    def key(self, subject: Subject) -> str:
        """Fingerprint of everything that the result depends on."""
        settings = self.settings(subject.config).model_dump(mode="json")
        trained, catalogue = self._trained(subject), subject.catalogue
        return fingerprint(self.name, self.revision, settings, trained, catalogue)

    def _trained(self, subject: Subject) -> object:
        if self.reads == "seeds":
            return [subject.first.keys["base"], list(subject.config.seeds)]
        if self.reads == "first":
            return subject.first.keys["sae"]
        return subject.run.keys[self.reads]


AnyPart = Part[Any]
