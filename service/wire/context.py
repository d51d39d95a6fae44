"""What a handler knows of its call, and says of it: as `grpc.aio.ServicerContext`."""

import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final, NoReturn, Protocol

import grpc

from service.wire.metadata import CallHead, Metadata

DoneCallback = Callable[[Any], None]

log = logging.getLogger(__name__)


class Exchange(Protocol):
    """The call that a context belongs to."""

    @property
    def peer(self) -> str:
        """Address of the caller, as gRPC writes it."""

    def begin_answer(self, metadata: Metadata) -> None:
        """Sends the initial metadata, once."""

    def send(self, message: Any) -> Awaitable[None]:
        """Sends one message of a stream."""

    def receive(self) -> Awaitable[Any]:
        """The next message of the caller; EOF where there is none."""


class _Ended:
    """The exchange of a call that has ended: nobody listens, and nothing comes."""

    peer = ""

    def begin_answer(self, metadata: Metadata) -> None:
        """Nothing."""

    async def send(self, message: Any) -> None:
        """Nothing."""

    async def receive(self) -> Any:
        """EOF."""
        return grpc.aio.EOF


ENDED: Final = _Ended()


class WireContext(grpc.aio.ServicerContext[Any, Any]):
    """Of one call that runs as a task."""

    def __init__(self, exchange: Exchange, head: CallHead) -> None:
        """Its time begins now."""
        self._exchange = exchange
        self._peer = exchange.peer
        self._head = head
        self._deadline = None if head.timeout_s is None else perf_counter() + head.timeout_s
        self._code: grpc.StatusCode | int | None = None
        self._details = ""
        self._trailing: tuple[tuple[str, str | bytes], ...] = ()
        self._callbacks: list[DoneCallback] = []
        self._is_done = self._is_cancelled = False

    async def read(self) -> Any:
        """The next message; EOF where there is none."""
        return await self._exchange.receive()

    async def write(self, message: Any) -> None:
        """Sends one message; waits where the caller does not read."""
        await self._exchange.send(message)

    async def send_initial_metadata(self, initial_metadata: Metadata) -> None:
        """Sends what comes before the first message."""
        self._exchange.begin_answer(initial_metadata)

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Any = (),
    ) -> NoReturn:
        """Ends the call with a status.

        Raises:
            grpc.aio.AbortError: always.
        """
        self._code, self._details = code, details
        if trailing_metadata:
            self._trailing = tuple(trailing_metadata)
        raise grpc.aio.AbortError("Locally aborted.")

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """Ends the call with a status.

        Raises:
            grpc.aio.AbortError: always.
        """
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """What comes after the last message."""
        self._trailing = tuple(trailing_metadata)

    def trailing_metadata(self) -> Any:
        """What was set."""
        return self._trailing

    def invocation_metadata(self) -> Any:
        """The caller's own."""
        return self._head.metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        """The status that the call ends with."""
        self._code = code

    def code(self) -> Any:
        """What was set; None: nothing."""
        return self._code

    def set_details(self, details: str) -> None:
        """The details that the call ends with."""
        self._details = details

    def details(self) -> str:
        """What was set."""
        return self._details

    def set_compression(self, compression: grpc.Compression) -> None:
        """Nothing: answers are never compressed."""

    def disable_next_message_compression(self) -> None:
        """Nothing: answers are never compressed."""

    def peer(self) -> str:
        """Address of the caller, as gRPC writes it."""
        return self._peer

    def peer_identities(self) -> None:
        """None: there is no TLS."""

    def peer_identity_key(self) -> None:
        """None: there is no TLS."""

    def auth_context(self) -> dict[str, Any]:
        """Empty: there is no TLS."""
        return {}

    def time_remaining(self) -> Any:
        """Seconds until the deadline; None: there is none."""
        return None if self._deadline is None else max(0.0, self._deadline - perf_counter())

    def add_done_callback(self, callback: DoneCallback) -> None:
        """Has something called at the end of the call."""
        self._callbacks.append(callback)

    def cancelled(self) -> bool:
        """Whether the caller went, or its time is over."""
        return self._is_cancelled

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._is_done

    def end(self, *, is_cancelled: bool) -> None:
        """The call has ended."""
        self._is_done, self._is_cancelled = True, is_cancelled
        self._exchange = ENDED  # call and context refer to each other no more
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(self)
            except Exception:
                log.exception("a callback at the end of a call failed")
