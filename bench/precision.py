"""Lower precision: what the lower graph costs, what the files take, and what slates keep.

    python -m bench.precision [--workload S|M|M_BELOW|L] [--repetitions 15]

Without gRPC, on one thread, by processor time: the variants answer the same histories by turns.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from bench import synthetic
from bench.synthetic import CACHE, Workload
from model_store.files import ENCODER_FILE, LOWER_FILE, SCAN_FILE, UPPER_FILE
from model_store.graphs import Graphs, Int64
from model_store.load import load_bundle
from model_store.manifest import Precision
from model_store.scan import Scan
from model_store.store import Store
from training.batches import left_padded, length_batches
from training.likeness import Histories, histories_of, overlap, slates_of
from training.variant import write_variant

BATCHES = (1, 8, 16, 32)
GRAPHS = (LOWER_FILE, ENCODER_FILE, UPPER_FILE, SCAN_FILE)
FLOAT32 = Precision.FLOAT32


class Variants:
    """One bundle in each precision."""

    def __init__(self, workload: Workload, folder: Path) -> None:
        store = Store(str(CACHE / workload.name))
        version = synthetic.publish(workload, store)
        with store.opened(version) as source:
            bundle = load_bundle(source)
            self.max_seq = bundle.manifest.base_model.max_seq
            self.n_items = bundle.manifest.base_model.n_items
            self.histories: Histories = histories_of(bundle, None)
            for precision in Precision:
                write_variant(source, folder / precision, precision, self.histories.seen)
        self.graphs = {own: self._opened(folder / own) for own in Precision}
        self.sizes = {own: _sizes(folder / own) for own in Precision}

    def _opened(self, folder: Path) -> Graphs:
        is_scanned = (folder / SCAN_FILE).exists()
        scan = Scan(folder, n_items=self.n_items) if is_scanned else None
        return Graphs(folder, n_items=self.n_items, ranking=scan)

    def costs(self, items: Sequence[Int64], repetitions: int) -> dict[Precision, float]:
        """Processor seconds of the lower graph over some batches, by turns; medians."""
        seconds: dict[Precision, list[float]] = {own: [] for own in Precision}
        for _ in range(repetitions + 1):
            for own, graphs in self.graphs.items():
                seconds[own].append(_seconds(graphs.hidden, items))
        return {own: median(spent[1:]) for own, spent in seconds.items()}

    def batches(self, batch: int) -> list[Int64]:
        """256 histories in batches of like length, as the service groups them."""
        histories = synthetic.histories(synthetic.S)[:256]  # of S: lengths alone matter
        own = [np.minimum(one, self.n_items) for one in histories]
        return [
            left_padded([own[row] for row in rows], self.max_seq).numpy()
            for rows in length_batches(own, batch)
        ]


def _seconds(run: Callable[[Int64], object], items: Sequence[Int64]) -> float:
    start = time.thread_time()
    for own in items:
        run(own)
    return time.thread_time() - start


def _sizes(folder: Path) -> Mapping[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def cost_rows(variants: Variants, repetitions: int) -> Iterator[tuple[str, ...]]:
    """Rows: batch, microseconds a history in float32, and every precision over it."""
    for batch in BATCHES:
        items = variants.batches(batch)
        costs = variants.costs(items, repetitions)
        each = 1e6 * costs[FLOAT32] / sum(map(len, items))
        ratios = (f"{cost / costs[FLOAT32]:.2f}" for cost in costs.values())
        yield str(batch), f"{each:.0f}", *ratios


def size_rows(variants: Variants) -> Iterator[tuple[str, ...]]:
    """Rows: graph, MiB in every precision."""
    for name in GRAPHS:
        if name in variants.sizes[FLOAT32]:
            yield name, *(f"{own[name] / 2**20:.2f}" for own in variants.sizes.values())
    yield "all files", *(f"{sum(own.values()) / 2**20:.2f}" for own in variants.sizes.values())


def kept_rows(variants: Variants) -> Iterator[tuple[str, ...]]:
    """Rows: precision, overlap at 10 and 20."""
    slates = {
        own: slates_of(graphs, variants.histories.judged, variants.max_seq)
        for own, graphs in variants.graphs.items()
    }
    for own, found in slates.items():
        yield own, *(f"{overlap(slates[FLOAT32], found, k):.4f}" for k in (10, 20))


def _shown(title: str, columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> None:
    table = Table(*columns, box=box.MARKDOWN)
    for row in rows:
        table.add_row(*row)
    console = Console(width=120, highlight=False)
    console.print(f"\n{title}", table, sep="\n")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M", "M_BELOW", "L"], default="M")
    parser.add_argument("--repetitions", type=int, default=15)
    chosen = parser.parse_args()
    print(f"load average before {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        variants = Variants(getattr(synthetic, chosen.workload), Path(folder))
        columns = ("batch", "us a history, float32", *Precision)
        rows = cost_rows(variants, chosen.repetitions)
        _shown("Lower graph, processor time over float32's", columns, rows)
        _shown("MiB", ("file", *Precision), size_rows(variants))
        title = f"Slates, {len(variants.histories.judged)} histories drawn by popularity"
        _shown(title, ("precision", "overlap@10", "overlap@20"), kept_rows(variants))


if __name__ == "__main__":
    main()
