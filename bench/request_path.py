"""Where a request's time goes inside the process: microseconds of one thread's processor time.

    python -m bench.request_path [--workload S|M|M_BELOW] [--batch N] [--repetitions N]
                                 [--repeated SHARE]

Without the wire: a request's bytes go in and its response's bytes come out, stage by stage, over
the same requests. Processor time, so that a busy machine distorts little; medians of repetitions.

With `--repeated` so many requests have the history of a recent one, with other rules: answered with
no hidden state kept, with a cache that has to earn its hits, and with every history kept.
"""

import argparse
import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from time import thread_time
from typing import TypeVar, cast

from rich import box
from rich.console import Console
from rich.table import Table
from steerrec.v1 import recommender_pb2

from bench import synthetic
from bench.requests import REPEATED_WITHIN, kept_bytes
from loadtest.requests import Wanted, requests_of
from model_store.bundle import Bundle
from model_store.graphs import Graph
from model_store.scan import Scan
from model_store.store import Store
from service.batcher import Batcher
from service.forward import Answer, Ongoing, Question, forward
from service.metrics import Metrics
from service.models import ServedModels
from service.presets.conditions import compile_condition
from service.query import query_of
from service.recommend import Pinned, Prepared, Recommender
from service.reply_bytes import reply_bytes
from service.settings import PRODUCTION, Settings
from service.snapshot import Current
from service.state_cache import Lookups, StateCache
from steering.plan import Limits

Made = TypeVar("Made")
N_REQUESTS = 256
N_REPEATED_REQUESTS = 512
FOUND = "histories found, %"
MIXES = {
    "no rules": Wanted(count=N_REQUESTS, n_rules=(0,), by="feature"),
    "5 features": Wanted(count=N_REQUESTS, n_rules=(5,), by="feature", operations=("ADD",)),
    "5 attributes": Wanted(count=N_REQUESTS, n_rules=(5,), by="attribute"),
}


@dataclass(frozen=True)
class Column:
    """One column of the table."""

    messages: Sequence[bytes]
    """Requests."""
    compared_with: str
    """Column that its total is compared with."""
    kept_bytes: int = 0
    """For hidden states."""
    is_warm: bool = False
    """Whether every history was asked about twice before."""


class Fresh:
    """Presets that are those of Redis."""

    def staleness(self) -> str:
        """Nothing."""
        return ""


@dataclass
class Clock:
    """Microseconds per request, by stage."""

    n_requests: int
    spent: dict[str, float] = field(default_factory=dict)

    def timed(self, stage: str, work: Callable[[], Made]) -> Made:
        """What the work gives; its time is added to the stage's."""
        start = thread_time()
        made = work()
        spent = (thread_time() - start) * 1e6 / self.n_requests
        self.spent[stage] = self.spent.get(stage, 0.0) + spent
        return made


class Path:
    """One request path, driven by hand."""

    def __init__(self, pinned: Pinned, batch: int) -> None:
        self._pinned = pinned
        self._batch = batch
        idle = Batcher(Metrics(), max_batch=batch, queue_limit=batch)
        self._recommender = Recommender(Current(), idle, Fresh(), compile_condition, pinned.limits)

    def run(self, messages: Sequence[bytes]) -> dict[str, float]:
        """Microseconds per request of every stage."""
        clock, own, pinned = Clock(len(messages)), self._recommender, self._pinned
        parse = recommender_pb2.RecommendRequest.FromString
        requests = clock.timed("parse", lambda: [*map(parse, messages)])
        queries = clock.timed("query", lambda: [query_of(one, "bench") for one in requests])
        plans = clock.timed("plan", lambda: [own.plan(one, pinned) for one in queries])
        pairs = list(zip(queries, plans, strict=True))
        prepared = cast(
            "list[Prepared]",
            clock.timed("question", lambda: [own.prepared(q, pinned, plan) for q, plan in pairs]),
        )
        answers = cast("list[Answer]", self._answers(clock, [one.question for one in prepared]))
        told = list(zip(prepared, answers, strict=True))
        slates = clock.timed("slate", lambda: [one.slate(answer) for one, answer in told])
        clock.timed("reply", lambda: [*map(reply_bytes, slates)])
        return clock.spent

    def _answers(self, clock: Clock, questions: Sequence[Question]) -> list[Answer | Ongoing]:
        bundle, space = self._pinned.served.bundle, self._pinned.served.space
        graphs = {
            "lower graph": bundle.graphs.lower,
            "encoder graph": bundle.graphs.encoder,
            "upper graph": bundle.graphs.upper,
        }
        if isinstance(bundle.graphs.ranking, Scan):
            graphs["scan graph"] = bundle.graphs.ranking.graph
        clock.spent |= dict.fromkeys(graphs, 0.0)
        kept = {name: graph.run for name, graph in graphs.items()}
        for name, graph in graphs.items():
            _time_runs(graph, name, clock)
        answers: list[Answer | Ongoing] = []
        for start in range(0, len(questions), self._batch):
            own = questions[start : start + self._batch]
            made, _ = clock.timed("forward", partial(forward, bundle, space, own))
            answers.extend(made)
        for name, graph in graphs.items():
            vars(graph)["run"] = kept[name]
        clock.spent["edits and forward's own"] = clock.spent.pop("forward") - sum(
            clock.spent[name] for name in graphs
        )
        return answers


