"""Large catalogues: what ranking costs, memory, start to first answer, and rates over gRPC.

    python -m bench.catalogue [--workloads M L XL] [--repetitions 7] [--only ranking|start|rates]

Ranking is measured without gRPC, on one thread, by processor time: every way answers the same
batches by turns, and its answers are compared. The start is that of a service process, by turns
with that of a small bundle. Rates are an open loop: calls are sent at their time.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

import grpc
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from steerrec.v1 import recommender_pb2, recommender_pb2_grpc

from bench import synthetic
from bench.processes import service
from bench.requests import encoded_requests
from bench.serving import RECOMMEND
from bench.synthetic import CACHE, Workload
from loadtest.levels import Level
from loadtest.load import Load
from loadtest.processes import run
from model_store.bounds import Float32
from model_store.files import (
    BASE_MODEL_FILE,
    ITEM_VECTORS,
    LOWER_FILE,
    SAE_FILE,
    SCAN_FILE,
    UPPER_FILE,
)
from model_store.graphs import Graph, Graphs, Int64, TopK
from model_store.load import read_manifest
from model_store.scan import Scan
from model_store.store import Store
from model_store.weights import mapped_weights
from training.bundle_files import load_model, load_sae
from training.export import upper_graph, write_graphs
from training.scan import write_scan

BATCHES = (1, 2, 4, 8, 16, 32, 64)
K = 20
SEQ = 50
BLOCK = 65_536
"""Items of a block of the ways that go block by block."""
WORKERS = (1, 2)
"""Processes on the port."""
CONNECTIONS = 16
"""Of the generator: the kernel spreads them over the workers."""
RATES = {"M": (500, 1000, 2000), "L": (250, 500, 1000), "XL": (100, 250, 500)}
"""Calls a second that are asked for; the last is the goal."""
SECONDS = 5.0
IN_FLIGHT = 512
LARGEST_GAP = 1e-4
"""Between the scores of two ways."""


class Asked(NamedTuple):
    """One batch."""

    hidden: Float32
    """[batch, 1, d_model]."""
    items: Int64
    """[batch, seq], excluded too."""


Way = Callable[[Asked], TopK]


class Ways:
    """The same catalogue, ranked in several ways."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        manifest = read_manifest(bundle)
        shape = manifest.base_model
        model = load_model(bundle / BASE_MODEL_FILE, shape)
        block = manifest.hook_point.block
        if SCAN_FILE not in manifest.files:  # made before catalogues of this size were scanned
            bundle = shutil.copytree(bundle, folder / "scanned")
            write_graphs(
                bundle,
                model,
                load_sae(bundle / SAE_FILE, manifest.sae),
                block,
                bundle / BASE_MODEL_FILE,
            )
            write_scan(bundle, model, block)
        sorting = upper_graph(model, block)
        (folder / "upper.onnx").write_bytes(sorting.SerializeToString())
        self.n_items = shape.n_items
        self._sorting = Graph(folder / "upper.onnx", 1)
        self._vectors = mapped_weights(bundle / BASE_MODEL_FILE)[ITEM_VECTORS]
        self._scan = Scan(bundle, n_items=shape.n_items)
        self._graphs = Graphs(bundle, n_items=shape.n_items, ranking=self._scan)

    def asked(self, batch: int, rng: np.random.Generator) -> Asked:
        """A batch of full histories."""
        items = rng.integers(1, self.n_items + 1, (batch, SEQ))
        return Asked(self._graphs.hidden(items), items)

    @property
    def by_name(self) -> Mapping[str, Way]:
        """Each way; the others are compared with the first."""
        return {
            "all scores, one TopK": self._sorted,
            "all scores, shared vectors": self._shared,
            "float32 in blocks": self._in_blocks,
            "int8 scan, exact": self._scanned,
        }

    def peaks(self, asked: Asked) -> object:
        """The scan without what decides."""
        return self._scan.scanned(*asked)

    def _sorted(self, asked: Asked) -> TopK:
        items, scores = self._sorting.run(
            ["top_items", "top_scores"],
            hidden=asked.hidden,
            items=asked.items,
            excluded=asked.items,
            k=np.array([K]),
        )
        return TopK(items, scores)

    def _shared(self, asked: Asked) -> TopK:
        items, scores, _ = self._graphs.top_k_and_scores(asked.hidden, asked.items, asked.items, K)
        return TopK(items, scores)

    def _in_blocks(self, asked: Asked) -> TopK:
        final = self._scan.scanned(*asked).final  # its cost is taken off: see `peaks`
        parts = [self._block(final, asked, start) for start in range(0, self.n_items + 1, BLOCK)]
        items, scores = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        return TopK(*(np.take_along_axis(array, best, axis=1) for array in (items, scores)))

    def _block(self, final: Float32, asked: Asked, start: int) -> tuple[Int64, Float32]:
        scores = final @ self._vectors[start : start + BLOCK].T
        inside = (asked.items >= start) & (asked.items < start + scores.shape[1])
        row, _ = np.nonzero(inside)
        scores[row, asked.items[inside] - start] = -np.inf
        scores[:, 0] = np.where(start == 0, -np.inf, scores[:, 0])
        best = np.sort(np.argpartition(scores, -K, axis=1)[:, -K:], axis=1)
        return best + start, np.take_along_axis(scores, best, axis=1)

    def _scanned(self, asked: Asked) -> TopK:
        return self._scan.top_k(asked.hidden, asked.items, asked.items, K)


