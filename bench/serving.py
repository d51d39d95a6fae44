"""One table: an empty handler, the model alone, the whole service; ratios within one run.

    python -m bench.serving [--workload S|M | --store ROOT] [--repetitions N] [--seconds S]

Every cell is measured once per repetition, in turn, and the table shows medians. The service and
the load generator are processes of their own. "model" is the steered forward pass without gRPC.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import empty_handler, synthetic
from bench.model_alone import model_rate
from bench.requests import encoded_requests
from model_store.bundle import Bundle
from model_store.store import Store

RECOMMEND = "/steerrec.v1.RecommenderService/Recommend"
REPLY_BYTES = 400
"""About what a slate of 20 takes."""
CACHE = Path(__file__).parents[1] / ".cache" / "bench"
READY_TIMEOUT_S = 60.0
N_RULES = (0, 5)
IN_FLIGHT = (1, 8, 64)
BATCHES = (1, 8, 32)


@dataclass
class Cell:
    """One thing that is measured, and what came of it."""

    name: str
    measure: Callable[[], dict[str, float]]
    results: list[dict[str, float]] = field(default_factory=list)

    def median(self, figure: str) -> float | None:
        """Over the repetitions; None: this cell has no such figure."""
        values = [result[figure] for result in self.results if figure in result]
        return statistics.median(values) if values else None


@dataclass(frozen=True)
class Bench:
    """What the cells share."""

    bundle: Bundle
    empty: str
    """Address of the empty handler."""
    service: str
    """Address of the service."""
    folder: Path
    seconds: float

    def cells(self) -> Iterator[Cell]:
        """In the table's order."""
        requests = {n: self._file(n) for n in N_RULES}
        for in_flight in IN_FLIGHT:
            yield self._loaded(
                f"empty handler, {in_flight} in flight",
                self.empty, empty_handler.METHOD, requests[0], in_flight,
            )  # fmt: skip
        for n_rules in N_RULES:
            encoded = encoded_requests(self.bundle, n_rules)
            for batch in BATCHES:
                yield Cell(
                    f"model, {n_rules} rules, batch {batch}",
                    lambda encoded=encoded, batch=batch: {  # type: ignore[misc]
                        "per_s": model_rate(self.bundle, encoded, batch, self.seconds)
                    },
                )
        for n_rules, file in requests.items():
            for in_flight in IN_FLIGHT:
                yield self._loaded(
                    f"service, {n_rules} rules, {in_flight} in flight",
                    self.service, RECOMMEND, file, in_flight,
                )  # fmt: skip

    def _loaded(self, name: str, address: str, method: str, file: Path, in_flight: int) -> Cell:
        command = [sys.executable, "-m", "bench.closed_loop", address, method, str(file)]
        arguments = [str(in_flight), str(self.seconds)]
        return Cell(name, lambda: json.loads(subprocess.check_output([*command, *arguments])))

    def _file(self, n_rules: int) -> Path:
        path = self.folder / f"requests-{n_rules}.json"
        path.write_text(json.dumps([r.hex() for r in encoded_requests(self.bundle, n_rules)]))
        return path


@contextmanager
def started(command: list[str], **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that ends with the block."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def empty_server() -> Iterator[str]:
    """Address of a running empty handler."""
    with started([sys.executable, "-m", "bench.empty_handler", str(REPLY_BYTES)]) as process:
        port = process.stdout.readline() if process.stdout else ""
        yield f"127.0.0.1:{int(port)}"


@contextmanager
def service(store_root: str, folder: Path) -> Iterator[str]:
    """Address of a running service with its embedded Redis."""
    ready = folder / "ready.json"
    with started(
        [str(Path(sys.executable).with_name("steerrec")), "serve"],
        STEERREC_BUNDLES=store_root,
        STEERREC_DATA_DIR=str(folder / "data"),
        STEERREC_BIND="127.0.0.1:0",
        STEERREC_METRICS_BIND="127.0.0.1:0",
        STEERREC_READY_FILE=str(ready),
        STEERREC_LOG_LEVEL="warning",
    ):
        end = time.monotonic() + READY_TIMEOUT_S
        while not ready.exists():
            if time.monotonic() > end:
                raise TimeoutError(f"the service was not ready within {READY_TIMEOUT_S:g} s")
            time.sleep(0.05)
        yield json.loads(ready.read_text())["grpc"]


def show(cells: list[Cell], title: str) -> None:
    """Prints the table; the last column is against the model at its largest batch."""
    best = {n: _rate(cells, f"model, {n} rules, batch {BATCHES[-1]}") for n in N_RULES}
    table = Table(title=title, title_justify="left")
    for column in ("what", "per second", "p50 ms", "p99 ms", "of the model", "of the roofline"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for cell in cells:
        table.add_row(cell.name, *_figures(cell, cells, best))
    Console(width=110).print(table)


def _figures(cell: Cell, cells: list[Cell], best: dict[int, float]) -> Iterator[str]:
    rate = cell.median("per_s") or 0.0
    yield f"{rate:,.0f}"
    for figure in ("p50_ms", "p99_ms"):
        value = cell.median(figure)
        yield f"{value:.2f}" if value is not None else ""
    n_rules = 5 if "5 rules" in cell.name else 0
    yield f"{rate / best[n_rules]:.2f}" if not cell.name.startswith("empty") else ""
    if cell.name.startswith("service"):
        in_flight = cell.name.rpartition(", ")[2]
        echo = _rate(cells, f"empty handler, {in_flight}")
        yield f"{rate * (1 / echo + 1 / best[n_rules]):.2f}"


def _rate(cells: list[Cell], name: str) -> float:
    return next(cell.median("per_s") or 0.0 for cell in cells if cell.name == name)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M"], default="M")
    parser.add_argument("--store", help="root of a store whose production bundle is measured")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    chosen = parser.parse_args()
    root = chosen.store or str(CACHE / chosen.workload)
    if not chosen.store:
        synthetic.publish(getattr(synthetic, chosen.workload), Store(root))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(
            bundle=Store(root).load("production"),
            empty=stack.enter_context(empty_server()),
            service=stack.enter_context(service(root, folder)),
            folder=folder,
            seconds=chosen.seconds,
        )
        cells = list(bench.cells())
        for repetition in range(chosen.repetitions):
            for cell in cells:
                if sys.stderr.isatty():
                    print(f"\r{repetition + 1}: {cell.name:50}", end="", file=sys.stderr)
                cell.results.append(cell.measure())
    refused = sum(result.get("refused", 0) for cell in cells for result in cell.results)
    show(cells, _title(bench.bundle, chosen.repetitions, refused))


def _title(bundle: Bundle, repetitions: int, refused: float) -> str:
    shape = bundle.manifest.base_model
    return (
        f"{bundle.version}: {shape.n_items:,} items, d {shape.d_model}, seq {shape.max_seq},"
        f" SAE {bundle.manifest.sae.d_sae:,}; medians of {repetitions};"
        f" refused calls {refused:.0f}\n"
        f"{os.cpu_count()} cores, {platform.processor() or platform.machine()},"
        f" Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
