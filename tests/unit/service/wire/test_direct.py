"""A direct call over a connection in memory: what begins, what is refused, who is told."""

import gzip
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final

import pytest
from hpack import Decoder

from service.wire import frames
from service.wire.connection import STREAM_ROOM, Connection
from service.wire.direct import DirectCall
from service.wire.frames import PREFACE
from service.wire.headers import Fields, encoded
from service.wire.inflating import Job
from service.wire.messages import framed
from service.wire.metadata import CallHead, call_head, message_of, refusal_block, trailers_block
from service.wire.stream import Stream
from tests.unit.service.wire.peer import Frame, data, request, written

FIELDS: Final = (
    *((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a.B/C")),
    (b"content-type", b"application/grpc"),
)
MOST: Final = 1000
TRAILERS: Final = trailers_block((("told", "last"),))


class Server:
    """A connection whose every request is a direct call."""

    max_message_bytes = MOST
    max_request_bytes = MOST

    def __init__(self, begin: Callable[[DirectCall], None] | None = None) -> None:
        self.begun_with: list[DirectCall] = []
        """Calls whose message has come."""
        self.calls: list[DirectCall] = []
        """All calls."""
        self._begin = begin or self.begun_with.append
        self.connection: Connection[CallHead] = Connection(self)
        self.connection.receive(PREFACE + frames.settings({}))
        self.connection.out.clear()

    # what the connection tells

    def head(self, fields: Fields) -> CallHead:
        """As the server reads it."""
        return call_head(fields)

    def begun(self, stream: Stream, head: CallHead, *, is_ended: bool) -> None:
        """A call begins."""
        stream.call = DirectCall(self, stream, head, self._begin)
        self.calls.append(stream.call)
        if is_ended:
            self.data(stream, b"", is_ended=True)

    def data(self, stream: Stream, data: bytes, *, is_ended: bool) -> None:
        """Data of a call."""
        stream.call.data(data, is_ended=is_ended)

    def reset(self, stream: Stream) -> None:
        """A call's caller is gone."""
        stream.call.gone()

    def flushed(self, stream: Stream) -> None:
        """A call's answer is on its way."""
        stream.call.flushed()

    # what the call says

    def respond(self, stream: Stream, head: bytes, body: bytes, trailers: bytes) -> None:
        """Sends a whole answer."""
        self.connection.respond(stream, head, body, trailers)

    def refuse(self, stream: Stream, block: bytes) -> None:
        """Sends an answer without a message."""
        self.connection.send_headers(stream, block, ends=True)

    def consumed(self, stream: Stream, count: int) -> None:
        """So many bytes were taken."""
        self.connection.consumed(stream, count)

    def hold(self, stream: Stream, count: int) -> None:
        """The call holds so many bytes."""
        stream.held = count

    def fits(self, count: int) -> bool:
        """Every answer of these tests fits."""
        return count < self.connection.memory.limit_bytes

    def inflate(self, job: Job) -> None:
        """Inflates without a pause."""
        while not job.run(perf_counter()):
            pass

    # what the client sees

    def ask(self, *parts: bytes, more: Fields = (), ends: bool = True) -> None:
        """One call with these data."""
        number = 2 * len(self.calls) + 1
        self.connection.receive(request(number, block=encoded((*FIELDS, *more))))
        for at, part in enumerate(parts, 1):
            self.connection.receive(data(number, part, ends=ends and at == len(parts)))

    def answer(self) -> list[Frame]:
        """Frames of an answer since the last look."""
        kinds = frames.HEADERS, frames.DATA
        return [own for own in written(self.connection) if own.kind in kinds]

    def status(self) -> tuple[str, str]:
        """Code and details of an answer."""
        own = Decoder().decode(self.answer()[-1].payload)
        told = {str(name): str(value) for name, value in own}
        return told["grpc-status"], message_of(told.get("grpc-message", "").encode())


def failing(_call: DirectCall) -> None:
    raise ValueError("a fault of ours")


def test_a_call_begins_with_its_whole_message() -> None:
    server = Server()
    server.ask(framed(b"asked"))
    assert [call.message for call in server.begun_with] == [b"asked"]


def test_an_empty_message_is_one() -> None:
    server = Server()
    server.ask(framed(b""))
    assert [call.message for call in server.begun_with] == [b""]


@pytest.mark.parametrize("cut", range(11))
def test_a_message_cut_anywhere_is_one(cut: int) -> None:
    server, own = Server(), framed(b"asked")
    server.ask(own[:cut], own[cut:])
    assert [call.message for call in server.begun_with] == [b"asked"]


def test_a_call_begins_only_once_its_request_has_ended() -> None:
    server = Server()
    server.ask(framed(b"asked"), ends=False)
    assert not server.begun_with


def test_a_compressed_message_is_decompressed() -> None:
    server, own = Server(), gzip.compress(b"asked")
    server.ask(b"\x01" + len(own).to_bytes(4, "big") + own, more=((b"grpc-encoding", b"gzip"),))
    assert [call.message for call in server.begun_with] == [b"asked"]


def test_a_message_of_the_largest_size_is_taken() -> None:
    server = Server()
    server.ask(framed(bytes(MOST)))
    assert [len(call.message) for call in server.begun_with] == [MOST]


@pytest.mark.parametrize(
    ("parts", "details"),
    [
        pytest.param([b""], "none", id="nothing"),
        pytest.param([framed(b"a") * 2], "2", id="two"),
        pytest.param([framed(b"a"), framed(b"a")], "2", id="two apart"),
        pytest.param([framed(b"a")[:-1]], "none and a part", id="a part"),
        pytest.param([b"\0\0"], "none and a part", id="a part of the prefix"),
        pytest.param([framed(b"a") + b"\0"], "1 and a part", id="one and a part"),
    ],
)
def test_a_request_of_other_than_one_message_is_told_what_it_has(
    parts: list[bytes], details: str
) -> None:
    server = Server()
    server.ask(*parts)
    assert server.status() == ("13", f"a unary call has one message, and this one has {details}")


def test_a_request_of_other_than_one_message_does_not_begin() -> None:
    server = Server()
    server.ask(framed(b"a") + b"\0")
    assert not server.begun_with


def test_a_message_too_large_is_refused_by_its_prefix() -> None:
    server = Server()
    server.ask(framed(bytes(MOST + 1))[:5], ends=False)
    assert server.status() == ("8", "SERVER: Received message larger than max (1001 vs. 1000)")


def test_a_message_larger_than_its_window_is_taken() -> None:
    server = Server()
    server.max_request_bytes = 4 * STREAM_ROOM
    own = framed(bytes(3 * STREAM_ROOM))
    server.ask(*(own[at : at + 16_384] for at in range(0, len(own), 16_384)))
    assert len(server.begun_with[0].message) == 3 * STREAM_ROOM


def test_an_answer_is_head_message_and_trailers() -> None:
    server = Server()
    server.ask(framed(b"asked"))
    server.begun_with[0].answer(b"told", TRAILERS)
    assert [own.payload for own in server.answer()[1:]] == [framed(b"told"), TRAILERS]


def test_an_answer_of_the_largest_size_is_sent() -> None:
    server = Server()
    server.ask(framed(b"asked"))
    server.begun_with[0].answer(bytes(MOST), TRAILERS)
    assert len(server.answer()[1].payload) == 5 + MOST


def test_an_answer_too_large_is_refused() -> None:
    server = Server()
    server.ask(framed(b"asked"))
    server.begun_with[0].answer(bytes(MOST + 1), TRAILERS)
    assert server.status() == ("8", "SERVER: Sent message larger than max (1001 vs. 1000)")


def test_a_refusal_is_all_of_the_answer() -> None:
    server, own = Server(), refusal_block(5, "no such item")
    server.ask(framed(b"asked"))
    server.begun_with[0].refuse(own)
    ends = frames.END_HEADERS | frames.END_STREAM
    assert server.answer() == [Frame(frames.HEADERS, ends, 1, own)]


def test_only_the_first_answer_is_sent() -> None:
    server = Server()
    server.ask(framed(b"asked"))
    server.begun_with[0].answer(b"first", TRAILERS)
    server.answer()
    server.begun_with[0].answer(b"second", TRAILERS)
    server.begun_with[0].refuse(refusal_block(13, "third"))
    assert not server.answer()


def test_what_fails_is_answered_without_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(failing)
    with caplog.at_level(logging.CRITICAL):
        server.ask(framed(b"asked"))
    assert server.status() == ("13", "internal error")


def test_what_fails_is_logged_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    Server(failing).ask(framed(b"asked"))
    assert "a fault of ours" in caplog.text


def test_what_fails_after_its_answer_says_no_more(caplog: pytest.LogCaptureFixture) -> None:
    def begin(call: DirectCall) -> None:
        call.answer(b"told", TRAILERS)
        failing(call)

    server = Server(begin)
    with caplog.at_level(logging.CRITICAL):
        server.ask(framed(b"asked"))
    assert len(server.answer()) == 3


def test_a_deadline_is_on_the_clock() -> None:
    before = perf_counter()
    server = Server()
    server.ask(framed(b"asked"), more=((b"grpc-timeout", b"3S"),))
    own = server.begun_with[0].deadline
    assert own is not None
    assert before + 3 <= own <= perf_counter() + 3


def test_the_same_head_gives_each_call_its_own_deadline() -> None:
    server = Server()
    for _ in range(2):
        server.ask(framed(b"asked"), more=((b"grpc-timeout", b"3S"),))
    first, second = (call.deadline for call in server.begun_with)
    assert first is not None
    assert second is not None
    assert first < second


def test_a_call_without_a_timeout_has_no_deadline() -> None:
    server = Server()
    server.ask(framed(b"asked"))
    assert server.begun_with[0].deadline is None


@pytest.mark.parametrize("how", ["reset", "lost", "fault"])
def test_a_call_is_told_once_that_its_caller_has_gone(how: str) -> None:
    server, told = Server(), list[str]()
    server.ask(framed(b"asked"))
    server.begun_with[0].on_gone = lambda: told.append("gone")
    if how == "reset":
        server.connection.receive(frames.rst_stream(1, frames.CANCEL))
    if how == "fault":
        server.connection.receive(frames.window_update(0, 0))
    server.connection.lost()
    assert told == ["gone"]


def test_a_call_that_is_told_twice_tells_once() -> None:
    server, told = Server(), list[str]()
    server.ask(framed(b"asked"))
    call = server.begun_with[0]
    call.on_gone = lambda: told.append("gone")
    call.gone()
    call.gone()
    assert told == ["gone"]


def test_a_call_that_was_answered_is_not_told_that_its_caller_goes() -> None:
    server, told = Server(), list[str]()
    server.ask(framed(b"asked"))
    server.begun_with[0].on_gone = lambda: told.append("gone")
    server.begun_with[0].answer(b"told", TRAILERS)
    server.connection.lost()
    assert told == []


def test_a_call_may_be_gone_before_its_message_has_come() -> None:
    server = Server()
    server.ask(framed(b"asked")[:-1], ends=False)
    server.connection.receive(frames.rst_stream(1, frames.CANCEL))
    assert server.calls[0].is_gone


def test_nobody_is_answered_who_has_gone() -> None:
    server = Server()
    server.ask(framed(b"asked"))
    server.connection.receive(frames.rst_stream(1, frames.CANCEL))
    server.begun_with[0].answer(b"told", TRAILERS)
    server.begun_with[0].refuse(refusal_block(13, "late"))
    assert not server.answer()


def test_a_call_may_be_answered_while_it_is_told_that_its_caller_has_gone() -> None:
    server = Server()
    server.ask(framed(b"asked"))
    call = server.begun_with[0]
    call.on_gone = lambda: call.answer(b"told", TRAILERS)
    server.connection.lost()
    assert not server.answer()
