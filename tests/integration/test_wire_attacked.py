"""Our own server under bytes that no client of good will sends: nothing stays, nobody waits."""

import asyncio
import gc
import logging
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from service.wire import frames
from service.wire.calls import TaskCall
from service.wire.frames import DATA, END_STREAM, PREFACE
from service.wire.headers import encoded
from service.wire.listening import ACCEPT_AGAIN_S
from tests.conformance.wire.raw import framed, head
from tests.integration.test_wire_server import TASK, serving

AGES = "99999999H"
"""The longest deadline."""
PING = b"are you?"


def asked(stream_id: int, path: str, message: bytes = b"", **more: str) -> bytes:
    """A whole request."""
    fields = [(name.encode(), value.encode()) for name, value in head(__path=path, **more)]
    begun = frames.headers(stream_id, encoded(fields), ends=False)
    return begun + frames.frame(DATA, END_STREAM, stream_id, framed(message))


@contextmanager
def no_file_more() -> Iterator[None]:
    """This process can open nothing within the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_calls_reset_before_their_first_step_leave_nothing() -> None:
    async with serving() as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + frames.settings({}))
        for stream_id in range(1, 201, 2):
            call = asked(stream_id, TASK, grpc_timeout=AGES)
            writer.write(call + frames.rst_stream(stream_id, frames.CANCEL))
        writer.write(frames.frame(frames.PING, 0, 0, PING))
        await asyncio.wait_for(reader.readuntil(PING), 10)
        writer.transport.abort()
        await asyncio.sleep(0.1)
        gc.collect()
        assert not [own for own in gc.get_objects() if type(own) is TaskCall]


async def test_that_no_file_can_be_opened_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as address:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port))), caplog.at_level(logging.ERROR):
            with no_file_more():
                await asyncio.sleep(3 * ACCEPT_AGAIN_S)
            assert [own.name for own in caplog.records] == ["service.wire.listening"]


async def test_who_comes_while_no_file_can_be_opened_is_answered_later() -> None:
    async with serving() as address:
        host, _, port = address.rpartition(":")
        client = socket.create_connection((host, int(port)))
        with no_file_more():
            await asyncio.sleep(2 * ACCEPT_AGAIN_S)
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(PREFACE + frames.settings({}) + frames.frame(frames.PING, 0, 0, PING))
        await asyncio.wait_for(reader.readuntil(PING), 10)
        writer.close()
