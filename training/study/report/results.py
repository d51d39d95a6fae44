"""What a report is made from: the results of the study's parts, and how they came to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from training.dataset import Dataset
from training.study.base import BaseStudy
from training.study.cards import CardsStudy
from training.study.doses import DosesStudy
from training.study.frontier import FrontierStudy
from training.study.interpretation_results import InterpretationStudy
from training.study.labels import LabelsStudy
from training.study.promise import PromiseStudy
from training.study.suppression import SuppressionStudy
from training.study.sweep import SweepStudy


@dataclass(frozen=True)
class Origin:
    """How a study came to be: enough to run it again."""

    command: str
    """As it was called."""
    code_commit: str
    """Of the code that ran; see `training.code_commit`."""
    seeds: tuple[int, ...]
    """Of the base models."""
    machine: str
    """One line: processor, cores, memory, versions of Python and torch."""
    started: str
    """Day and time in UTC, ISO 8601."""
    is_quick: bool = False
    """Whether everything was shrunk to run in minutes: the figures prove nothing then."""
    settings: str = ""
    """The study's and the training's settings as YAML."""


@dataclass(frozen=True)
class DataFacts:
    """The data set that was studied."""

    name: str
    """What tables call it."""
    n_users: int
    """Histories."""
    n_items: int
    """Size of the catalogue."""
    n_interactions: int
    """Of all users."""
    n_evaluated: int
    """Users with a test item."""
    n_values: Mapping[str, int]
    """Different values of each attribute name."""
    notes: tuple[str, ...] = ()
    """What was left out while reading, one sentence each."""


@dataclass(frozen=True)
class StudyResults:
    """All that a report shows; None: the part has not run. `dataclasses.asdict` of it is JSON."""

    origin: Origin
    """How it came to be."""
    data: DataFacts
    """What was studied."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time of each part that has run, by its name."""
    base: BaseStudy | None = None
    """Is the base model at the published level?"""
    sweep: SweepStudy | None = None
    """Which autoencoder is used, and why?"""
    interpretation: InterpretationStudy | None = None
    """Do features mean something?"""
    labels: LabelsStudy | None = None
    """Do their labels hold on other users?"""
    frontier: FrontierStudy | None = None
    """What does raising an attribute cost, by each rival?"""
    doses: DosesStudy | None = None
    """What does each dose do?"""
    suppression: SuppressionStudy | None = None
    """Can an attribute be brought to almost none?"""
    cards: CardsStudy | None = None
    """What do effect cards tell?"""
    promise: PromiseStudy | None = None
    """Do cards keep what they promise?"""


def data_facts(dataset: Dataset, n_evaluated: int) -> DataFacts:
    """The facts of a data set.

    Args:
        dataset: as read.
        n_evaluated: users with a test item.
    """
    names = sorted({name for item in dataset.items for name in item.attributes})
    return DataFacts(
        name=dataset.name,
        n_users=len(dataset.user_ids),
        n_items=dataset.n_items,
        n_interactions=dataset.n_interactions,
        n_evaluated=n_evaluated,
        n_values={name: _n_values(dataset, name) for name in names},
        notes=dataset.notes,
    )


def _n_values(dataset: Dataset, name: str) -> int:
    return len({value for item in dataset.items for value in item.attributes.get(name, ())})
