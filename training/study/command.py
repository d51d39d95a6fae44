"""The whole study of one data set: every part, one record of it all, one report.

    base -> sweep -> interpretation -> labels -> cards
         -> frontier -> doses -> suppression -> promise

Each part's result is kept (`stages`); `study.json` holds all of them with what they came from, and
`report.html` and `study.md` are made of it.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from ruamel.yaml import YAML

from training.code_commit import code_commit
from training.config import SaeConfig
from training.dataset import Dataset
from training.errors import InvalidStudyConfig
from training.pipeline import Run
from training.progress import Report
from training.storage import OTHER_WORK_FOLDER, alone
from training.study import (
    base,
    cards,
    doses,
    frontier,
    interpretation,
    labels,
    promise,
    suppression,
    sweep,
)
from training.study.clock import Clock
from training.study.config import StudyConfig
from training.study.display import StudyBars
from training.study.engine import AnyRecord, Engine, Listener
from training.study.interpretation_results import InterpretationStudy
from training.study.machine import machine
from training.study.markdown import markdown
from training.study.parts import AnyPart, Part, Subject
from training.study.report.page import write_report
from training.study.report.results import Origin, StudyResults, data_facts
from training.study.stages import OTHER_OUT, Shelf, strict_json, write_whole
from training.study.targets import TargetSettings, targets

STUDY_FILE: Final = "study.json"
REPORT_FILE: Final = "report.html"
TABLES_FILE: Final = "study.md"
ML_1M_INTERACTIONS: Final = 1_000_209
"""Of the data set that the weights are about."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Wanted:
    """A study, and where it is kept."""

    dataset: Dataset
    """What is studied."""
    config: StudyConfig
    """How."""
    out: Path
    """Folder of the results."""
    work_dir: Path
    """Folder of what is trained; what `steerrec train` made there counts."""
    parts: tuple[str, ...] = ()
    """Names of those to do, with those they need; none: all."""
    command: str = ""
    """As it was called, for the record."""
    is_quick: bool = False
    """Whether it was shrunk: its figures prove nothing."""


def _part(
    name: str,
    result: type[Result],
    study_of: Callable[[Run, Any, Report], Result],
    reads: Literal["seeds", "first", "sae", "cards"],
    weight_s: float,
    **given: Any,
) -> Part[Result]:
    """A part whose settings are the section of its name, unless they are given."""
    settings = given.pop("settings", attrgetter(name))

    def make(subject: Subject, report: Report) -> Result:
        run = subject.first if reads in ("seeds", "first") else subject.run
        return study_of(run, settings(subject.config), report)

    return Part(name, result, make, settings, reads, weight_s, **given)


def _select(study: sweep.SweepStudy, subject: Subject) -> None:
    """The SAE that the sweep's rule picked is studied from here on, unless the config says no."""
    if subject.config.is_swept:
        subject.select(selected_sae(study, subject.config))


def selected_sae(study: sweep.SweepStudy, config: StudyConfig) -> SaeConfig:
    """The settings with which the sweep trained what its rule picked."""
    row = study.selected.row
    return sweep.cell_of(row).config(config.train.sae, study.d_model, config.sweep.steps)


def _base_settings(config: StudyConfig) -> base.BaseSettings:
    return base.BaseSettings(seeds=config.seeds)


PARTS: Final[tuple[AnyPart, ...]] = (
    _part("base", base.BaseStudy, base.study_of, "seeds", 4_500, settings=_base_settings),
    _part("sweep", sweep.SweepStudy, sweep.study_of, "first", 1_500, after=_select),
    _part("interpretation", InterpretationStudy, interpretation.study_of, "sae", 300),
    _part("labels", labels.LabelsStudy, labels.study_of, "cards", 60),
    _part("cards", cards.CardsStudy, cards.study_of, "cards", 600),
    _part("frontier", frontier.FrontierStudy, frontier.study_of, "cards", 600),
    _part("doses", doses.DosesStudy, doses.study_of, "cards", 600),
    _part("suppression", suppression.SuppressionStudy, suppression.study_of, "cards", 100),
    _part("promise", promise.PromiseStudy, promise.study_of, "cards", 100, revision=2),
)
"""In order. Weights are seconds that each took on ml-1m on one core."""

STEERING: Final = ("frontier", "doses", "suppression")
"""Parts that raise or lower attribute values."""

TRAINING: Final = tuple(part.name for part in PARTS if part.reads in ("seeds", "first"))
"""Parts that mostly train."""

NAMES: Final = tuple(part.name for part in PARTS)


