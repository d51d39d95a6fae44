"""What a call costs the service's process: microseconds of processor time, thread by thread.

    python -m bench.process_cost [--workload S|M] [--repetitions N] [--seconds S]
                                 [--in-flight N ...] [--rules N ...]

The kernel counts what each thread of the real process ran while a generator in a process of its own
calls it, so that a busy machine distorts little. Beside it an empty handler's, what
`bench.request_path` does in the process without the wire, and what lies between.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from rich import box
from rich.console import Console
from rich.table import Table

from bench import empty_handler, synthetic
from bench.processes import Running, empty_process, service_process
from bench.requests import encoded_requests
from bench.serving import RECOMMEND
from model_store.store import Store

WARM_UP_S = 0.5
COLUMNS = ("event loop", "model", "gRPC's own", "all", "over empty", "rows a run", "per second")
Figures = Mapping[str, float]


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    root = synthetic.stored(chosen.workload)
    measured: dict[tuple[str, int], list[Figures]] = {}
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = dict(_request_files(root, folder, chosen.rules))
        empty = stack.enter_context(empty_process())
        # the generator asks the same again and again: what is kept would answer it
        uncached = service_process(root, folder, STEERREC_STATE_CACHE_BYTES="0")
        served = stack.enter_context(uncached)
        for _ in range(chosen.repetitions):
            for in_flight in chosen.in_flight:
                cells = [(empty, empty_handler.METHOD, "empty handler", next(iter(files.values())))]
                cells += [
                    (served, RECOMMEND, f"{rules or 'no'} rules", file)
                    for rules, file in files.items()
                ]
                for running, method, name, file in cells:
                    cost = _cost(running, method, file, in_flight, chosen.seconds)
                    measured.setdefault((name, in_flight), []).append(cost)
    print(f"python -m bench.process_cost {shlex.join(sys.argv[1:])}")
    print(f"{os.cpu_count()} cores, load average before {load_before:.1f}")
    _show({key: _medians(own) for key, own in measured.items()})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M"], default="M")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[8, 64], metavar="N")
    parser.add_argument("--rules", type=int, nargs="+", default=[0, 5], metavar="N")
    return parser.parse_args()


def _request_files(root: str, folder: Path, n_rules: Sequence[int]) -> Iterator[tuple[int, Path]]:
    bundle = Store(root).load("production")
    for count in n_rules:
        file = folder / f"requests-{count}.json"
        file.write_text(json.dumps([own.hex() for own in encoded_requests(bundle, count)]))
        yield count, file


def _cost(
    running: Running, method: str, requests: Path, in_flight: int, seconds: float
) -> dict[str, float]:
    """Microseconds of each thread per call; rows of a run; answers a second."""
    _load(running, method, requests, in_flight, WARM_UP_S)
    threads, runs = _threads_s(running.pid), _runs(running)
    told = _load(running, method, requests, in_flight, seconds)
    spent = {
        thread: (used - threads.get(thread, 0.0)) / told["calls"] * 1e6
        for thread, used in _threads_s(running.pid).items()
    }
    rows, count = (after - before for after, before in zip(_runs(running), runs, strict=True))
    loop = spent.pop(running.pid)
    busiest = max(spent.values(), default=0.0) if running.metrics else 0.0
    return {
        "event loop": loop,
        "model": busiest,
        "gRPC's own": sum(spent.values()) - busiest,
        "all": loop + sum(spent.values()),
        "rows a run": rows / count if count else 0.0,
        "per second": told["per_s"],
    }


def _load(
    running: Running, method: str, requests: Path, in_flight: int, seconds: float
) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.closed_loop", running.grpc, method, str(requests)]
    told: dict[str, float] = json.loads(
        subprocess.check_output([*command, str(in_flight), str(seconds)])
    )
    return told


def _threads_s(pid: int) -> dict[int, float]:
    """Processor seconds of each thread of a process so far."""
    spent = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        spent[int(thread.name)] = int((thread / "schedstat").read_text().split()[0]) / 1e9
    return spent


def _runs(running: Running) -> tuple[float, float]:
    """Rows that the model ran so far, and runs."""
    if not running.metrics:
        return 0.0, 0.0
    with urlopen(f"http://{running.metrics}/metrics") as page:
        lines = page.read().decode().splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if line.startswith("steerrec_batch_size_"))
    return float(told["steerrec_batch_size_sum"]), float(told["steerrec_batch_size_count"])


def _medians(costs: Sequence[Figures]) -> dict[str, float]:
    return {figure: median(own[figure] for own in costs) for figure in costs[0]}


def _show(costs: Mapping[tuple[str, int], Figures]) -> None:
    table = Table(box=box.MARKDOWN)
    table.add_column("microseconds a call")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for (name, in_flight), cost in costs.items():
        over = cost["all"] - costs["empty handler", in_flight]["all"]
        shown = {**cost, "over empty": over}
        cells = (f"{shown[own]:,.{int(own == 'rows a run')}f}" for own in COLUMNS)
        table.add_row(f"{name}, {in_flight} in flight", *cells)
    Console(width=120, highlight=False).print(table)


if __name__ == "__main__":
    main()
