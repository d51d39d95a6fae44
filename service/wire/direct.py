"""A unary call that is answered without a task: its bytes are handed over once they are there."""

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final, Protocol

import grpc

from service.wire.inflating import Inflation, Job, Outcome
from service.wire.messages import (
    PREFIX_BYTES,
    Messages,
    framed,
    is_plain,
    not_one,
    too_large,
    too_much_unread,
)
from service.wire.metadata import LATE, RESPONSE_BLOCK, CallHead, refusal_block
from service.wire.stream import Stream
from service.wire.unacceptable import Unacceptable

FAILED: Final = refusal_block(grpc.StatusCode.INTERNAL.value[0], "internal error")
"""The answer to a call whose handler fails; the cause is in the log."""

log = logging.getLogger(__name__)


class Sender(Protocol):
    """Where the parts of an answer go."""

    max_request_bytes: int
    max_message_bytes: int

    def respond(self, stream: Stream, head: bytes, body: bytes, trailers: bytes) -> None:
        """Sends a whole answer."""

    def refuse(self, stream: Stream, block: bytes) -> None:
        """Sends an answer that has no message."""

    def consumed(self, stream: Stream, count: int) -> None:
        """So many bytes were taken."""

    def hold(self, stream: Stream, count: int) -> None:
        """Count the bytes that a call holds of its request."""

    def fits(self, count: int) -> bool:
        """Whether so many more bytes may wait for the connection's client."""

    def inflate(self, job: Job) -> None:
        """Run the inflation of a large message."""


class DirectCall:
    """One unary call; its message is there once `begin` is called with it."""

    __slots__ = (
        "_begin",
        "_encoding",
        "_job",
        "_messages",
        "_sender",
        "_stream",
        "_timer",
        "deadline",
        "is_begun",
        "is_gone",
        "message",
        "on_gone",
    )

    def __init__(
        self, sender: Sender, stream: Stream, head: CallHead, begin: "Callable[[DirectCall], None]"
    ) -> None:
        """Its request begins.

        Args:
            sender: takes the answer.
            stream: of the call.
            head: of the request.
            begin: takes the call once its message is there.
        """
        self.message = b""
        """The request."""
        self.deadline = None if head.timeout_s is None else perf_counter() + head.timeout_s
        """On the clock of `time.perf_counter`; None: none."""
        self.is_gone = False
        """Whether nobody reads an answer any more."""
        self.on_gone: Callable[[], None] | None = None
        """Called once when the caller goes."""
        self.is_begun = False
        """Whether the message was there and the call was handed over."""
        self._sender = sender
        self._stream = stream
        self._begin = begin
        self._encoding = head.encoding
        self._messages: Messages | None = None
        """None: the message may yet come whole."""
        self._timer: asyncio.TimerHandle | None = None
        self._job: Job | None = None

    @property
    def caller(self) -> Sender:
        """The connection, by which the calls of one caller are known."""
        return self._sender

    def data(self, data: bytes, *, is_ended: bool) -> None:
        """Takes data of the request."""
        if is_ended and self._messages is None and is_plain(data, self._sender.max_request_bytes):
            self.message = data[PREFIX_BYTES:]
            self._hand_over()
            return
        try:
            self._take(data, is_ended=is_ended)
        except Unacceptable as fault:
            self._refuse(fault)

    def watch_deadline(self) -> None:
        """End the call at its deadline if its message is not complete by then.

        For calls whose message did not come along with their head: most need no timer.
        """
        if self.deadline is not None and not self.is_begun and not self._stream.is_over:
            left_s = max(0.0, self.deadline - perf_counter())
            self._timer = asyncio.get_running_loop().call_later(left_s, self._expire)

    def _expire(self) -> None:
        self.refuse(LATE)

    def _take(self, data: bytes, *, is_ended: bool) -> None:
        """Takes data of a message in parts.

        Raises:
            Unacceptable: it is no message, or not one.
        """
        if self._messages is None:
            self._messages = Messages(self._encoding, self._sender.max_request_bytes)
        messages = self._messages
        messages.add(data)
        if messages.is_more_than_one or (is_ended and not messages):
            raise not_one(messages)
        self._sender.hold(self._stream, messages.size_bytes)
        if is_ended:
            self._complete(messages.take())
        else:
            self._sender.consumed(self._stream, len(data))

    def _complete(self, message: bytes | Inflation) -> None:
        """Hand over the message; a compressed one once it is inflated.

        Raises:
            Unacceptable: it cannot be inflated.
        """
        if isinstance(message, Inflation):
            inflated = message.at_once()
            if inflated is None:
                self._job = Job(message, self._inflated, self._hold)
                self._sender.inflate(self._job)
                return
            message = inflated
        self._messages = None
        self.message = message
        self._hand_over()

    def _hold(self, count: int) -> None:
        self._sender.hold(self._stream, count)

    def _inflated(self, outcome: Outcome) -> None:
        self._job = None  # call and job refer to each other no more
        if isinstance(outcome, Unacceptable):
            self._refuse(outcome)
        elif isinstance(outcome, bytes):
            self._hold(len(outcome))
            self._complete(outcome)

    def _hand_over(self) -> None:
        """Has it answered; what fails there is this call's alone."""
        self.is_begun = True
        if self._timer is not None:
            self._timer.cancel()
        try:
            self._begin(self)
        except Exception:
            log.exception("a direct call failed")
            self.refuse(FAILED)

    def gone(self) -> None:
        """The caller has reset the call, or its connection is lost."""
        self.is_gone = True
        self._release()
        if (told := self.on_gone) is not None:
            self.on_gone = None
            told()

    def cut(self, block: bytes) -> None:
        """Ends the call early; the block is all of its answer."""
        self.refuse(block)
        self.gone()

    def flushed(self) -> None:
        """Everything is on its way."""

    def answer(self, reply: bytes, trailers: bytes) -> None:
        """Answers.

        Args:
            reply: serialised.
            trailers: an encoded header block, with the status.
        """
        if self.is_gone:
            return
        most = self._sender.max_message_bytes
        if len(reply) > most:
            self._refuse(too_large(len(reply), most))
        elif not self._sender.fits(len(reply)):
            self._refuse(too_much_unread(len(reply)))
        else:
            self._sender.respond(self._stream, RESPONSE_BLOCK, framed(reply), trailers)

    def refuse(self, block: bytes) -> None:
        """Answers without a message; the block is all of it (`metadata.refusal_block`)."""
        self._release()
        if not self.is_gone:
            self._sender.refuse(self._stream, block)

    def _refuse(self, fault: Unacceptable) -> None:
        self.refuse(refusal_block(fault.code.value[0], fault.details))

    def _release(self) -> None:
        """Drop the request, and whatever would still end or complete it."""
        self.message = b""
        self._messages = None
        if self._timer is not None:
            self._timer.cancel()
        if self._job is not None:
            self._job.cancel()
            self._job = None