def run_study(wanted: Wanted, bars: Callable[[Clock, Sequence[str]], StudyBars]) -> StudyResults:
    """Everything that the study finds, when what is wanted of it is done; written to its folder.

    Args:
        wanted: what to do.
        bars: shows how it goes.

    Raises:
        UnusableOutput: the folder cannot be written, or another study or training is at work there.
        InvalidStudyConfig: a part would find nothing to steer.
        TrainingError: a part cannot be done.
    """
    started, shelf = datetime.now(UTC), Shelf(wanted.out)
    refuse_without_targets(wanted)
    with (
        alone(wanted.out, "study", OTHER_OUT),
        alone(wanted.work_dir, "training or study", OTHER_WORK_FOLDER),
    ):
        clock = Clock(_weights_s(wanted.dataset), _measured_s(shelf), TRAINING)
        with bars(clock, NAMES) as shown:
            records = _records(wanted, shelf, clock, shown)
        results = _results(wanted, records, started)
        write_results(results, records, wanted.out)
    return results


def write_results(results: StudyResults, records: Mapping[str, AnyRecord], out: Path) -> None:
    """Writes the record, the tables and the report of a study into its folder."""
    made = {
        name: {"seconds": r.seconds, "code_commit": r.code_commit, "machine": r.machine}
        for name, r in records.items()
    }
    write_whole(out / STUDY_FILE, strict_json({**asdict(results), "made": made}))
    write_whole(out / TABLES_FILE, markdown(results))
    write_report(results, out / REPORT_FILE)


def refuse_without_targets(wanted: Wanted) -> None:
    """Raises, before anything is trained, where a part would find no attribute to steer.

    Raises:
        UnknownStudyAttribute: no item carries a named value.
        InvalidStudyConfig: no value is carried by enough items; every part's fault.
    """
    asked = [name for name in STEERING if name in needed(wanted.parts, wanted.config)]
    sections = {name: attrgetter(name)(wanted.config) for name in asked}
    empty = [name for name in asked if not targets(wanted.dataset, sections[name]).values]
    if empty:
        raise InvalidStudyConfig([_without_targets(name, sections[name]) for name in empty])


def _without_targets(name: str, settings: TargetSettings) -> str:
    return (
        f"`{name}`: no attribute value is on {settings.min_items} items or more and on at most half"
        f" of all; lower `{name}.min_items`, name `{name}.attributes`, or give the data config"
        f" `items.attributes`"
    )


def needed(parts: Sequence[str], config: StudyConfig) -> tuple[str, ...]:
    """The parts named, with the sweep where another part needs to know the SAE; none named: all."""
    if not parts:
        return NAMES
    asks = config.is_swept and any(p.reads in ("sae", "cards") for p in PARTS if p.name in parts)
    return (*parts, "sweep") if asks else tuple(parts)


def _records(
    wanted: Wanted, shelf: Shelf, clock: Clock, listener: Listener
) -> Mapping[str, AnyRecord]:
    engine = Engine(shelf, clock, listener)
    subject = Subject(wanted.config, wanted.dataset, wanted.work_dir, engine.report)
    return engine.records(PARTS, needed(wanted.parts, wanted.config), subject)


def _results(wanted: Wanted, records: Mapping[str, AnyRecord], started: datetime) -> StudyResults:
    n_evaluated = sum(len(history) >= 3 for history in wanted.dataset.histories)
    return StudyResults(
        origin=Origin(
            command=wanted.command,
            code_commit=code_commit(),
            seeds=wanted.config.seeds,
            machine=machine(),
            started=started.isoformat(timespec="seconds"),
            is_quick=wanted.is_quick,
            settings=_yaml(wanted.config),
        ),
        data=data_facts(wanted.dataset, n_evaluated),
        seconds={name: record.seconds for name, record in records.items()},
        **{name: record.result for name, record in records.items()},
    )


def _weights_s(dataset: Dataset) -> Mapping[str, float]:
    """Weights of the parts for a data set of this size."""
    size = dataset.n_interactions / ML_1M_INTERACTIONS
    return {part.name: part.weight_s * size for part in PARTS}


def _measured_s(shelf: Shelf) -> Mapping[str, float]:
    found = {name: shelf.newest_s(name) for name in NAMES}
    return {name: seconds for name, seconds in found.items() if seconds is not None}


def _yaml(config: StudyConfig) -> str:
    written = io.StringIO()
    YAML(typ="safe").dump(config.model_dump(mode="json"), written)
    return written.getvalue()
