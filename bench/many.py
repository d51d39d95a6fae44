"""Many questions by one caller: single calls, batches, a stream, and the model alone.

    python -m bench.many [--workload S|M | --store ROOT] [--repetitions N] [--seconds S] [--rules N]

Every way asks the same questions of one service; each is measured once per repetition, by turns,
and the table shows medians, and medians of the ratios within a repetition. The service and the
generators are processes of their own. docs/performance.md says what the columns mean.
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
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table
from steerrec.v1 import recommender_pb2

from bench import synthetic
from bench.model_alone import graphs_rate, steered_rate
from bench.processes import Running, service_process
from bench.requests import encoded_requests
from bench.serving import RECOMMEND
from model_store.bundle import Bundle
from model_store.store import Store

BATCH_RECOMMEND = "/steerrec.v1.RecommenderService/BatchRecommend"
BATCHES = (16, 64, 256)
IN_FLIGHT = (1, 2)
MESSAGES = (1, 16, 64)
SINGLES = (64, 256)
MODEL_BATCH = 32
COLUMNS = (
    *("what", "per second", "of single calls", "of model and edits"),
    *("service us", "client us", "refused"),
)
Figures = dict[str, float]


@dataclass
class Way:
    """One way to ask."""

    name: str
    measure: Callable[[], Figures]
    """Questions answered a second, and what one cost."""
    results: list[Figures] = field(default_factory=list)
    """One per repetition."""

    def median(self, figure: str) -> float | None:
        """Over the repetitions; None: it has no such figure."""
        values = [own[figure] for own in self.results if figure in own]
        return median(values) if values else None

    def over(self, other: "Way") -> float:
        """Median of its rate over another's in the same repetition."""
        pairs = zip(self.results, other.results, strict=True)
        return median(own["per_s"] / base["per_s"] for own, base in pairs)


@dataclass(frozen=True)
class Bench:
    """What the ways share."""

    bundle: Bundle
    running: Running
    """The service."""
    folder: Path
    """For the generators' messages."""
    seconds: float
    """Of each measurement."""
    n_rules: int
    """Of each request."""

    def ways(self) -> Iterator[Way]:
        """In the table's order: the model's two, single calls, and the others."""
        requests = encoded_requests(self.bundle, self.n_rules)
        for name, rate in (("model", graphs_rate), ("model and edits", steered_rate)):
            yield Way(
                f"{name}, batch {MODEL_BATCH}",
                partial(_alone, rate, self.bundle, requests, self.seconds),
            )
        for in_flight in SINGLES:
            yield self._called(
                f"Recommend, {in_flight} in flight", RECOMMEND, requests, 1, in_flight
            )
        for size in BATCHES:
            for in_flight in IN_FLIGHT:
                name = f"BatchRecommend of {size}, {in_flight} in flight"
                yield self._called(name, BATCH_RECOMMEND, requests, size, in_flight)
        for size in MESSAGES:
            yield self._streamed(f"StreamRecommend, {size} a message", requests, size)
        if self.n_rules:
            alike, size, in_flight = _with_rules_of_first(requests), BATCHES[-1], IN_FLIGHT[-1]
            name = f"BatchRecommend of {size}, {in_flight} in flight, same rules"
            yield self._called(name, BATCH_RECOMMEND, alike, size, in_flight)
            yield self._streamed(
                f"StreamRecommend, {MESSAGES[-1]} a message, same rules", alike, 64
            )

    def _called(
        self, name: str, method: str, requests: Sequence[bytes], size: int, in_flight: int
    ) -> Way:
        messages = [*requests] if size == 1 else _messages(requests, size)
        file = self._file(name, messages)
        command = ["bench.closed_loop", self.running.grpc, method, str(file), str(in_flight)]
        return Way(name, partial(self._loaded, command, size))

    def _streamed(self, name: str, requests: Sequence[bytes], size: int) -> Way:
        file = self._file(name, _messages(requests, size))
        return Way(
            name, partial(self._loaded, ["bench.streaming", self.running.grpc, str(file)], 1)
        )

    def _file(self, name: str, messages: Sequence[bytes]) -> Path:
        path = self.folder / f"{name.replace(' ', '-')}.json"
        path.write_text(json.dumps([own.hex() for own in messages]))
        return path

    def _loaded(self, command: Sequence[str], size: int) -> Figures:
        """What a generator prints, per question; `size` questions are one of its calls."""
        before_s = processor_s(self.running.pid)
        told = _printed([*command, str(self.seconds)])
        spent_s = processor_s(self.running.pid) - before_s
        questions = told["calls"] * size
        return {
            "per_s": told["per_s"] * size,
            "service_us": spent_s / questions * 1e6,
            "client_us": told["client_ms"] / size * 1e3,
            "refused": told["refused"],
        }