def ranking(workload: Workload, repetitions: int) -> Iterator[tuple[str, ...]]:
    """Rows: way, batch, processor milliseconds a history, ratio to the first way."""
    bundle = _published(workload)
    with tempfile.TemporaryDirectory() as folder:
        ways = Ways(bundle, Path(folder))
        for batch in BATCHES:
            costs = _costs(ways, batch, repetitions)
            first = next(iter(costs.values()))
            for name, cost in costs.items():
                ms = 1e3 * cost / batch
                yield workload.name, str(batch), name, f"{ms:.3f}", f"{cost / first:.2f}"


def _costs(ways: Ways, batch: int, repetitions: int) -> dict[str, float]:
    """Processor seconds of a batch, medians, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in (*ways.by_name, "int8 scan alone")}
    rng = np.random.default_rng(0)
    for _ in range(repetitions + 1):
        asked = ways.asked(batch, rng)
        answers = [_timed(seconds[name], way, asked) for name, way in ways.by_name.items()]
        _timed(seconds["int8 scan alone"], ways.peaks, asked)
        for answer in answers[1:]:
            _check_alike(answers[0], answer)
    costs = {name: median(own[1:]) for name, own in seconds.items()}
    costs["float32 in blocks"] -= costs["int8 scan alone"]
    return costs


def _timed(seconds: list[float], way: Callable[[Asked], object], asked: Asked) -> object:
    start = time.thread_time()
    answer = way(asked)
    seconds.append(time.thread_time() - start)
    return answer


def _check_alike(first: object, other: object) -> None:
    if not isinstance(first, TopK) or not isinstance(other, TopK):
        raise TypeError("a way gives no slates")
    gap = np.abs(first.scores - other.scores).max()
    differs = first.items != other.items
    if gap > LARGEST_GAP or differs.mean() > 0.01:  # ties within rounding
        raise RuntimeError(f"two ways differ: scores by {gap}, {differs.sum()} places")


def memory(workload: Workload) -> tuple[str, ...]:
    """Row: what the matrices take, what ranking takes in a process of its own, and the ratio."""
    bundle = _published(workload)
    command = [sys.executable, "-m", "bench.catalogue", "--memory-of", str(bundle)]
    own, shared = json.loads(subprocess.check_output(command))
    vectors = mapped_weights(bundle / BASE_MODEL_FILE)[ITEM_VECTORS]
    exact, compact = vectors.nbytes / 2**20, vectors.size / 2**20
    ratio = (own + shared) / (exact + compact)
    figures = (f"{value:,.0f}" for value in (exact, compact, own, shared))
    return workload.name, *figures, f"{ratio:.2f}"


def _print_memory_of(bundle: Path) -> None:
    """MiB of a process's own memory for ranking, and of the mapped file that it reads."""
    n_items = read_manifest(bundle).base_model.n_items
    lower = Graph(bundle / LOWER_FILE, 1)
    rng = np.random.default_rng(0)
    batches = [rng.integers(1, n_items + 1, (max(BATCHES), SEQ)) for _ in range(8)]
    hidden = [lower.run(["hidden"], items=items)[0] for items in batches]
    before = _own_mib()
    scan = Scan(bundle, n_items=n_items)
    upper = Graph(bundle / UPPER_FILE, 1, repacks=False)
    for own, items in zip(hidden, batches, strict=True):
        scan.top_k(own, items, items, K)
    print(json.dumps([_own_mib() - before, (bundle / BASE_MODEL_FILE).stat().st_size / 2**20]))
    del upper  # it was there while memory was read


