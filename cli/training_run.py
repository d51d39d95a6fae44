"""A training run, or one step of it, with progress bars and a summary."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from cli.bundles import metrics_table, store_errors_told
from cli.errors import Refused, Unavailable, told_as
from cli.output import note, progress_console, show, show_json, table
from cli.replica import replica_settings
from cli.training_estimate import announce, show_estimate
from training.builtin import load_dataset
from training.config import TrainConfig
from training.cost.estimate import estimate, forecast
from training.data import DataConfig
from training.dataset import Dataset
from training.errors import TrainingError, UnavailableDownload
from training.feasibility import memory_errors, missing_for_training
from training.pipeline import Run
from training.progress import progress_bars
from training.storage import OTHER_WORK_FOLDER, alone, storage_errors

Summary = Mapping[str, object]
"""What a step made, by name; `metrics` is a mapping of its own."""


class Wanted(NamedTuple):
    """What to train, on what, and where to put it."""

    data: str | DataConfig
    """A built-in name, the path of a data config, or a config."""
    config: TrainConfig
    """Settings of every step."""
    work_dir: Path | None = None
    """Outputs of the steps; None: `training` in the service's data folder."""
    store_url: str | None = None
    """Where the bundle is published; None: the service's own store."""
    is_promoted: bool = True
    """Whether the label `production` is pointed at the bundle."""
    files: Path | None = None
    """Folder with the files of a described data set."""


def run(step: str, wanted: Wanted, *, as_json: bool, only_estimate: bool = False) -> None:
    """Print what the step and those it needs will take, do them, then print what came of it.

    Args:
        step: one of STEPS.
        wanted: what to train, on what, and where to put it.
        as_json: print JSON.
        only_estimate: do nothing but the estimate, and print that.

    Raises:
        Refused: the data or the settings are at fault.
        Unavailable: a built-in data set cannot be fetched.
    """
    with training_errors_told():
        dataset = load_dataset(wanted.data, files=wanted.files)
        for sentence in dataset.notes:
            note(f"note: {sentence}")
        work_dir = wanted.work_dir or replica_settings().data_dir / "training"
        with _lock(work_dir, writes=step != "data" and not only_estimate):
            training = Run(wanted.config, dataset, work_dir)
            costs = estimate(training, step)
            if only_estimate:
                show_estimate(training, costs, as_json=as_json)
                return
            announce(training, costs)
            with progress_bars(progress_console(), forecast(costs)) as report:
                training.report = report
                made = STEPS[step](training, wanted)
    if as_json:
        show_json(made)
    else:
        _show(made)


@contextmanager
def training_errors_told() -> Iterator[None]:
    """Ends the command with what training says of bad data, settings, stores or the machine."""
    with (
        store_errors_told(),
        told_as(Refused, TrainingError),
        told_as(Unavailable, UnavailableDownload),
        memory_errors(),
        storage_errors("the working folder", "name other files or folders"),
    ):
        yield


def _lock(work_dir: Path, *, writes: bool) -> AbstractContextManager[None]:
    """Keeps a second training out of a work folder that is written to."""
    return alone(work_dir, "training", OTHER_WORK_FOLDER) if writes else nullcontext()


def _data(run: Run, _wanted: Wanted) -> Summary:
    dataset: Dataset = run.dataset
    if missing := missing_for_training(dataset):
        note(f"note: too little to train on: there must be {', and '.join(missing)}")
    return {
        "name": dataset.name,
        "users": len(dataset.user_ids),
        "items": dataset.n_items,
        "interactions": dataset.n_interactions,
        "sha256": dataset.sha256,
    }


def _base(run: Run, _wanted: Wanted) -> Summary:
    return {"parameters": sum(weights.numel() for weights in run.base_model.parameters())}


def _sae(run: Run, _wanted: Wanted) -> Summary:
    shape = run.sae.shape
    return {"kind": shape.kind.value, "features": shape.d_sae, "k": shape.k}


def _saelens(run: Run, _wanted: Wanted) -> Summary:
    return {"saelens": str(run.saelens)}


def _cards(run: Run, _wanted: Wanted) -> Summary:
    cards = run.cards
    labelled = sum(bool(card.label) for card in cards.features)
    dead = sum(card.is_dead for card in cards.features)
    return {
        "features": len(cards.features),
        "labelled": labelled,
        "dead": dead,
        "groups": len(cards.groups),
    }


def _export(run: Run, _wanted: Wanted) -> Summary:
    return {"bundle": str(run.bundle)}


def _evaluate(run: Run, _wanted: Wanted) -> Summary:
    return {"metrics": run.metrics}


def _publish(run: Run, wanted: Wanted) -> Summary:
    store_url = wanted.store_url or replica_settings().store_root
    version = run.publish(store_url, promote=wanted.is_promoted)
    return {
        "version": version,
        "store": store_url,
        "label": "production" if wanted.is_promoted else "none",
        "metrics": run.metrics,
    }


STEPS: Mapping[str, Callable[[Run, Wanted], Summary]] = {
    "data": _data,
    "base": _base,
    "sae": _sae,
    "saelens": _saelens,
    "cards": _cards,
    "export": _export,
    "evaluate": _evaluate,
    "publish": _publish,
}
"""What each step does; its names are the subcommands' (cli.commands.train)."""


def _show(made: Summary) -> None:
    facts = table("fact", "value")
    for name, value in made.items():
        if name != "metrics":
            facts.add_row(name, str(value))
    metrics = made.get("metrics")
    parts = [facts] if facts.row_count else []
    show(*parts, *([metrics_table(metrics)] if isinstance(metrics, dict) else []))