def _alone(
    rate: Callable[[Bundle, list[bytes], int, float], float],
    bundle: Bundle,
    requests: list[bytes],
    seconds: float,
) -> Figures:
    return {"per_s": rate(bundle, requests, MODEL_BATCH, seconds)}


def _messages(requests: Sequence[bytes], size: int) -> list[bytes]:
    """The requests as messages of so many; those of batches and streams are the same bytes."""
    parsed = [recommender_pb2.RecommendRequest.FromString(own) for own in requests]
    return [
        recommender_pb2.BatchRecommendRequest(requests=parsed[i : i + size]).SerializeToString()
        for i in range(0, len(parsed) - size + 1, size)
    ]


def _with_rules_of_first(requests: Sequence[bytes]) -> list[bytes]:
    parsed = [recommender_pb2.RecommendRequest.FromString(own) for own in requests]
    return [
        recommender_pb2.RecommendRequest(
            history=own.history, k=own.k, rules=parsed[0].rules
        ).SerializeToString()
        for own in parsed
    ]


def processor_s(pid: int) -> float:
    """Processor seconds of a process so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def _printed(command: Sequence[str]) -> Figures:
    told: Figures = json.loads(subprocess.check_output([sys.executable, "-m", *command]))
    return told


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    load_before = os.getloadavg()[0]
    root = chosen.store or synthetic.stored(chosen.workload)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(
            bundle=Store(root).load("production"),
            running=stack.enter_context(service_process(root, folder)),
            folder=folder,
            seconds=chosen.seconds,
            n_rules=chosen.rules,
        )
        ways = list(bench.ways())
        for _ in range(chosen.repetitions):
            for way in ways:
                way.results.append(way.measure())
    print(f"python -m bench.many {shlex.join(sys.argv[1:])}")
    print(
        f"{os.cpu_count()} cores, {platform.processor() or platform.machine()},"
        f" load average before {load_before:.1f}, after {os.getloadavg()[0]:.1f};"
        f" {bench.bundle.version}, {chosen.rules} rules a request;"
        f" medians of {chosen.repetitions}"
    )
    show(ways)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M"], default="M")
    parser.add_argument("--store", help="root of a store whose production bundle is measured")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rules", type=int, default=5, help="of each request, all different")
    return parser.parse_args()


def show(ways: Sequence[Way]) -> None:
    """Prints the table, as Markdown; the first way of single calls is what others are compared to.

    Args:
        ways: as `Bench.ways` gives them.
    """
    model = next(way for way in ways if way.name.startswith("model and edits"))
    single = next(way for way in ways if way.name.startswith("Recommend"))
    table = Table(box=box.MARKDOWN)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "what" else "right", no_wrap=True)
    for way in ways:
        table.add_row(way.name, *_cells(way, single, model))
    Console(width=140, highlight=False).print(table)


def _cells(way: Way, single: Way, model: Way) -> Iterator[str]:
    yield f"{way.median('per_s'):,.0f}"
    yield f"{way.over(single):.2f}"
    yield f"{way.over(model):.2f}"
    for figure in ("service_us", "client_us", "refused"):
        value = way.median(figure)
        yield "" if value is None else f"{value:,.0f}"


if __name__ == "__main__":
    main()
