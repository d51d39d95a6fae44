"""What targeting costs: presets that apply to every request, with and without parts to be asked.

    python -m bench.targeting [--workload S|M | --store ROOT] [--repetitions N] [--requests N]
    python -m bench.targeting --conditions

Each request is answered by turns under every state of the presets, in one process, from its bytes
to the bytes of its reply: the wire, which costs the same for all, is left out and would make the
ratios smaller. The second form prints what the most expensive conditions take that a write allows.
"""

import argparse
import asyncio
import os
import random
import shlex
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from time import perf_counter, process_time, thread_time
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from steerrec.v1 import recommender_pb2

from bench import synthetic
from bench.requests import encoded_requests
from model_store.store import Store
from service.batcher import Batcher
from service.metrics import Metrics
from service.models import ServedModels
from service.planning import planned
from service.presets.compiled import StoredPresets, compile_presets
from service.presets.conditions import Facts, compile_condition
from service.presets.record import PresetRevision, head_of
from service.presets.rollout import Rollout
from service.presets.schedule import Schedule, WeeklyWindow
from service.presets.targeting import Targeting
from service.query import MAX_CONTEXT_BYTES, Query, query_of
from service.recommend import Pinned, Recommender
from service.reply import reply_of
from service.settings import load_settings
from service.snapshot import Current, ServedModel
from steering.plan import Limits
from steering.rules import Attribute, Operation, Rule

COUNTS = (0, 1, 10, 64)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = Targeting(is_default=True)
FULL = replace(
    PLAIN,
    condition="context.surface == 'home' && context.age >= 18",
    schedule=Schedule(
        EPOCH, None, (WeeklyWindow((1, 2, 3, 4, 5, 6, 7), 0, 24 * 60),), "Europe/Berlin"
    ),
    rollout=Rollout(100, "user_id"),
)
"""Everything that can be asked, and all of it holds."""
CONTEXT: dict[str, str | int] = {"surface": "home", "age": 30, "user_id": "u1", "country": "de"}
CONDITION_RUNS = 50


class AlwaysFresh:
    """No Redis is asked here."""

    def staleness(self) -> str:
        """Nothing to tell."""
        return ""


class Sample(NamedTuple):
    """What one request took."""

    planning_s: float
    request_s: float
    """On the clock of the wall."""
    cpu_s: float
    """Of this process, the model's thread included: other processes do not count."""


@dataclass(frozen=True, eq=False)
class State:
    """One set of presets in force, and what was measured under it."""

    n_defaults: int
    pinned: Pinned
    medians: list[Sample] = field(default_factory=list)
    """One per repetition."""

    def median(self, figure: str) -> float:
        """Over the repetitions."""
        return float(statistics.median(getattr(own, figure) for own in self.medians))


def stored(count: int, targeting: Targeting, groups: Sequence[Attribute]) -> StoredPresets:
    """So many default presets of one rule each, on one group after the other."""
    records = [
        PresetRevision(
            name=f"preset-{i}",
            description="",
            rules=(Rule(Operation.ADD, groups[i % len(groups)], 0.1),),
            feature_space="",
            revision=1,
            author="bench",
            reason="bench",
            create_time=EPOCH,
            update_time=EPOCH,
            targeting=targeting,
        )
        for i in range(count)
    ]
    return StoredPresets(
        {own.name: head_of(own) for own in records}, {own.name: (own,) for own in records}
    )


def states(served: ServedModel) -> list[State]:
    """Every count of defaults, without and with targeting."""
    groups = [Attribute(*name) for name in served.bundle.groups]
    return [
        State(
            count,
            Pinned(
                replace(
                    served, presets=compile_presets(stored(count, targeting, groups), served.bench)
                ),
                Limits(),
                datetime.now(UTC),
            ),
        )
        for count in COUNTS
        for targeting in (PLAIN, FULL)
    ]


def requests(served: ServedModel, count: int) -> list[bytes]:
    """Requests without rules of their own, with a context."""
    made = []
    for encoded in islice(encoded_requests(served.bundle, 0), count):
        request = recommender_pb2.RecommendRequest.FromString(encoded)
        for key, value in CONTEXT.items():
            request.context[key] = value
        made.append(request.SerializeToString())
    return made


async def measure(states: Sequence[State], recommender: Recommender, made: list[bytes]) -> None:
    """Adds one repetition to every state."""
    samples: list[list[Sample]] = [[] for _ in states]
    order = list(range(len(states)))
    for encoded in made:
        random.shuffle(order)  # a state would else always come after the same other
        for i in order:
            samples[i].append(await _sample(encoded, states[i].pinned, recommender))
    for state, own in zip(states, samples, strict=True):
        state.medians.append(Sample(*map(statistics.median, zip(*own, strict=True))))


