"""Calls that run as tasks: every kind of handler, with gRPC's semantics."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from inspect import isawaitable
from typing import Any, Final, Protocol

import grpc

from service.wire import frames
from service.wire.context import WireContext
from service.wire.direct import Sender
from service.wire.inflating import Inflation, Job, Outcome
from service.wire.messages import Messages, framed, not_one, too_large, too_much_unread
from service.wire.metadata import (
    CallHead,
    Metadata,
    head_block,
    refusal_block,
    trailers_block,
)
from service.wire.stream import Stream
from service.wire.unacceptable import Unacceptable

UNSENT_BYTES: Final = 65_536
"""What may wait for the caller's window before a handler that writes more has to wait."""
QUEUED: Final = 1
"""Messages of a streaming caller that wait for the handler before it is held back."""

FIELD_BYTES: Final = 300
"""Memory of one field of a request's metadata, about."""

FIRST_S: Final = 0.05
"""What a streaming request has for its first message before it is answered all the same, and for
its end before it is told how its call has ended. An end that comes earlier meets some clients while
they write, who then tell of their own failure instead of our status."""

log = logging.getLogger(__name__)


class Carrier(Sender, Protocol):
    """The connection of a call, as far as the call knows it."""

    peer: str
    """Address of the caller, as gRPC writes it."""

    def send_headers(self, stream: Stream, block: bytes, *, ends: bool = False) -> None:
        """Sends a header block."""

    def send_data(self, stream: Stream, data: bytes) -> None:
        """Sends data, as windows allow."""

    def cancel(self, stream: Stream, code: int = frames.CANCEL) -> None:
        """Ends a call at once."""

    async def written(self) -> None:
        """Waits until the socket takes more."""


class RefusedCall:
    """A call that nothing answers, refused once its request has come, or does not come."""

    def __init__(self, carrier: Sender, stream: Stream, block: bytes) -> None:
        """Its request begins; `block` is all of the answer."""
        self._carrier = carrier
        self._stream = stream
        self._block = block
        self._timer = asyncio.get_running_loop().call_later(FIRST_S, self._refuse)

    def data(self, _data: bytes, *, is_ended: bool) -> None:
        """Refuses at the end."""
        if is_ended:
            self._refuse()

    def gone(self) -> None:
        """Nobody waits for the refusal."""
        self._timer.cancel()

    def cut(self, _code: grpc.StatusCode, _details: str) -> None:
        """Refuses at once."""
        self._refuse()

    def flushed(self) -> None:
        """The refusal is on its way."""

    def _refuse(self) -> None:
        self._timer.cancel()
        self._carrier.refuse(self._stream, self._block)


