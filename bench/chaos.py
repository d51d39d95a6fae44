"""One table: what requests get while Redis is broken in every way.

    python -m bench.chaos [--fault NAME ...] [--hold S] [--repetitions N]

For each fault a replica process of its own is asked without a break by a few callers, each naming
a preset; Redis is broken, stays so for a while, and is mended. The servers and the small bundle
are those of the tests. docs/operating.md says what the columns mean.
"""

import argparse
import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from rich import box
from rich.console import Console
from rich.table import Table
from steerrec.v1 import preset_pb2_grpc, recommender_pb2, recommender_pb2_grpc

from bench.processes import service
from bench.redis_faults import FAULTS, creation
from model_store.store import Store
from tests.bundles import tiny_bundle
from tests.tiny_model import TinyModel

PRESET = "chaos"
HISTORY = ("i3", "i7", "i11", "i16")
N_CALLERS = 4
THINK_S = 0.005
"""Of a caller between two calls: the gaps that count are the service's, not the queue's."""
DEADLINE_S = 1.0
"""Of each call: one that waits for Redis fails."""
HOLD_S = 4.0
"""How long a fault lasts: a paused Redis is noticed after at most three seconds."""
CALM_S = 1.0
"""Without a fault before and after."""
BACK_WITHIN_S = 60.0
AGE = re.compile(r"presets are (\d+) s old")
COLUMNS = ("fault", "requests", "failures", "longest pause ms", "stale age s", "back after s")


