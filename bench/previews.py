"""What live requests pay for a preview beside them, and for a log that keeps every answer.

    python -m bench.previews [--workload S|M | --store ROOT] [--rate 50] [--seconds 5]

Requests arrive at a constant rate whatever becomes of them, and are timed from when they were
due. Each kind is measured once per repetition, in turn: alone, beside previews that follow each
other, and on a service that logs every answer in Redis. The service and its Redis are processes
of their own; the generator is this one.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from steerrec.v1 import preset_pb2, preview_pb2, recommender_pb2

from bench import synthetic
from bench.processes import service
from bench.requests import encoded_requests
from bench.serving import RECOMMEND
from model_store.store import Store

PREVIEW = "/steerrec.v1.PreviewService/PreviewPreset"
N_RULES = 5
HISTORIES = 10_000


@dataclass
class Kind:
    """One thing that is measured."""

    name: str
    address: str
    is_previewed: bool = False
    """Whether previews run meanwhile."""
    waits_s: list[float] = field(default_factory=list)
    """From when a request was due to its answer."""
    refused: int = 0
    histories: int = 0
    """That previews ran on."""
    seconds: float = 0.0


async def measure(kind: Kind, requests: list[bytes], rate: float, seconds: float) -> None:
    """One repetition of one kind."""
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(kind.address))
        await channel.channel_ready()
        if kind.is_previewed:
            await stack.enter_async_context(_previewed(kind, requests))
        start = perf_counter()
        call: Any = channel.unary_unary(RECOMMEND)
        calls = []
        for number in range(round(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - perf_counter()))
            calls.append(asyncio.create_task(_timed(call(requests[number % len(requests)]), due)))
        waits = await asyncio.gather(*calls)
        kind.seconds += perf_counter() - start
    kind.waits_s += [wait for wait in waits if wait is not None]
    kind.refused += sum(wait is None for wait in waits)


async def _timed(call: Awaitable[bytes], due: float) -> float | None:
    try:
        await call
    except grpc.aio.AioRpcError:
        return None
    return perf_counter() - due


@asynccontextmanager
async def _previewed(kind: Kind, requests: list[bytes]) -> AsyncIterator[None]:
    """A preview runs within the block, on the requests' histories and the first one's rules."""
    asked = [recommender_pb2.RecommendRequest.FromString(own) for own in requests]
    request = preview_pb2.PreviewPresetRequest(
        draft=preset_pb2.Preset(name="draft", rules=asked[0].rules),
        supplied=preview_pb2.SuppliedHistories(
            histories=[
                preview_pb2.PreviewHistory(item_ids=asked[n % len(asked)].history)
                for n in range(HISTORIES)
            ]
        ),
    )
    async with grpc.aio.insecure_channel(kind.address) as channel:
        call = channel.unary_stream(
            PREVIEW,
            request_serializer=preview_pb2.PreviewPresetRequest.SerializeToString,
            response_deserializer=preview_pb2.PreviewPresetResponse.FromString,
        )(request)
        await call.read()
        done = asyncio.create_task(_followed(call))
        yield
        call.cancel()
        kind.histories += await done


async def _followed(call: Any) -> int:
    """Histories done when the preview ends or is ended."""
    done = 0
    try:
        while (event := await call.read()) is not grpc.aio.EOF:
            done = max(done, event.progress.done_count)
    except asyncio.CancelledError:
        pass
    return done


def main() -> None:
    """Measures and prints."""
    chosen = _arguments()
    root = chosen.store or synthetic.stored(chosen.workload)
    bundle = Store(root).load("production")
    requests = encoded_requests(bundle, N_RULES)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plain = stack.enter_context(service(root, _new(folder / "plain")))
        logged = stack.enter_context(
            service(
                root,
                _new(folder / "logged"),
                STEERREC_DECISION_LOG="redis",
                STEERREC_DECISION_SAMPLE_SHARE="1",
            )
        )
        kinds = [
            Kind("alone", plain),
            Kind("beside a preview", plain, is_previewed=True),
            Kind("every answer logged", logged),
        ]
        for repetition in range(1 + chosen.repetitions):
            for kind in kinds:
                asyncio.run(measure(kind, requests, chosen.rate, chosen.seconds))
            if repetition == 0:
                _forget(kinds)  # it warmed up
    _show(kinds, chosen)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _forget(kinds: list[Kind]) -> None:
    for kind in kinds:
        kind.waits_s, kind.refused, kind.histories, kind.seconds = [], 0, 0, 0.0


def _show(kinds: list[Kind], chosen: argparse.Namespace) -> None:
    table = Table(box=box.MARKDOWN)
    for column in ("live requests", "p50 ms", "p99 ms", "refused", "histories previewed a second"):
        table.add_column(column, justify="left" if column == "live requests" else "right")
    for kind in kinds:
        p50, p99 = np.percentile(kind.waits_s, (50, 99)) * 1000
        rate = f"{kind.histories / kind.seconds:,.0f}" if kind.is_previewed else ""
        table.add_row(kind.name, f"{p50:.2f}", f"{p99:.2f}", str(kind.refused), rate)
    console = Console(width=120, highlight=False)
    console.print(
        f"{chosen.rate:g} requests a second with {N_RULES} rules each, {chosen.repetitions} x"
        f" {chosen.seconds:g} s, load average {os.getloadavg()[0]:.1f}",
        soft_wrap=True,
    )
    console.print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workload", choices=["S", "M"], default="S")
    parser.add_argument("--store", help="root of a store whose production bundle is measured")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--repetitions", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
