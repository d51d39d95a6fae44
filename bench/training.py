"""Time to one validation NDCG@10: our base model against RecTools' SASRec, paired in one run.

    python -m bench.training [--data ml-100k | --data ml-1m --files DIR] [--repetitions N]
    python -m bench.training --quick

Both read one split and are validated by one code, on one thread each, in turn. The level is the
best that the worse of the two ever reached, within each repetition; the table shows medians, anew
after each.
RecTools is installed once, in an environment of its own under .cache. docs/performance.md says
what the columns mean.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from bench.histories import write_histories
from bench.pace import Reached, first_at
from training.builtin import load_dataset
from training.config import BaseModelConfig, TrainConfig
from training.study.config import recipe_layer, study_config

ROOT: Final = Path(__file__).parents[1]
RIVAL_ENVIRONMENT: Final = ROOT / ".cache" / "bench" / "rectools"
RIVAL_REQUIREMENTS: Final = ("torch==2.13.0", "rectools[torch]==0.19.0")
RATES: Final = (1e-3, 3e-3)
"""Learning rates of the rival: its default, and ours on ml-100k."""
QUICK_S: Final = 3.0
COLUMNS: Final = (
    "what",
    "best NDCG@10",
    "s to the level",
    "CPU s to it",
    "CPU s an epoch",
    "ratio",
)


@dataclass
class Runner:
    """One model that is trained once in each repetition."""

    name: str
    """As the table shows it."""
    command: Sequence[str]
    """Python and module."""
    config: Mapping[str, Any]
    """What the module reads as JSON."""
    runs: list[list[Reached]] = field(default_factory=list)
    """Epochs of each repetition."""

    def run(self, data: Path, seed: int, max_s: float) -> None:
        """Trains once more."""
        arguments = [str(data), json.dumps(self.config), str(seed), str(max_s)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*self.command, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=ROOT,
            env=environment,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        self.runs.append([Reached(**json.loads(line)) for line in lines])

    def best(self, repetition: int) -> float:
        """Highest NDCG@10 of a repetition."""
        return max(epoch.ndcg for epoch in self.runs[repetition])


def main() -> None:
    """Runs the comparison and prints it."""
    given = _arguments()
    dataset = load_dataset(given.data, files=given.files)
    base = base_config(given.data)
    runners = [_ours(base), *(_rival(base, rate) for rate in RATES)]
    max_s, repetitions = (QUICK_S, 1) if given.quick else (given.max_seconds, given.repetitions)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "histories.npz")
        write_histories(data, dataset)
        for repetition in range(repetitions):
            for runner in runners:
                runner.run(data, repetition, max_s)
                _note(runner, repetition)
            show(runners, f"{given.data}, repetitions: {repetition + 1}, {_machine()}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m bench.training")
    parser.add_argument("--data", default="ml-100k", help="ml-100k or a described data set")
    parser.add_argument("--files", type=Path, help="folder of a described data set's files")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--max-seconds", type=float, default=600.0, help="processor seconds each")
    parser.add_argument("--quick", action="store_true", help="a few seconds: proves nothing")
    return parser.parse_args()


def base_config(data: str) -> BaseModelConfig:
    """Our recipe of the data set, else the defaults."""
    layer = recipe_layer(data)
    return study_config([layer]).train.base if layer else TrainConfig().base


def _ours(base: BaseModelConfig) -> Runner:
    command = [sys.executable, "-m", "bench.train_ours"]
    return Runner("steerrec", command, base.model_dump(mode="json"))


def _rival(base: BaseModelConfig, learning_rate: float) -> Runner:
    """The same network sizes; everything else is the library's default."""
    config = {
        "n_blocks": base.n_blocks,
        "n_heads": base.n_heads,
        "n_factors": base.d_model,
        "session_max_len": base.max_seq,
        "dropout_rate": base.dropout,
        "lr": learning_rate,
        "loss": "softmax",
        "batch_size": 128,
    }
    command = [str(rival_python()), "-m", "bench.train_rectools"]
    return Runner(f"RecTools, lr {learning_rate:g}", command, config)


def rival_python() -> Path:
    """The rival's interpreter; its environment is made where it is not there yet."""
    python = RIVAL_ENVIRONMENT / "bin" / "python"
    stamp = RIVAL_ENVIRONMENT / ".installed"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", RIVAL_ENVIRONMENT], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *RIVAL_REQUIREMENTS], check=True)
        stamp.touch()
    return python


def _note(runner: Runner, repetition: int) -> None:
    run = runner.runs[repetition]
    print(
        f"{runner.name}: {len(run)} epochs, {run[-1].cpu_s:.0f} CPU s, best "
        f"{runner.best(repetition):.4f}",
        file=sys.stderr,
        flush=True,
    )


def show(runners: Sequence[Runner], title: str) -> None:
    """Prints the table, as Markdown; ratios are processor seconds over the first runner's."""
    table = Table(box=box.MARKDOWN)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "what" else "right")
    for runner in runners:
        table.add_row(runner.name, *_figures(runner, runners))
    console = Console(width=120, highlight=False)
    console.print(title, soft_wrap=True)
    console.print(table)


def _figures(runner: Runner, runners: Sequence[Runner]) -> Iterator[str]:
    """Medians over repetitions."""
    ours = runners[0]
    count = len(runner.runs)
    yield f"{statistics.median(map(runner.best, range(count))):.4f}"
    for seconds in (_wall_s, _cpu_s):
        yield _median(reached_at(runner, runners, n, seconds) for n in range(count))
    yield _median(run[-1].cpu_s / len(run) for run in runner.runs)
    own = [reached_at(runner, runners, n, _cpu_s) for n in range(count)]
    base = [reached_at(ours, runners, n, _cpu_s) for n in range(count)]
    yield _median(_ratio(a, b) for a, b in zip(own, base, strict=True))


def _wall_s(reached: Reached) -> float:
    return reached.wall_s


def _cpu_s(reached: Reached) -> float:
    return reached.cpu_s


def level(runners: Sequence[Runner], repetition: int) -> float:
    """What ours and the better of the rivals both reached in a repetition."""
    rivals = max(rival.best(repetition) for rival in runners[1:])
    return min(runners[0].best(repetition), rivals)


def reached_at(
    runner: Runner,
    runners: Sequence[Runner],
    repetition: int,
    seconds: Callable[[Reached], float],
) -> float | None:
    """Seconds of training until the level of its repetition; None: never."""
    reached = first_at(runner.runs[repetition], level(runners, repetition))
    return seconds(reached) if reached else None


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other


def _median(values: Iterator[float | None]) -> str:
    """Over repetitions; a dash where one never got there."""
    found = list(values)
    known = [value for value in found if value is not None]
    return f"{statistics.median(known):.1f}" if len(known) == len(found) else "-"


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"one thread each on {os.cpu_count()} cores, load {load:.1f}"


if __name__ == "__main__":
    main()
