"""A study from the words of a command line: its config, its progress, and what it wrote."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import typer

from cli.output import note, progress_console, show, table
from cli.spelling import hint
from cli.training_run import training_errors_told
from training.builtin import load_dataset
from training.study.clock import Clock, in_words
from training.study.command import NAMES, REPORT_FILE, STUDY_FILE, TABLES_FILE, Wanted, run_study
from training.study.config import (
    Layer,
    StudyConfig,
    quick_layer,
    read_layer,
    recipe_layer,
    study_config,
)
from training.study.display import StudyBars
from training.study.report.results import StudyResults
from training.study.stages import Shelf


class Asked(NamedTuple):
    """What the command line says."""

    data: str
    """A known name or the path of a data config."""
    out: Path
    """Folder of the results."""
    files: Path | None = None
    """Folder with the data set's files."""
    config: Path | None = None
    """A study config over the recipe."""
    seeds: tuple[int, ...] = ()
    """Of the base models; none: the config's."""
    parts: tuple[str, ...] = ()
    """To do; none: all."""
    work_dir: Path | None = None
    """Of what is trained; None: in the results' folder."""
    is_quick: bool = False
    """Whether everything is shrunk."""


def run(asked: Asked) -> None:
    """Do the study, as far as it is not done, and say where its results are.

    Raises:
        BadParameter: a part that does not exist.
        Refused: the data, the settings or the folder are at fault.
        Unavailable: a built-in data set cannot be fetched.
    """
    _refuse_unknown(asked.parts)
    with training_errors_told():
        config = config_of(asked)
        Shelf(asked.out)  # what cannot be written is refused before anything is read
        dataset = load_dataset(asked.data, files=asked.files)
        for sentence in dataset.notes:
            note(f"note: {sentence}")
        wanted = Wanted(
            dataset=dataset,
            config=config,
            out=asked.out,
            work_dir=asked.work_dir or asked.out / "work",
            parts=asked.parts,
            command=command_of(asked),
            is_quick=asked.is_quick,
        )
        try:
            results = run_study(wanted, _bars)
        except KeyboardInterrupt:
            note("stopped; the same command goes on from here")
            raise
    _show(results, asked.out)


def config_of(asked: Asked) -> StudyConfig:
    """The settings: defaults, the recipe or `--quick`, the file, the flags.

    Raises:
        InvalidStudyConfig: an unknown key or a value that cannot be.
    """
    known = quick_layer() if asked.is_quick else recipe_layer(asked.data)
    given = [read_layer(asked.config)] if asked.config else []
    seeds = [Layer("--seed", {"seeds": list(asked.seeds)})] if asked.seeds else []
    return study_config([*([known] if known else []), *given, *seeds])


def command_of(asked: Asked) -> str:
    """A command line that does the same study."""
    words = ["steerrec", "study", "--data", asked.data]
    for option, value in (
        ("--files", asked.files),
        ("--out", asked.out),
        ("--config", asked.config),
        ("--work-dir", asked.work_dir),
    ):
        words += [option, str(value)] if value else []
    for seed in asked.seeds:
        words += ["--seed", str(seed)]
    words += ["--parts", ",".join(asked.parts)] if asked.parts else []
    words += ["--quick"] if asked.is_quick else []
    return shlex.join(words)


def _refuse_unknown(parts: Sequence[str]) -> None:
    for name in parts:
        if name not in NAMES:
            raise typer.BadParameter(f"--parts {name!r}: no such part; {hint(name, NAMES)}")


def _bars(clock: Clock, names: Sequence[str]) -> StudyBars:
    return StudyBars(progress_console(), clock, names)


def _show(results: StudyResults, out: Path) -> None:
    parts = table("part", "took", right=["took"])
    for name, seconds in results.seconds.items():
        parts.add_row(name, in_words(seconds))
    written = table("file", "holds")
    written.add_row(str(out / REPORT_FILE), "the report, to open in a browser")
    written.add_row(str(out / TABLES_FILE), "its tables as Markdown")
    written.add_row(str(out / STUDY_FILE), "every figure as JSON")
    show(parts, written)
