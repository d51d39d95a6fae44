"""Signals to a process, or to its whole group as Ctrl-C sends them: it drains, Redis ends last."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import redis
from steerrec.v1 import preset_pb2, preset_pb2_grpc

from service.presets.embedded import embedded_redis
from service.presets.errors import RedisNotStarted
from service.process import Stopped, stoppable
from service.settings import Settings
from tests.integration.asking import add_genre
from tests.integration.test_service_lifecycle import eventually

PROGRAM = """
import asyncio, signal, sys
from service.settings import load_settings
# set either way: whoever runs the tests may run them under nohup
ignores = "--nohup" in sys.argv
signal.signal(signal.SIGHUP, signal.SIG_IGN if ignores else signal.SIG_DFL)
settings = load_settings()
if settings.workers > 1:
    from service.workers import serve
else:
    from service.server import serve
asyncio.run(serve(settings))
"""
RESTARTED = "it starts again"


@dataclass(frozen=True)
class Running:
    """A replica in a process group of its own."""

    process: asyncio.subprocess.Process
    address: str
    log: Path

    async def ended(self) -> tuple[int, str]:
        """Its exit status and its log, once it has ended."""
        async with asyncio.timeout(60):
            return await self.process.wait(), self.log.read_text()


@dataclass(frozen=True)
class Launcher:
    """Starts replicas, one after the other, on one data folder."""

    settings: Settings
    folder: Path

    @asynccontextmanager
    async def started(self, *words: str, workers: int = 1) -> AsyncIterator[Running]:
        """One that serves; killed with the block."""
        ready, log = self.folder / "ready", self.folder / "log"
        ready.unlink(missing_ok=True)  # of a run before
        names = ("bind", "metrics_bind", "data_dir", "bundles")
        environ = {f"STEERREC_{name.upper()}": str(getattr(self.settings, name)) for name in names}
        environ |= {"STEERREC_READY_FILE": str(ready), "STEERREC_WORKERS": str(workers)}
        with log.open("w") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROGRAM, *words),
                env=os.environ | environ,
                stderr=out,
                start_new_session=True,
            )
        try:
            await eventually(lambda: ready.exists() or process.returncode is not None)
            yield Running(process, json.loads(ready.read_text())["grpc"], log)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
def launcher(settings_for: Callable[..., Settings], tmp_path: Path) -> Launcher:
    return Launcher(settings_for(), tmp_path)


async def written(running: Running) -> None:
    """One preset."""
    preset = preset_pb2.Preset(name="scary", rules=[add_genre("Horror", 1.0)])
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub = preset_pb2_grpc.PresetServiceStub(channel)
        await stub.CreatePreset(
            preset_pb2.CreatePresetRequest(preset=preset, author="ada", reason="why")
        )


async def presets(running: Running) -> list[str]:
    """Names of what there is."""
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub = preset_pb2_grpc.PresetServiceStub(channel)
        listed = await stub.ListPresets(preset_pb2.ListPresetsRequest())
    return [own.name for own in listed.presets]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_the_whole_group_ends_redis_last(
    launcher: Launcher, number: signal.Signals, workers: int
) -> None:
    async with launcher.started(workers=workers) as running:
        await written(running)
        os.killpg(running.process.pid, number)
        code, log = await running.ended()
    assert (code, RESTARTED in log, "stopped" in log) == (0, False, True)


async def test_what_was_written_is_there_after_ctrl_c(launcher: Launcher) -> None:
    async with launcher.started() as running:
        await written(running)
        os.killpg(running.process.pid, signal.SIGINT)
        await running.ended()
    async with launcher.started() as running:
        assert await presets(running) == ["scary"]


async def test_what_was_written_is_there_after_a_kill(launcher: Launcher) -> None:
    async with launcher.started() as running:
        await written(running)
        running.process.kill()
        await running.ended()
    async with launcher.started() as running:
        assert await presets(running) == ["scary"]


async def test_a_hang_up_is_ignored_where_it_was_ignored_before(launcher: Launcher) -> None:
    async with launcher.started("--nohup") as running:
        running.process.send_signal(signal.SIGHUP)
        assert await presets(running) == []
        running.process.terminate()
        assert (await running.ended())[0] == 0


async def test_a_start_is_given_up_at_a_stop() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    with pytest.raises(Stopped), stoppable(stop):
        await asyncio.sleep(60)


# leftovers of an end that was none


def aof(folder: Path) -> Path:
    """The file to which the embedded Redis appends: of Redis 6, or of a later one."""
    return next(path for name in ("*.aof", "*/*.incr.aof") for path in folder.glob(name))


def filled(folder: Path) -> None:
    with embedded_redis(folder) as url:
        socket = url.removeprefix("unix://")
        with redis.Redis(unix_socket_path=socket) as client:
            client.set("a", "1")
            client.set("b", "2")


def test_a_last_write_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    filled(tmp_path)
    file = aof(tmp_path)
    file.write_bytes(file.read_bytes()[:-4])
    with (
        embedded_redis(tmp_path) as url,
        redis.Redis(unix_socket_path=url.removeprefix("unix://")) as client,
    ):
        assert client.keys() == [b"a"]


def test_a_damaged_file_is_told_with_what_redis_says(tmp_path: Path) -> None:
    filled(tmp_path)
    file = aof(tmp_path)
    file.write_bytes(b"garbage\r\n" + file.read_bytes())
    with pytest.raises(RedisNotStarted, match="Bad file format"), embedded_redis(tmp_path):
        pass


def test_a_socket_that_was_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "redis.sock").touch()
    with embedded_redis(tmp_path):
        pass
