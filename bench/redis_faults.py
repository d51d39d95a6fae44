"""What can happen to Redis under a running replica, each done to real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from steerrec.v1 import preset_pb2, preset_pb2_grpc

from bench.slow_proxy import slow_proxy
from tests import redis_servers

SLOW_S = 2.0
"""Of each reply of a slowed Redis."""

RESTORED_WITHIN_S = 15.0
NOWHERE = 1
"""A port that nobody listens on: a copy that follows it gets nothing more."""

Step = Callable[[str], Awaitable[None]]
"""Given the address of the replica."""


@dataclass(frozen=True)
class Breakable:
    """A Redis, what breaks it, and what mends it."""

    url: str
    strike: Step
    mend: Step
    """Does nothing where Redis mends itself."""
    has_failed_over: bool = False
    """Whether it mends itself, so that the way back is counted from the strike."""


Fault = Callable[[Path], AbstractAsyncContextManager[Breakable]]


def _step(*actions: Callable[[], object]) -> Step:
    """Does the actions in turn, in a thread: the load goes on meanwhile."""

    async def run(_: str) -> None:
        for action in actions:
            await asyncio.to_thread(action)

    return run


async def restore(address: str) -> None:
    """Writes back what the replica serves, as an operator would, once Redis answers."""
    request = preset_pb2.ResolveStoreLossRequest(
        resolution=preset_pb2.STORE_LOSS_RESOLUTION_RESTORE, author="ops", reason="chaos"
    )
    async with grpc.aio.insecure_channel(address) as channel, asyncio.timeout(RESTORED_WITHIN_S):
        while True:
            try:
                await preset_pb2_grpc.PresetServiceStub(channel).ResolveStoreLoss(request)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.1)
            else:
                return


async def write(address: str, name: str) -> None:
    """Stores one more preset."""
    async with grpc.aio.insecure_channel(address) as channel:
        await preset_pb2_grpc.PresetServiceStub(channel).CreatePreset(creation(name))


def creation(name: str) -> preset_pb2.CreatePresetRequest:
    """Of a preset that moves a feature by a little."""
    preset = preset_pb2.Preset(name=name)
    preset.rules.add(feature_index=0, operation="OPERATION_ADD", value=0.25)
    return preset_pb2.CreatePresetRequest(preset=preset, author="ops", reason="chaos")


@asynccontextmanager
async def nothing(folder: Path) -> AsyncIterator[Breakable]:
    """No fault: what the others are compared with."""
    with redis_servers.single(folder) as server:
        yield Breakable(server.url, _step(), _step())


@asynccontextmanager
async def killed(folder: Path) -> AsyncIterator[Breakable]:
    """SIGKILL, then started again with its data."""
    with redis_servers.single(folder) as server:
        yield Breakable(server.url, _step(server.kill), _step(server.start))


@asynccontextmanager
async def paused(folder: Path) -> AsyncIterator[Breakable]:
    """SIGSTOP: connections stay open and nothing answers."""
    with redis_servers.single(folder) as server:
        yield Breakable(server.url, _step(server.pause), _step(server.resume))


@asynccontextmanager
async def slowed(folder: Path) -> AsyncIterator[Breakable]:
    """Every reply takes SLOW_S."""
    with redis_servers.single(folder) as server:
        async with slow_proxy(server.port) as proxy:

            async def slow(_: str) -> None:
                proxy.delay_s = SLOW_S

            async def quick(_: str) -> None:
                proxy.delay_s = 0.0

            yield Breakable(f"redis://127.0.0.1:{proxy.port}", slow, quick)


@asynccontextmanager
async def flushed(folder: Path) -> AsyncIterator[Breakable]:
    """FLUSHALL, then restored from the replica."""
    with redis_servers.single(folder) as server:
        yield Breakable(server.url, _step(lambda: server.call("FLUSHALL")), restore)


@asynccontextmanager
async def restarted_empty(folder: Path) -> AsyncIterator[Breakable]:
    """Killed and started without its data, then restored from the replica."""
    with redis_servers.single(folder) as server:
        yield Breakable(server.url, _step(server.kill, server.empty, server.start), restore)


@asynccontextmanager
async def failed_over(folder: Path) -> AsyncIterator[Breakable]:
    """The master is killed; the sentinels put its copy, which is in step, in its place."""
    with redis_servers.with_sentinels(folder) as servers:
        strike = _step(servers.master.kill)
        yield Breakable(servers.url, strike, _step(), has_failed_over=True)


@asynccontextmanager
async def failed_over_behind(folder: Path) -> AsyncIterator[Breakable]:
    """The same, and the copy lacks the last write; then restored from the replica."""
    with redis_servers.with_sentinels(folder) as servers:
        master, copy = servers.master, servers.other

        async def strike(address: str) -> None:
            await asyncio.to_thread(copy.call, "REPLICAOF", "127.0.0.1", NOWHERE)
            await write(address, "written-last")
            await asyncio.to_thread(master.kill)

        yield Breakable(servers.url, strike, restore)


@asynccontextmanager
async def moved(folder: Path) -> AsyncIterator[Breakable]:
    """The slot of all presets moves to another node of the Cluster."""
    with redis_servers.cluster(folder) as servers:
        slot = redis_servers.preset_slot()
        yield Breakable(
            servers.url, _step(lambda: servers.move(slot)), _step(), has_failed_over=True
        )


FAULTS: Mapping[str, Fault] = {
    "none": nothing,
    "killed": killed,
    "paused": paused,
    "slowed to 2 s a reply": slowed,
    "flushed": flushed,
    "restarted empty": restarted_empty,
    "failed over": failed_over,
    "failed over, last write lost": failed_over_behind,
    "slot moved": moved,
}
"""By the name that the table shows."""
