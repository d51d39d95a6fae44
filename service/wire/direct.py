"""A unary call that is answered without a task: its bytes are handed over once they are there."""

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final, Protocol

import grpc

from service.wire.messages import (
    PREFIX_BYTES,
    Messages,
    Unacceptable,
    framed,
    is_plain,
    not_one,
    too_large,
)
from service.wire.metadata import RESPONSE_BLOCK, CallHead, refusal_block
from service.wire.stream import Stream

FAILED: Final = refusal_block(grpc.StatusCode.INTERNAL.value[0], "internal error")
"""The answer to a call whose handler fails; the cause is in the log."""

log = logging.getLogger(__name__)


class Sender(Protocol):
    """Where the parts of an answer go."""

    max_message_bytes: int

    def respond(self, stream: Stream, head: bytes, body: bytes, trailers: bytes) -> None:
        """Sends a whole answer."""

    def refuse(self, stream: Stream, block: bytes) -> None:
        """Sends an answer that has no message."""

    def consumed(self, stream: Stream, count: int) -> None:
        """So many bytes were taken."""


class DirectCall:
    """One unary call; its message is there once `begin` is called with it."""

    __slots__ = (
        "_begin",
        "_encoding",
        "_messages",
        "_sender",
        "_stream",
        "deadline",
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
        self._sender = sender
        self._stream = stream
        self._begin = begin
        self._encoding = head.encoding
        self._messages: Messages | None = None
        """None: the message may yet come whole."""

    def data(self, data: bytes, *, is_ended: bool) -> None:
        """Takes data of the request."""
        if is_ended and self._messages is None and is_plain(data, self._sender.max_message_bytes):
            self.message = data[PREFIX_BYTES:]
            self._hand_over()
            return
        try:
            self._take(data, is_ended=is_ended)
        except Unacceptable as fault:
            self._refuse(fault)

    def _take(self, data: bytes, *, is_ended: bool) -> None:
        """Takes data of a message in parts.

        Raises:
            Unacceptable: it is no message, or not one.
        """
        if self._messages is None:
            self._messages = Messages(self._encoding, self._sender.max_message_bytes)
        own = self._messages
        own.add(data)
        count = len(own)
        if count > 1 or (is_ended and (count != 1 or own.is_partial)):
            raise not_one(own)
        if is_ended:
            self.message = own.take()
            self._hand_over()
        else:
            self._sender.consumed(self._stream, len(data))

    def _hand_over(self) -> None:
        """Has it answered; what fails there is this call's alone."""
        try:
            self._begin(self)
        except Exception:
            log.exception("a direct call failed")
            self.refuse(FAILED)

    def gone(self) -> None:
        """The caller has reset the call, or its connection is lost."""
        self.is_gone = True
        if (told := self.on_gone) is not None:
            self.on_gone = None
            told()

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
            return
        self._sender.respond(self._stream, RESPONSE_BLOCK, framed(reply), trailers)

    def refuse(self, block: bytes) -> None:
        """Answers without a message; the block is all of it (`metadata.refusal_block`)."""
        if not self.is_gone:
            self._sender.refuse(self._stream, block)

    def _refuse(self, fault: Unacceptable) -> None:
        self.refuse(refusal_block(fault.code.value[0], fault.details))
