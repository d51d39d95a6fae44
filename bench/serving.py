"""One table: an empty handler, the model alone, the whole service; ratios within one run.

    python -m bench.serving [--workload S|M | --store ROOT] [--repetitions N] [--seconds S]
                            [--rules N ...] [--repeated SHARE]
    python -m bench.serving --quick

Every cell is measured once per repetition, in turn, and the table shows medians. The service and
the load generator are processes of their own. docs/performance.md says what the columns mean.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import empty_handler, synthetic
from bench.model_alone import graphs_rate, steered_rate
from bench.processes import empty_server, service
from bench.requests import encoded_requests, kept_bytes
from bench.table import Cell, Kind, show, show_kept
from model_store.bundle import Bundle
from model_store.store import Store

RECOMMEND = "/steerrec.v1.RecommenderService/Recommend"
N_RULES = (0, 5)
IN_FLIGHT = (1, 8, 64)
BATCHES = (1, 8, 32)
QUICK_SECONDS = 0.3


@dataclass(frozen=True)
class Bench:
    """What the cells share."""

    bundle: Bundle
    empty: str
    """Address of the empty handler."""
    service: str
    """Address of the service."""
    keeping: str
    """Address of one that keeps hidden states; empty: there is none."""
    repeated_share: float
    """Of the requests, how many have the history of a recent one, with other rules."""
    folder: Path
    """For the generator's requests."""
    seconds: float
    """Of each measurement."""
    n_rules: Sequence[int]
    """Rules per request, each a part of the table."""

    def cells(self) -> Iterator[Cell]:
        """In the table's order."""
        files = {n_rules: self._file(n_rules) for n_rules in self.n_rules}
        any_of_them = files[self.n_rules[0]]
        yield from self._loaded(Kind.EMPTY, 0, self.empty, empty_handler.METHOD, any_of_them)
        for n_rules in self.n_rules:
            yield from self._alone(Kind.MODEL, n_rules, graphs_rate)
        # without rules nothing is edited: that pass is the graphs'
        for n_rules in filter(None, self.n_rules):
            yield from self._alone(Kind.EDITED, n_rules, steered_rate)
        for n_rules, file in files.items():
            yield from self._loaded(Kind.SERVICE, n_rules, self.service, RECOMMEND, file)
            if self.keeping:
                yield from self._loaded(Kind.KEEPING, n_rules, self.keeping, RECOMMEND, file)

    def _alone(
        self, kind: Kind, n_rules: int, rate: Callable[[Bundle, list[bytes], int, float], float]
    ) -> Iterator[Cell]:
        encoded = self._requests(n_rules)
        for batch in BATCHES:
            measured = partial(rate, self.bundle, encoded, batch, self.seconds)
            yield Cell(kind, batch, n_rules, partial(_as_result, measured))

    def _loaded(
        self, kind: Kind, n_rules: int, address: str, method: str, requests: Path
    ) -> Iterator[Cell]:
        command = [sys.executable, "-m", "bench.closed_loop", address, method, str(requests)]
        for in_flight in IN_FLIGHT:
            arguments = [str(in_flight), str(self.seconds)]
            yield Cell(kind, in_flight, n_rules, partial(_printed, [*command, *arguments]))

    def _file(self, n_rules: int) -> Path:
        path = self.folder / f"requests-{n_rules}.json"
        path.write_text(json.dumps([own.hex() for own in self._requests(n_rules)]))
        return path

    def _requests(self, n_rules: int) -> list[bytes]:
        return encoded_requests(self.bundle, n_rules, repeated_share=self.repeated_share)


def _as_result(rate: Callable[[], float]) -> dict[str, float]:
    return {"per_s": rate()}


def _printed(command: list[str]) -> dict[str, float]:
    result: dict[str, float] = json.loads(subprocess.check_output(command))
    return result


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    load_before = os.getloadavg()[0]
    root = chosen.store or synthetic.stored(chosen.workload)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bundle = Store(root).load("production")
        bench = Bench(
            bundle=bundle,
            empty=stack.enter_context(empty_server()),
            service=stack.enter_context(service(root, folder)),
            keeping=_keeping(stack, root, folder, bundle) if chosen.repeated else "",
            repeated_share=chosen.repeated,
            folder=folder,
            seconds=chosen.seconds,
            n_rules=chosen.rules,
        )
        cells = list(bench.cells())
        _measure(cells, chosen.repetitions)
    show(cells, _title(bench.bundle, cells, chosen.repetitions, load_before))
    if chosen.repeated:
        show_kept(cells)


def _keeping(stack: ExitStack, root: str, folder: Path, bundle: Bundle) -> str:
    """Address of a service that keeps hidden states, until the stack ends."""
    own = folder / "keeping"
    own.mkdir()
    kept = {"STEERREC_STATE_CACHE_BYTES": str(kept_bytes(bundle))}
    return stack.enter_context(service(root, own, **kept))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M", "M_BELOW"], default="M")
    parser.add_argument("--store", help="root of a store whose production bundle is measured")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument(
        "--rules", type=int, nargs="+", default=N_RULES, metavar="N", help="of a request"
    )
    parser.add_argument(
        "--repeated",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the requests that have the history of a recent one",
    )
    parser.add_argument("--quick", action="store_true", help="once and briefly: a look, no figures")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.repetitions, chosen.seconds = 1, QUICK_SECONDS
    return chosen


def _measure(cells: Sequence[Cell], repetitions: int) -> None:
    for repetition in range(repetitions):
        for cell in cells:
            if sys.stderr.isatty():
                print(f"\r{repetition + 1}: {cell.name:50}", end="", file=sys.stderr)
            cell.results.append(cell.measure())


def _title(bundle: Bundle, cells: Sequence[Cell], repetitions: int, load_before: float) -> str:
    shape = bundle.manifest.base_model
    refused = sum(result.get("refused", 0) for cell in cells for result in cell.results)
    return (
        f"python -m bench.serving {shlex.join(sys.argv[1:])}\n"
        f"{os.cpu_count()} cores, {platform.processor() or platform.machine()},"
        f" Python {platform.python_version()}, load average before {load_before:.1f}\n"
        f"{bundle.version}: {shape.n_items:,} items, d {shape.d_model}, seq {shape.max_seq},"
        f" SAE {bundle.manifest.sae.d_sae:,}; medians of {repetitions}; {refused:.0f} refused calls"
    )


if __name__ == "__main__":
    main()