def _time_runs(graph: Graph, stage: str, clock: Clock) -> None:
    run = graph.run
    vars(graph)["run"] = lambda outputs, **inputs: clock.timed(
        stage, lambda: run(outputs, **inputs)
    )


class Found:
    """What became of the histories of a run."""

    def __init__(self) -> None:
        self._looked_up = self._computed = 0

    def count(self, lookups: Lookups) -> None:
        """Of one run of the model."""
        self._looked_up += sum(lookups)
        self._computed += lookups.miss

    @property
    def percent(self) -> float:
        """Histories that were not computed."""
        return 100 * (1 - self._computed / self._looked_up) if self._looked_up else 0.0


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M", "M_BELOW"], default="M")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--repeated", type=float, metavar="SHARE", default=0.0)
    chosen = parser.parse_args()
    pinned = _pinned(chosen.workload)
    bundle = pinned.served.bundle
    columns = dict(_repeating(bundle, chosen.repeated) if chosen.repeated else _mixed(bundle))
    for column in columns.values():
        _run(pinned, chosen.batch, column)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in columns}
    for _ in range(chosen.repetitions):
        for name, column in columns.items():
            runs[name].append(_run(pinned, chosen.batch, column))
    print(f"python -m bench.request_path {shlex.join(sys.argv[1:])}")
    ratios = {name: _ratio(own, runs[columns[name].compared_with]) for name, own in runs.items()}
    _show({name: _medians(own) for name, own in runs.items()}, ratios)


def _mixed(bundle: Bundle) -> Iterator[tuple[str, Column]]:
    for name, wanted in MIXES.items():
        yield name, Column(_messages(bundle, wanted), "no rules")


def _repeating(bundle: Bundle, share: float) -> Iterator[tuple[str, Column]]:
    for n_rules in (0, 5):
        wanted = Wanted(
            count=N_REPEATED_REQUESTS,
            n_rules=(n_rules,),
            by="feature",
            operations=("ADD",),
            repeated_share=share,
            repeated_within=REPEATED_WITHIN,
        )
        messages, rules = _messages(bundle, wanted), f"{n_rules or 'no'} rules"
        nothing = f"{rules}, nothing kept"
        yield nothing, Column(messages, nothing)
        yield f"{rules}, kept", Column(messages, nothing, kept_bytes(bundle))
        yield f"{rules}, all kept", Column(messages, nothing, 2**30, is_warm=True)


def _messages(bundle: Bundle, wanted: Wanted) -> list[bytes]:
    return [own.SerializeToString() for own in requests_of(bundle, wanted)]


def _run(pinned: Pinned, batch: int, column: Column) -> dict[str, float]:
    """Microseconds per request of every stage, and what share of histories was found."""
    found = Found()
    states = StateCache(column.kept_bytes, lambda lookups: found.count(lookups))  # noqa: PLW0108 - `found` is replaced
    path = Path(replace(pinned, served=replace(pinned.served, states=states)), batch)
    if column.is_warm:
        path.run(column.messages)
        path.run(column.messages)  # activations are kept of what came back
        found = Found()
    return path.run(column.messages) | {FOUND: found.percent}


def _pinned(workload: str) -> Pinned:
    store = Store(synthetic.stored(workload))
    current = Current()
    models = ServedModels(store, Settings(data_dir=synthetic.CACHE), current, Metrics())
    asyncio.run(models.load())
    idle = Batcher(Metrics(), max_batch=1, queue_limit=1)
    recommender = Recommender(current, idle, Fresh(), compile_condition, Limits())
    return recommender.pin(PRODUCTION)


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {stage: median(own[stage] for own in runs) for stage in runs[0]}


def _ratio(runs: Sequence[dict[str, float]], others: Sequence[dict[str, float]]) -> float:
    """Median over the repetitions of what one took over what the other took in the same one."""
    return median(_total(own) / _total(other) for own, other in zip(runs, others, strict=True))


def _total(spent: dict[str, float]) -> float:
    return sum(duration for stage, duration in spent.items() if stage != FOUND)


def _show(spent: dict[str, dict[str, float]], ratios: dict[str, float]) -> None:
    found = {name: own.pop(FOUND) for name, own in spent.items()}
    table = Table(box=box.MARKDOWN)
    table.add_column("stage")
    for name in spent:
        table.add_column(name, justify="right")
    for stage in next(iter(spent.values())):
        table.add_row(stage, *(f"{own[stage]:.1f}" for own in spent.values()))
    table.add_row("all", *(f"{sum(own.values()):.1f}" for own in spent.values()))
    is_repeating = any(found.values())
    if is_repeating:
        table.add_row(FOUND, *(f"{percent:.0f}" for percent in found.values()))
    compared = "over nothing kept" if is_repeating else "over no rules"
    table.add_row(compared, *(f"{ratio:.2f}" for ratio in ratios.values()))
    Console(width=120, highlight=False).print(table)


if __name__ == "__main__":
    main()