@dataclass
class Load:
    """Callers of one replica, and what they were answered."""

    address: str
    deadline_s: float
    """Of each call."""
    answered_at: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What was wrong with each answer that was."""
    stale_age_s: int | None = None
    """Largest age that a reply told; None: none was stale."""
    is_stale: bool = False
    """Of the last reply."""
    fresh_at: float = 0.0
    """Of the last reply that was, right after one that was not."""

    async def call_until(self, is_over: Callable[[], bool]) -> None:
        """Calls from N_CALLERS until it is over."""
        async with grpc.aio.insecure_channel(self.address) as channel:
            await channel.channel_ready()
            stub = recommender_pb2_grpc.RecommenderServiceStub(channel)
            await asyncio.gather(*(self._caller(stub, is_over) for _ in range(N_CALLERS)))

    async def _caller(
        self,
        stub: "recommender_pb2_grpc.RecommenderServiceAsyncStub",
        is_over: Callable[[], bool],
    ) -> None:
        request = recommender_pb2.RecommendRequest(history=HISTORY)
        request.presets.add(name=PRESET)
        while not is_over():
            try:
                reply = await stub.Recommend(request, timeout=self.deadline_s)
            except grpc.aio.AioRpcError as error:
                self.failures.append(f"{error.code().name}: {error.details()}")
            else:
                self._answered(reply)
            await asyncio.sleep(THINK_S)

    def _answered(self, reply: recommender_pb2.RecommendResponse) -> None:
        self.answered_at.append(time.perf_counter())
        applied = [(own.name, own.revision) for own in reply.applied_presets]
        if applied != [(PRESET, 1)]:
            self.failures.append(f"{applied} was applied")
        ages = [int(found[1]) for own in reply.degraded if (found := AGE.search(own.detail))]
        if self.is_stale and not ages:
            self.fresh_at = time.perf_counter()
        self.is_stale = bool(ages)
        if ages:
            self.stale_age_s = max(self.stale_age_s or 0, *ages)

    @property
    def longest_pause_ms(self) -> float:
        """Longest time between two answers, whoever got them."""
        gaps = (
            after - at for at, after in zip(self.answered_at, self.answered_at[1:], strict=False)
        )
        return 1e3 * max(gaps)


@dataclass(frozen=True)
class Outcome:
    """A row of the table."""

    requests: int
    failures: list[str]
    answered_while_broken: int
    """Requests that were answered between the strike and the mend."""
    longest_pause_ms: float
    stale_age_s: int | None
    """Largest age that a reply told; None: none was stale."""
    back_after_s: float | None
    """From the mend, or where Redis mends itself the strike, to the first fresh reply; None: no
    reply was stale."""


async def outcome_of(
    fault: str,
    store_root: str,
    folder: Path,
    hold_s: float = HOLD_S,
    deadline_s: float = DEADLINE_S,
) -> Outcome:
    """What requests got while a fault came and went.

    Args:
        fault: of FAULTS.
        store_root: of a store with a `production` bundle.
        folder: for the servers' and the replica's files.
        hold_s: how long the fault lasts.
        deadline_s: of each call.

    Raises:
        TimeoutError: the replies were still stale after BACK_WITHIN_S.
    """
    async with FAULTS[fault](folder / "redis") as redis:
        with ExitStack() as stack:
            started = service(store_root, folder, STEERREC_REDIS_URL=redis.url, **QUIET)
            address = await asyncio.to_thread(stack.enter_context, started)  # a proxy runs here
            await _create(address)
            load, is_over = Load(address, deadline_s), asyncio.Event()
            calling = asyncio.create_task(load.call_until(is_over.is_set))
            await asyncio.sleep(CALM_S)
            struck_at = time.perf_counter()
            await redis.strike(address)
            await asyncio.sleep(hold_s)
            mended_at = time.perf_counter()
            await redis.mend(address)
            async with asyncio.timeout(BACK_WITHIN_S):
                while load.is_stale:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(CALM_S)
            is_over.set()
            await calling
    since = struck_at if redis.has_failed_over else mended_at
    back_after_s = load.fresh_at - since if load.stale_age_s is not None else None
    return Outcome(
        requests=len(load.answered_at) + len(load.failures),
        failures=load.failures,
        answered_while_broken=sum(struck_at <= at < mended_at for at in load.answered_at),
        longest_pause_ms=load.longest_pause_ms,
        stale_age_s=load.stale_age_s,
        back_after_s=back_after_s,
    )


QUIET = {"STEERREC_LOG_LEVEL": "error"}


async def _create(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        await preset_pb2_grpc.PresetServiceStub(channel).CreatePreset(creation(PRESET))


def tiny_store(folder: Path) -> str:
    """Root of a store with the tests' small bundle."""
    manifest = tiny_bundle(folder / "bundle", TinyModel())
    store = Store(str(folder / "store"))
    store.publish(folder / "bundle", manifest)
    store.promote("production", manifest.version)
    return store.root


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    load_before = os.getloadavg()[0]
    rows: dict[str, list[Outcome]] = {fault: [] for fault in chosen.fault or FAULTS}
    with ExitStack() as stack:
        root = tiny_store(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        for _ in range(chosen.repetitions):
            for fault, outcomes in rows.items():
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                outcomes.append(asyncio.run(outcome_of(fault, root, folder, chosen.hold)))
                for failure in outcomes[-1].failures[:3]:
                    print(f"{fault}: {failure}", file=sys.stderr)
    Console(width=120).print(
        f"python -m bench.chaos: {os.cpu_count()} cores, load average before {load_before:.1f};"
        f" {N_CALLERS} callers; sums of requests and failures, worst of {chosen.repetitions}"
        " repetitions, back after: median",
        soft_wrap=True,
        highlight=False,
    )
    Console(width=120).print(_table(rows))


def _table(rows: dict[str, list[Outcome]]) -> Table:
    table = Table(box=box.MARKDOWN)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "fault" else "right")
    for fault, outcomes in rows.items():
        table.add_row(fault, *_figures(outcomes))
    return table


def _figures(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    ages = [own.stale_age_s for own in outcomes if own.stale_age_s is not None]
    backs = [own.back_after_s for own in outcomes if own.back_after_s is not None]
    return (
        f"{sum(own.requests for own in outcomes):,}",
        f"{sum(len(own.failures) for own in outcomes)}",
        f"{max(own.longest_pause_ms for own in outcomes):.0f}",
        f"{max(ages)}" if ages else "-",
        f"{statistics.median(backs):.1f}" if backs else "-",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="only this one")
    parser.add_argument("--hold", type=float, default=HOLD_S, help="seconds that a fault lasts")
    parser.add_argument("--repetitions", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