class TaskCall:
    """One call whose handler runs as a task."""

    def __init__(self, carrier: Carrier, stream: Stream, head: CallHead, handler: Any) -> None:
        """Its request begins; the handler of a streaming request is called with its first message.

        Args:
            carrier: takes the answer.
            stream: of the call.
            head: of the request.
            handler: `grpc.RpcMethodHandler`.
        """
        self._carrier = carrier
        self._stream = stream
        self._handler = handler
        self._context = WireContext(self, head)
        self._messages = Messages(head.encoding, carrier.max_request_bytes)
        self._head_bytes = FIELD_BYTES * len(head.metadata)
        self._has_ended = False
        self._fault: tuple[grpc.StatusCode, str] | None = None
        """What is wrong with the request; no exception, whose traceback would hold the call."""
        self._last: tuple[grpc.StatusCode, str] | None = None
        """How the call ends, once that is known."""
        self._news = asyncio.Event()
        """Set whenever something has come."""
        self._room = asyncio.Event()
        """Set whenever the caller has taken what waited."""
        self._owed = 0
        self._has_begun = False
        """Whether initial metadata is sent."""
        self._is_gone = self._is_cut = False
        self._task: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        loop = asyncio.get_running_loop()
        if head.timeout_s is not None:
            self._timers.append(loop.call_later(head.timeout_s, self._expire))
        if self._head_bytes:
            self._hold()
        if handler.request_streaming:
            self._timers.append(loop.call_later(FIRST_S, self._start))

    @property
    def peer(self) -> str:
        """Address of the caller, as gRPC writes it."""
        return self._carrier.peer

    # what the connection tells

    def data(self, data: bytes, *, is_ended: bool) -> None:
        """Takes data of the request; drops what comes after a fault or the end of the answer."""
        if self._fault is not None or self._last is not None:
            if is_ended and self._last is not None:
                self._finish()
            return
        self._owed += len(data)
        self._has_ended = is_ended
        try:
            self._add(data)
        except Unacceptable as fault:
            self._fault, self._has_ended = (fault.code, fault.details), True
        self._give_back()
        self._news.set()
        if self._has_ended or self._handler.request_streaming:
            self._start()

    def _add(self, data: bytes) -> None:
        """Takes data of the request.

        Raises:
            Unacceptable: a message is too large, or a second one comes where one is allowed.
        """
        self._messages.add(data)
        if not self._handler.request_streaming and self._messages.is_more_than_one:
            raise not_one(self._messages)
        self._hold()

    def _hold(self, more: int = 0) -> None:
        """Count what is held of the request, and `more` bytes of its message that is read."""
        self._carrier.hold(self._stream, self._head_bytes + self._messages.size_bytes + more)

    def gone(self) -> None:
        """The caller has reset the call, or its connection is lost."""
        self._is_gone = True
        self._room.set()
        self._stop_timers()  # a task that is cancelled before its first step does nothing more
        if self._task is not None and not self._task.done():
            self._task.cancel()
        else:
            self._close()

    def flushed(self) -> None:
        """Everything that waited for window is on its way."""
        self._room.set()

    # what the context and the handler use

    def begin_answer(self, metadata: Metadata) -> None:
        """Sends the initial metadata.

        Raises:
            grpc.aio.UsageError: it was sent before.
        """
        if self._has_begun:
            raise grpc.aio.UsageError("Send initial metadata failed: already sent")
        self._has_begun = True
        self._carrier.send_headers(self._stream, head_block(metadata))

    async def send(self, message: Any) -> None:
        """Sends one message; waits where the caller does not read.

        Raises:
            Unacceptable: it is larger than may be sent.
        """
        body = self._serialised(message)
        if not self._has_begun:
            self.begin_answer(())
        self._carrier.send_data(self._stream, body)
        while self._stream.unsent > UNSENT_BYTES and not self._is_gone:
            self._room.clear()
            await self._room.wait()
        await self._carrier.written()

    async def receive(self) -> Any:
        """The next message; EOF where there is none.

        Raises:
            Unacceptable: what came is no message.
        """
        while not self._messages and not self._has_ended:
            self._news.clear()
            await self._news.wait()
        if self._messages:
            message = self._messages.take()
            self._give_back()
            plain = await self._inflated(message)
            self._hold()
            return self._parsed(plain)
        if self._fault is not None:
            raise Unacceptable(*self._fault)
        return grpc.aio.EOF

    async def _incoming(self) -> AsyncIterator[Any]:
        while (message := await self.receive()) is not grpc.aio.EOF:
            yield message

    def _give_back(self) -> None:
        """Lets the caller send more, unless what came still waits."""
        if len(self._messages) <= QUEUED and self._owed:
            self._carrier.consumed(self._stream, self._owed)
            self._owed = 0

    async def _inflated(self, message: bytes | Inflation) -> bytes:
        """A message, uncompressed.

        Raises:
            Unacceptable: it cannot be inflated.
        """
        if not isinstance(message, Inflation):
            return message
        if (plain := message.at_once()) is not None:
            return plain
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        job = Job(message, partial(_settle, outcome), self._hold)
        self._carrier.inflate(job)
        try:
            inflated = await outcome
        finally:
            job.cancel()
        if isinstance(inflated, Exception):
            raise inflated
        return inflated

    def _parsed(self, message: bytes) -> Any:
        deserialise = self._handler.request_deserializer
        return deserialise(message) if deserialise else message

    def _serialised(self, message: Any) -> bytes:
        serialise = self._handler.response_serializer
        own = serialise(message) if serialise else message
        if len(own) > self._carrier.max_message_bytes:
            raise too_large(len(own), self._carrier.max_message_bytes)
        if not self._carrier.fits(len(own)):
            raise too_much_unread(len(own))
        return framed(own)

    # its task

    def _expire(self) -> None:
        self.cut(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    def cut(self, code: grpc.StatusCode, details: str) -> None:
        """Ends the call early with a status, whatever its handler makes of that."""
        self._is_cut = True
        if self._stream.unsent:  # who does not read is not told either
            is_full = code is grpc.StatusCode.RESOURCE_EXHAUSTED
            reset = frames.ENHANCE_YOUR_CALM if is_full else frames.CANCEL
            self._carrier.cancel(self._stream, reset)
            self._close()
        else:
            self._end(code, details)
        self._room.set()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None and not self._context.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(self._task_ended)

    def _task_ended(self, _task: "asyncio.Task[None]") -> None:
        """Close the call of a task that was cancelled before its first step."""
        if not self._context.done() and (self._is_gone or self._is_cut):
            self._close()

    async def _run(self) -> None:
        try:
            await self._answer()
        except Unacceptable as fault:
            self._end(fault.code, fault.details)
        except grpc.aio.AbortError:
            self._end(_code(self._context.code()), self._context.details())
        except asyncio.CancelledError:
            self._end(grpc.StatusCode.CANCELLED, "the server stops")
        except Exception as error:
            log.exception("a handler failed")
            code = _code(self._context.code() or grpc.StatusCode.UNKNOWN)
            self._end(code, f"Unexpected {type(error)}: {error}")

    async def _answer(self) -> None:
        handler = self._handler
        request = self._incoming() if handler.request_streaming else await self._only()
        behaviour = _behaviour(handler)
        outcome = behaviour(request, self._context)
        if hasattr(outcome, "__aiter__"):
            await self._send_all(outcome)
        else:
            reply = await outcome if isawaitable(outcome) else outcome
            if not handler.response_streaming:
                self._reply(reply)
                return
        self._end(_code(self._context.code()), self._context.details())

    async def _send_all(self, outcome: Any) -> None:
        try:
            async for message in outcome:
                await self.send(message)
        finally:
            if hasattr(outcome, "aclose"):
                await outcome.aclose()

    async def _only(self) -> Any:
        """The one message of a unary request.

        Raises:
            Unacceptable: there is none, or another one.
        """
        if self._fault is not None:
            raise Unacceptable(*self._fault)
        if not self._messages:
            raise not_one(self._messages)
        message = await self._inflated(self._messages.take())
        self._hold(len(message))
        return self._parsed(message)

    def _reply(self, reply: Any) -> None:
        code = _code(self._context.code())
        if code is not grpc.StatusCode.OK or self._has_begun:
            if code is grpc.StatusCode.OK:
                self._carrier.send_data(self._stream, self._serialised(reply))
            self._end(code, self._context.details())
            return
        body = self._serialised(reply)
        trailers = trailers_block(self._context.trailing_metadata(), 0, self._context.details())
        self._carrier.respond(self._stream, head_block(), body, trailers)
        self._close()

    def _end(self, code: grpc.StatusCode, details: str) -> None:
        """Ends the call; a caller who still writes is told a little later (see `FIRST_S`)."""
        self._last = code, details
        is_told_now = self._stream.has_ended or self._is_gone or self._is_cut
        if is_told_now or not self._handler.request_streaming:
            self._finish()
        else:
            later = asyncio.get_running_loop().call_later(FIRST_S, self._finish)
            self._timers.append(later)

    def _finish(self) -> None:
        """Tells how the call has ended, once."""
        if self._last is None or self._context.done():
            return
        try:
            block = self._ending(*self._last, self._context.trailing_metadata())
        except Unacceptable as fault:
            block = self._ending(fault.code, fault.details, ())
        self._carrier.send_headers(self._stream, block, ends=True)
        self._close()

    def _ending(self, code: grpc.StatusCode, details: str, metadata: Metadata) -> bytes:
        """The last header block of the answer, or its only one.

        Raises:
            Unacceptable: the metadata cannot be sent.
        """
        number = code.value[0]
        if self._has_begun:
            return trailers_block(metadata, number, details)
        return refusal_block(number, details, metadata)

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _close(self) -> None:
        self._stop_timers()
        self._messages.clear()
        if not self._context.done():
            self._context.end(is_cancelled=self._is_gone or self._is_cut)

    async def stop(self) -> None:
        """Ends it; returns once its task has."""
        if self._task is None:
            self._carrier.cancel(self._stream)
            self._close()
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._finish()


def _settle(future: "asyncio.Future[Outcome]", outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)


def _behaviour(handler: Any) -> Any:
    return (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )


def _code(given: Any) -> grpc.StatusCode:
    """The status of a code as handlers give it: a status, its number, or nothing."""
    if isinstance(given, grpc.StatusCode):
        return given
    number = given if isinstance(given, int) else given[0] if given else 0
    return next((own for own in grpc.StatusCode if own.value[0] == number), grpc.StatusCode.UNKNOWN)
