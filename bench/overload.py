"""What one process answers when it is asked more than it can: goodput, refusals, latency.

    python -m bench.overload [--workload S|M] [--seconds S] [--repetitions N] [--deadline S]
                             [--of-capacity SHARE ...]

The capacity is what a closed loop of 64 calls gets, measured in the same run; then an open loop
asks for shares of it, by turns. Every request has five rules and a history of its own. The
generator is a process that shares the machine's cores.
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from bench import synthetic
from bench.processes import service
from bench.requests import encoded_requests
from bench.serving import RECOMMEND
from loadtest.levels import Level
from loadtest.load import Load
from loadtest.processes import run
from loadtest.tally import OK, Tally
from model_store.store import Store

N_RULES = 5
IN_FLIGHT = 64
MOST_IN_FLIGHT = 5_000
"""Of the open loop: a call beyond them is dropped by the generator, not refused by the service."""
SHARES = (0.5, 1.0, 1.5, 2.0)
COLUMNS = ("asked of capacity", "offered", "answered", "of the peak", "refused", "not sent")


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    root = synthetic.stored(chosen.workload)
    requests = tuple(encoded_requests(Store(root).load("production"), N_RULES))
    print(f"python -m bench.overload {shlex.join(sys.argv[1:])}")
    print(f"{os.cpu_count()} cores, load average before {os.getloadavg()[0]:.1f}")
    capacities: list[float] = []
    measured: dict[float, list[Tally]] = defaultdict(list)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # the generator asks the same again and again: what is kept would answer it
        address = stack.enter_context(service(root, folder, STEERREC_STATE_CACHE_BYTES="0"))
        _closed(address, requests, 1.0)
        for _ in range(chosen.repetitions):
            capacities.append(_closed(address, requests, chosen.seconds))
            for share in chosen.of_capacity:
                rate = share * capacities[-1]
                tally = _open(address, requests, rate, chosen.seconds, chosen.deadline)
                measured[share].append(tally)
    _show(capacities, measured, chosen.seconds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M"], default="M")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--deadline", type=float, default=20.0, help="of each call, in seconds")
    parser.add_argument("--of-capacity", type=float, nargs="+", default=SHARES, metavar="SHARE")
    return parser.parse_args()


def _closed(address: str, requests: tuple[bytes, ...], seconds: float) -> float:
    """Answers a second with so many calls in flight."""
    load = Load(address, RECOMMEND, requests, (), seconds, None, IN_FLIGHT)
    return run(load).whole.answered / seconds


def _open(
    address: str, requests: tuple[bytes, ...], rate: float, seconds: float, deadline_s: float
) -> Tally:
    load = Load(
        address=address,
        path=RECOMMEND,
        requests=requests,
        levels=(Level(rate, seconds),),
        duration_s=seconds,
        total=None,
        in_flight=MOST_IN_FLIGHT,
        timeout_s=deadline_s,
        profile="constant",
    )
    return run(load).whole


def _show(
    capacities: Sequence[float], measured: Mapping[float, Sequence[Tally]], seconds: float
) -> None:
    table = Table(box=box.MARKDOWN)
    for column in (*COLUMNS, "p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    answered = {
        share: median(own.answered / seconds for own in tallies)
        for share, tallies in measured.items()
    }
    peak = max(answered.values())
    for share, tallies in measured.items():
        offered = median((own.count + own.dropped) / seconds for own in tallies)
        milliseconds = (
            1e3 * median(own.latency.percentile_s(percent) for own in tallies)
            for percent in (50, 99)
        )
        table.add_row(
            f"{share:g}",
            f"{offered:,.0f}",
            f"{answered[share]:,.0f}",
            f"{answered[share] / peak:.2f}",
            _refused(tallies),
            f"{median(own.dropped / seconds for own in tallies):,.0f}",
            *(f"{own:,.0f}" for own in milliseconds),
        )
    console = Console(width=120, highlight=False)
    console.print(f"capacity {median(capacities):,.0f} a second; figures are a second's, medians")
    console.print(table)


def _refused(tallies: Sequence[Tally]) -> str:
    """Statuses other than OK, with their share of all calls."""
    count = sum(own.count for own in tallies)
    statuses = sum((own.statuses for own in tallies), start=type(tallies[0].statuses)())
    shares = {name: number / count for name, number in statuses.items() if name != OK}
    return ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items())) or "none"


if __name__ == "__main__":
    main()
