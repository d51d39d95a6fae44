"""How long after a publish call's return each replica serves what was published.

    python -m bench.propagation [--replicas 8] [--publishes 60] [--repetitions 3]

All replicas are processes on this machine with one Redis. For each publish every replica is asked,
each over a channel of its own, again and again until its answer names the new revision; the time
counts from the return of PublishPreset. A publish is made through each replica in turn.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import grpc
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from steerrec.v1 import preset_pb2, preset_pb2_grpc, recommender_pb2, recommender_pb2_grpc

from bench.chaos import HISTORY, tiny_store
from bench.processes import service
from tests import redis_servers

PRESET = "propagated"
POLL_S = 0.005
"""Between two questions to a replica; so exact is the figure, beside the question's own time."""
REST_S = 0.05
"""Between a draft and its publish."""
GOAL_P99_MS = 200.0
COLUMNS = ("repetition", "publishes", "replicas", "p50 ms", "p99 ms", "max ms", "other p50 ms")


class Fleet:
    """Replicas of one Redis, each with a channel of its own."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self._presets = [preset_pb2_grpc.PresetServiceStub(channel) for channel in channels]
        self._asked = [recommender_pb2_grpc.RecommenderServiceStub(own) for own in channels]
        self._etag = ""

    async def prepare(self) -> None:
        """Stores the preset, in force."""
        created = await self._presets[0].CreatePreset(
            preset_pb2.CreatePresetRequest(preset=_preset(0.0), author="ops", reason="bench")
        )
        self._etag = created.preset.etag

    async def draft(self, value: float) -> int:
        """Stores the next revision, not in force; its number."""
        asked = preset_pb2.UpdatePresetRequest(
            preset=_preset(value), author="ops", reason="bench", as_draft=True
        )
        asked.preset.etag = self._etag
        drafted = (await self._presets[0].UpdatePreset(asked)).preset
        self._etag = drafted.etag
        return drafted.revision

    async def published(self, revision: int) -> tuple[int, list[float]]:
        """Which replica published the revision, and after how many seconds each one served it."""
        through = revision % len(self._presets)
        asked = preset_pb2.PublishPresetRequest(
            name=PRESET, revision=revision, etag=self._etag, author="ops", reason="bench"
        )
        self._etag = (await self._presets[through].PublishPreset(asked)).preset.etag
        returned_at = time.perf_counter()
        served = await asyncio.gather(*(_served(stub, revision) for stub in self._asked))
        return through, [max(0.0, at - returned_at) for at in served]


async def _served(stub: "recommender_pb2_grpc.RecommenderServiceAsyncStub", revision: int) -> float:
    """When a replica's answer first named the revision."""
    request = recommender_pb2.RecommendRequest(history=HISTORY)
    request.presets.add(name=PRESET)
    while True:
        reply = await stub.Recommend(request)
        if [own.revision for own in reply.applied_presets] == [revision]:
            return time.perf_counter()
        await asyncio.sleep(POLL_S)


def _preset(value: float) -> preset_pb2.Preset:
    preset = preset_pb2.Preset(name=PRESET)
    preset.rules.add(feature_index=0, operation="OPERATION_ADD", value=0.1 + value)
    return preset


async def measured(addresses: Sequence[str], n_publishes: int) -> list[tuple[int, list[float]]]:
    """Of each publish: through which replica, and the seconds until each one served it."""
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address))
            for address in addresses
        ]
        fleet = Fleet(channels)
        await fleet.prepare()
        times = []
        for i in range(n_publishes):
            revision = await fleet.draft((i + 1) / 1000)
            await asyncio.sleep(REST_S)
            times.append(await fleet.published(revision))
        return times


def run(
    folder: Path, root: str, n_replicas: int, n_publishes: int
) -> list[tuple[int, list[float]]]:
    """Starts a Redis and the replicas, and measures."""
    with ExitStack() as stack:
        redis = stack.enter_context(redis_servers.single(folder / "redis"))

        def start(i: int) -> str:
            own = folder / f"replica-{i}"
            own.mkdir()
            return stack.enter_context(service(root, own, STEERREC_REDIS_URL=redis.url))

        with ThreadPoolExecutor(n_replicas) as starting:
            addresses = list(starting.map(start, range(n_replicas)))
        return asyncio.run(measured(addresses, n_publishes))


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    load_before = os.getloadavg()[0]
    table = Table(box=box.MARKDOWN)
    for column in COLUMNS:
        table.add_column(column, justify="right")
    with ExitStack() as stack:
        root = tiny_store(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        for repetition in range(chosen.repetitions):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            times = run(folder, root, chosen.replicas, chosen.publishes)
            table.add_row(str(repetition + 1), str(len(times)), *_figures(times))
    Console(width=120).print(
        f"python -m bench.propagation: {os.cpu_count()} cores, load average before"
        f" {load_before:.1f}; goal p99 under {GOAL_P99_MS:.0f} ms; other: without the replica that"
        " published",
        soft_wrap=True,
        highlight=False,
    )
    Console(width=120).print(table)


def _figures(times: Sequence[tuple[int, list[float]]]) -> tuple[str, ...]:
    everyone = np.array([own for _, own in times]) * 1e3
    others = [np.delete(row, through) for row, (through, _) in zip(everyone, times, strict=True)]
    p50, p99 = np.percentile(everyone, [50, 99])
    return (
        str(everyone.shape[1]),
        *(f"{value:.1f}" for value in (p50, p99, everyone.max(), np.median(others))),
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--replicas", type=int, default=8)
    parser.add_argument("--publishes", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
