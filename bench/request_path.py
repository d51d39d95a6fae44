"""Where a request's time goes inside the process: microseconds of one thread's processor time.

    python -m bench.request_path [--workload S|M] [--batch N] [--repetitions N]

Without the wire: a request's bytes go in and its response's bytes come out, stage by stage, over
the same requests. Processor time, so that a busy machine distorts little; medians of repetitions.
"""

import argparse
import asyncio
import shlex
import sys
from collections.abc import Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from time import thread_time
from typing import Any, TypeVar, cast

from rich import box
from rich.console import Console
from rich.table import Table
from steerrec.v1 import recommender_pb2

from bench import synthetic
from bench.serving import CACHE
from loadtest.requests import Wanted, requests_of
from model_store.bundle import Bundle
from model_store.graphs import Graph
from model_store.store import Store
from service.batcher import Batcher
from service.forward import Answer, Ongoing, Question, forward
from service.metrics import Metrics
from service.models import ServedModels
from service.planning import planned
from service.presets.conditions import compile_condition
from service.query import Query, query_of
from service.recommend import Pinned, Recommender
from service.reply import reply_of
from service.settings import PRODUCTION, Settings
from service.slate import Slate
from service.snapshot import Current
from steering.plan import Limits
from steering.space import FeatureSpace

Made = TypeVar("Made")
N_REQUESTS = 256
MIXES = {
    "no rules": Wanted(count=N_REQUESTS, n_rules=(0,), by="feature"),
    "5 features": Wanted(count=N_REQUESTS, n_rules=(5,), by="feature", operations=("ADD",)),
    "5 attributes": Wanted(count=N_REQUESTS, n_rules=(5,), by="attribute"),
}


class AskedFor:
    """A question that waits for its answer: what the batcher gives the caller to wait on."""

    def __init__(self, question: Question) -> None:
        self._question = question

    def __await__(self) -> Generator[Question, Answer, Answer]:
        """Hands the question out and takes the answer."""
        return (yield self._question)


class ByHand(Batcher):
    """Gives questions to whoever drives the request, who answers them."""

    async def ask(
        self,
        bundle: Bundle,  # noqa: ARG002
        space: FeatureSpace,  # noqa: ARG002
        question: Question,
        deadline: float | None,  # noqa: ARG002
    ) -> Answer:
        """The answer that was handed in."""
        return await AskedFor(question)


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
        by_hand = ByHand(Metrics(), max_batch=batch, queue_limit=batch)
        self._recommender = Recommender(
            Current(), by_hand, Fresh(), compile_condition, pinned.limits
        )

    def run(self, messages: Sequence[bytes]) -> dict[str, float]:
        """Microseconds per request of every stage."""
        clock = Clock(len(messages))
        parse = recommender_pb2.RecommendRequest.FromString
        requests = clock.timed("parse", lambda: [parse(own) for own in messages])
        queries = clock.timed("query", lambda: [query_of(own, "bench") for own in requests])
        # once more by itself: it is part of what comes next
        clock.timed("plan", lambda: [self._planned(own) for own in queries])
        answering = [self._recommender.answer(own, self._pinned, None) for own in queries]
        asked = clock.timed("question", lambda: [own.send(None) for own in answering])
        clock.spent["question"] -= clock.spent["plan"]
        answers = self._answers(clock, cast("list[Question]", asked))
        pairs = list(zip(answering, answers, strict=True))
        slates = clock.timed("slate", lambda: [_ended(own, answer) for own, answer in pairs])
        replies = clock.timed("reply", lambda: [reply_of(own) for own in slates])
        clock.timed("serialise", lambda: [own.SerializeToString() for own in replies])
        return clock.spent

    def _planned(self, query: Query) -> object:
        pinned = self._pinned
        return planned(query, pinned.served, compile_condition, pinned.limits, pinned.moment)

    def _answers(self, clock: Clock, questions: Sequence[Question]) -> list[Answer | Ongoing]:
        bundle, space = self._pinned.served.bundle, self._pinned.served.space
        graphs = {
            "lower graph": bundle.graphs.lower,
            "encoder graph": bundle.graphs.encoder,
            "upper graph": bundle.graphs.upper,
        }
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


def _ended(answering: Coroutine[Any, Any, Slate], answer: Answer | Ongoing) -> Slate:
    try:
        answering.send(answer)
    except StopIteration as ended:
        slate: Slate = ended.value
        return slate
    raise RuntimeError("a request asked for a second question")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M"], default="M")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=9)
    chosen = parser.parse_args()
    pinned = _pinned(chosen.workload)
    path = Path(pinned, chosen.batch)
    mixes = {
        name: [own.SerializeToString() for own in requests_of(pinned.served.bundle, wanted)]
        for name, wanted in MIXES.items()
    }
    for messages in mixes.values():
        path.run(messages)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in mixes}
    for _ in range(chosen.repetitions):
        for name, messages in mixes.items():
            runs[name].append(path.run(messages))
    print(f"python -m bench.request_path {shlex.join(sys.argv[1:])}")
    _show({name: _medians(own) for name, own in runs.items()})


def _pinned(workload: str) -> Pinned:
    store = Store(str(CACHE / workload))
    synthetic.publish(getattr(synthetic, workload), store)
    current = Current()
    models = ServedModels(store, Settings(data_dir=CACHE), current, Metrics())
    asyncio.run(models.load())
    recommender = Recommender(
        current, ByHand(Metrics(), max_batch=1, queue_limit=1), Fresh(), compile_condition, Limits()
    )
    return recommender.pin(PRODUCTION)


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {stage: median(own[stage] for own in runs) for stage in runs[0]}


def _show(spent: dict[str, dict[str, float]]) -> None:
    table = Table(box=box.MARKDOWN)
    table.add_column("stage")
    for name in spent:
        table.add_column(name, justify="right")
    for stage in next(iter(spent.values())):
        table.add_row(stage, *(f"{own[stage]:.1f}" for own in spent.values()))
    totals = [sum(own.values()) for own in spent.values()]
    table.add_row("all", *(f"{total:.1f}" for total in totals))
    table.add_row("over no rules", *(f"{total / totals[0]:.2f}" for total in totals))
    Console(width=120, highlight=False).print(table)


if __name__ == "__main__":
    main()