async def _sample(encoded: bytes, pinned: Pinned, recommender: Recommender) -> Sample:
    start, cpu = perf_counter(), process_time()
    query = _query(encoded)
    slate = await recommender.answer(query, pinned, None)
    reply_of(slate).SerializeToString()
    request_s, cpu_s = perf_counter() - start, process_time() - cpu
    start = perf_counter()
    planned(query, pinned.served, compile_condition, pinned.limits, pinned.moment)
    return Sample(perf_counter() - start, request_s, cpu_s)


def _query(encoded: bytes) -> Query:
    return query_of(recommender_pb2.RecommendRequest.FromString(encoded), "bench")


def table(states: Sequence[State]) -> Table:
    """Targeted over untargeted; in brackets the least and the largest of a repetition."""
    shown = Table(box=box.MARKDOWN)
    for column in ("defaults", "planning us", "targeted us", "request ms", "latency", "CPU"):
        shown.add_column(column, justify="right")
    for plain, targeted in zip(states[::2], states[1::2], strict=True):
        shown.add_row(
            str(plain.n_defaults),
            *(f"{1e6 * own.median('planning_s'):.0f}" for own in (plain, targeted)),
            f"{1e3 * plain.median('request_s'):.2f}",
            *(_ratio(plain, targeted, figure) for figure in ("request_s", "cpu_s")),
        )
    return shown


def _ratio(plain: State, targeted: State, figure: str) -> str:
    ratios = [
        getattr(after, figure) / getattr(before, figure)
        for before, after in zip(plain.medians, targeted.medians, strict=True)
    ]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def conditions() -> Iterator[tuple[str, str, dict[str, object]]]:
    """Expensive conditions that a write allows, each with a context as large as may be."""
    text = "xy" * (MAX_CONTEXT_BYTES // 2 - 20)
    numbers: list[object] = [1.0] * (MAX_CONTEXT_BYTES // 12)
    pattern = "context.a.matches('%s')"
    yield "one pattern of 100 optional parts", pattern % (".?" * 50), {"a": text}
    yield "nested repetitions", pattern % "(.?.?.?.?){13}z", {"a": text}
    yield "a counted repetition", pattern % "(.{1,3}){1,5}z", {"a": text}
    yield "many states", pattern % ("(x|y)*x" + "(x|y)" * 18), {"a": text}
    yield "many patterns", " || ".join([pattern % "(x|y)*z"] * 30), {"a": text}
    yield (
        "many searches",
        " || ".join(["context.a.contains(context.b)"] * 3),
        {"a": "x" * 3000, "b": "x" * 900 + "y"},
    )
    yield "lists compared", " && ".join(["context.l == context.l"] * 39), {"l": numbers}
    yield "texts joined", " + ".join(["context.a"] * 20) + " == ''", {"a": text}


def condition_table() -> Table:
    """Median and worst processor microseconds per condition."""
    shown = Table(box=box.MARKDOWN)
    for column in ("condition", "characters", "median us", "worst us"):
        shown.add_column(column, justify="left" if column == "condition" else "right")
    for name, source, context in conditions():
        asked = compile_condition(source)
        times = [_timed(lambda: asked(Facts(context))) for _ in range(CONDITION_RUNS)]  # noqa: B023
        shown.add_row(
            name, str(len(source)), f"{statistics.median(times):.0f}", f"{max(times):.0f}"
        )
    return shown


def _timed(work: Callable[[], object]) -> float:
    """Microseconds of this thread's processor time: other processes do not count."""
    start = thread_time()
    work()
    return 1e6 * (thread_time() - start)


async def run(root: str, repetitions: int, count: int) -> Table:
    """The table of one bundle."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings({}, bundles=root, data_dir=folder)
        metrics, current = Metrics(), Current()
        await ServedModels(Store(root), settings, current, metrics).load()
    served = current.snapshot.model("production")
    batcher = Batcher(metrics, max_batch=32, queue_limit=64)
    recommender = Recommender(current, batcher, AlwaysFresh(), compile_condition, Limits())
    measured, made = states(served), requests(served, count)
    await measure(states(served), recommender, made[:20])  # warms up
    for _ in range(repetitions):
        await measure(measured, recommender, made)
    await batcher.stop()
    return table(measured)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M"], default="M")
    parser.add_argument("--store", help="root of a store whose production bundle is measured")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--requests", type=int, default=100, help="of each repetition")
    parser.add_argument("--conditions", action="store_true", help="what single conditions take")
    chosen = parser.parse_args()
    load_before = os.getloadavg()[0]
    if chosen.conditions:
        shown = condition_table()
    else:
        root = chosen.store or synthetic.stored(chosen.workload)
        shown = asyncio.run(run(root, chosen.repetitions, chosen.requests))
    console = Console(width=100, highlight=False)
    console.print(f"python -m bench.targeting {shlex.join(sys.argv[1:])}", soft_wrap=True)
    console.print(f"{os.cpu_count()} cores, load average before {load_before:.1f}")
    console.print(shown)


if __name__ == "__main__":
    main()