def _own_mib() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Anonymous:"))


def starts(workloads: Sequence[Workload], repetitions: int) -> Iterator[tuple[str, ...]]:
    """Rows: seconds and processor seconds from the start of a process to its first answer."""
    measured: dict[str, list[tuple[float, float]]] = {own.name: [] for own in workloads}
    requests = {own.name: _requests(own)[0] for own in workloads}
    for _ in range(repetitions):
        for own in workloads:
            measured[own.name].append(_start(own, requests[own.name]))
    for name, seconds in measured.items():
        wall, cpu = (median(values) for values in zip(*seconds, strict=True))
        yield name, f"{wall:.2f}", f"{cpu:.2f}"


def _start(workload: Workload, request: bytes) -> tuple[float, float]:
    before, start = os.times(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        with service(_root(workload), Path(folder)) as address:
            with grpc.insecure_channel(address) as channel:
                message = recommender_pb2.RecommendRequest.FromString(request)
                stub = recommender_pb2_grpc.RecommenderServiceStub(channel)
                stub.Recommend(message, wait_for_ready=True)
            wall = time.perf_counter() - start
        after = os.times()
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system


def rates(workload: Workload, workers: int) -> Iterator[tuple[str, ...]]:
    """Rows: asked rate, answered share, p50, p90, p99 of an open loop."""
    requests = tuple(_requests(workload))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        served = service(_root(workload), folder, STEERREC_WORKERS=str(workers))
        address = stack.enter_context(served)
        _loaded(address, requests, 50, 2.0)
        for rate in RATES[workload.name]:
            figures = _loaded(address, requests, rate, SECONDS)
            yield workload.name, str(workers), f"{rate:,}", *figures


def _loaded(
    address: str, requests: tuple[bytes, ...], rate: float, seconds: float
) -> tuple[str, ...]:
    load = Load(
        address=address,
        path=RECOMMEND,
        requests=requests,
        levels=(Level(rate, seconds),),
        duration_s=seconds,
        total=None,
        in_flight=IN_FLIGHT,
        profile="constant",
        connections=CONNECTIONS,
    )
    whole = run(load).whole
    milliseconds = (1e3 * whole.latency.percentile_s(percent) for percent in (50, 90, 99))
    return f"{whole.ok_share:.3f}", *(f"{value:,.1f}" for value in milliseconds)


@cache
def _requests(workload: Workload) -> list[bytes]:
    _published(workload)
    return encoded_requests(Store(_root(workload)).load("production"), 5)


def _root(workload: Workload) -> str:
    return str(CACHE / workload.name)


@cache
def _published(workload: Workload) -> Path:
    """The folder of the workload's bundle, made if it is not there."""
    version = synthetic.publish(workload, Store(_root(workload)))
    return Path(_root(workload)) / "bundles" / version


def _shown(title: str, columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(*columns, box=box.MARKDOWN)
    for row in rows:
        table.add_row(*row)
    console = Console(width=120, highlight=False)
    console.print(f"\n{title}", table, sep="\n")


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    if chosen.memory_of:
        _print_memory_of(Path(chosen.memory_of))
        return
    workloads = [getattr(synthetic, name) for name in chosen.workloads]
    print(f"load average before {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    for part in chosen.only or ("ranking", "memory", "start", "rates"):
        _show(part, workloads, chosen.repetitions)


def _show(part: str, workloads: Sequence[Workload], repetitions: int) -> None:
    columns: tuple[str, ...]
    if part == "ranking":
        columns = ("workload", "batch", "way", "processor ms a history", "ratio")
        rows = (row for own in workloads for row in ranking(own, repetitions))
        _shown("Ranking", columns, rows)
    elif part == "memory":
        columns = ("workload", "exact MiB", "compact MiB", "own MiB", "mapped MiB", "ratio")
        _shown("Memory", columns, map(memory, workloads))
    elif part == "start":
        columns = ("workload", "s", "processor s")
        _shown("Start to first answer", columns, starts([synthetic.S, *workloads], repetitions))
    else:
        columns = (
            "workload",
            "workers",
            "asked a second",
            "answered",
            "p50 ms",
            "p90 ms",
            "p99 ms",
        )
        _shown(
            "Rates", columns, (row for own in workloads for n in WORKERS for row in rates(own, n))
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workloads", nargs="+", choices=["M", "L", "XL"], default=["L", "XL"])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=["ranking", "memory", "start", "rates"])
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
