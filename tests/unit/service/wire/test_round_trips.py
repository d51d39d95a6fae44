"""Whole answers to the h2 library as the client, which ends whatever breaks the standard."""

from dataclasses import dataclass, field
from typing import Any, Final

import h2.config
import h2.connection
import h2.events
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from service.wire.connection import CONNECTION_ROOM, STREAM_ROOM, Connection
from service.wire.frames import DEFAULT_WINDOW, MOST_WINDOW
from service.wire.headers import Fields
from service.wire.stream import Stream
from tests.unit.service.wire.peer import HEADS, TRAILERS, Told

HEAD: Final = ((b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"here"))
PIECE: Final = 16_384
ALL: Final = 2**30
"""More window than anything here needs."""


def body_of(stream_id: int, size: int) -> bytes:
    """An answer that is no other stream's."""
    own = bytes((stream_id + at) % 251 for at in range(251))
    return (own * (size // 251 + 1))[:size]


class Sizing(Told):
    """Answers each request with as many bytes as its path asks for."""

    connection: Connection[Fields]

    def begun(self, stream: Stream, head: Fields, *, is_ended: bool) -> None:
        """Remembers how many; answers a request without data."""
        super().begun(stream, head, is_ended=is_ended)
        stream.call = int(dict(head)[b":path"][1:])
        self._answer(stream, is_ended=is_ended)

    def data(self, stream: Stream, data: bytes, *, is_ended: bool) -> None:
        """Takes it; answers at its end."""
        super().data(stream, data, is_ended=is_ended)
        self.connection.consumed(stream, len(data))
        self._answer(stream, is_ended=is_ended)

    def _answer(self, stream: Stream, *, is_ended: bool) -> None:
        if is_ended:
            body = body_of(stream.id, stream.call)
            self.connection.respond(stream, HEADS, body, TRAILERS)


@dataclass
class Answer:
    """What a client was told of one request."""

    data: bytes = b""
    trailers: list[Any] = field(default_factory=list)
    has_ended: bool = False


class Client:
    """The h2 library's side, and ours behind it."""

    def __init__(self) -> None:
        self.told = Sizing()
        self.server = self.told.connection = Connection(self.told)
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self.own = h2.connection.H2Connection(config)
        self.own.initiate_connection()
        self.answers: dict[int, Answer] = {}
        self.exchange()

    def exchange(self) -> None:
        """Carries bytes both ways until nobody has any."""
        while (asked := self.own.data_to_send()) or self.server.out:
            self.server.receive(asked)
            told = b"".join(self.server.out)
            self.server.out.clear()
            for event in self.own.receive_data(told):
                self._note(event)

    def _note(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            self.answers[event.stream_id].data += event.data or b""
        elif isinstance(event, h2.events.TrailersReceived):
            self.answers[event.stream_id].trailers += event.headers or []
        elif isinstance(event, h2.events.StreamEnded):
            self.answers[event.stream_id].has_ended = True

    def ask(self, size: int, *, sends: int = 0, more: Fields = ()) -> int:
        """Asks for so many bytes, with so many; the number of the stream."""
        stream_id = self.own.get_next_available_stream_id()
        self.answers[stream_id] = Answer()
        head = (*HEAD, (b":path", b"/%d" % size), (b"te", b"trailers"), *more)
        self.own.send_headers(stream_id, head, end_stream=not sends)
        self.exchange()
        self._send(stream_id, sends)
        return stream_id

    def _send(self, stream_id: int, left: int) -> None:
        while left:
            part = min(left, PIECE, self.own.local_flow_control_window(stream_id))
            assert part, "the server gives no window"
            left -= part
            self.own.send_data(stream_id, bytes(part), end_stream=not left)
            self.exchange()

    def set(self, name: SettingCodes, value: int) -> None:
        """Changes a setting."""
        self.own.update_settings({name: value})
        self.exchange()

    def give(self, count: int, stream_id: int | None = None) -> None:
        """Gives the connection, or a stream, so many bytes of window."""
        if stream_id is None or not self.is_over(stream_id):
            self.own.increment_flow_control_window(count, stream_id)
            self.exchange()

    def cancel(self, stream_id: int) -> None:
        """Wants no answer any more."""
        if not self.is_over(stream_id):
            self.own.reset_stream(stream_id, ErrorCodes.CANCEL)
            del self.answers[stream_id]
            self.exchange()

    def is_over(self, stream_id: int) -> bool:
        """Whether the stream was answered or cancelled."""
        return stream_id not in self.answers or self.answers[stream_id].has_ended


def whole(stream_id: int, size: int) -> Answer:
    return Answer(body_of(stream_id, size), [(b"grpc-status", b"0")], has_ended=True)


def test_requests_that_together_are_larger_than_the_connections_window_are_answered() -> None:
    client = Client()
    numbers = [client.ask(1, sends=STREAM_ROOM) for _ in range(CONNECTION_ROOM // STREAM_ROOM + 2)]
    assert all(client.answers[number].has_ended for number in numbers)


def test_a_client_may_send_ahead_what_we_say() -> None:
    client = Client()
    assert client.own.outbound_flow_control_window == CONNECTION_ROOM


def test_the_connections_window_is_given_back_to_its_full_size() -> None:
    client = Client()
    client.ask(1, sends=CONNECTION_ROOM // 2 + 1)
    assert client.own.outbound_flow_control_window == CONNECTION_ROOM


def test_answers_that_fit_a_frame_stay_within_the_connections_window() -> None:
    client = Client()
    numbers = [client.ask(PIECE) for _ in range(10)]
    assert sum(len(client.answers[number].data) for number in numbers) == DEFAULT_WINDOW


def test_answers_that_waited_for_the_connections_window_come_whole() -> None:
    client = Client()
    numbers = [client.ask(PIECE) for _ in range(10)]
    client.give(ALL)
    assert [client.answers[number] for number in numbers] == [whole(at, PIECE) for at in numbers]


def test_frames_of_the_largest_size_are_taken() -> None:
    client = Client()
    client.set(SettingCodes.MAX_FRAME_SIZE, 2**24 - 1)
    client.set(SettingCodes.INITIAL_WINDOW_SIZE, MOST_WINDOW)
    client.give(ALL)
    number = client.ask(2**24 + 5)
    assert client.answers[number] == whole(number, 2**24 + 5)


def test_a_block_larger_than_a_frame_is_read() -> None:
    client = Client()
    number = client.ask(1, more=tuple((b"x-%d" % at, b"#" * 5000) for at in range(6)))
    assert client.answers[number] == whole(number, 1)


SIZES = st.integers(0, 150_000) | st.integers(9_000, PIECE)
ASKED = st.tuples(st.just("ask"), SIZES, st.sampled_from([0, 0, 5, 40_000]))
WINDOW = st.tuples(st.just("window"), st.integers(0, 200_000) | st.integers(0, 50), st.just(0))
GIVEN = st.tuples(st.just("give"), st.integers(1, 100_000), st.integers(0, 6))
CANCELLED = st.tuples(st.just("cancel"), st.integers(0, 6), st.just(0))
FRAMES = st.tuples(st.just("frames"), st.integers(PIECE, 10 * PIECE), st.just(0))
STEPS = st.lists(ASKED | WINDOW | GIVEN | CANCELLED | FRAMES, max_size=25)


@given(STEPS)
def test_every_answer_comes_whole_however_windows_change(steps: list[tuple[str, int, int]]) -> None:
    client, asked = Client(), dict[int, int]()
    for kind, size, which in steps:
        numbers = [None, *asked]
        if kind == "ask":
            asked[client.ask(size, sends=which)] = size
        elif kind == "window":
            client.set(SettingCodes.INITIAL_WINDOW_SIZE, size)
        elif kind == "frames":
            client.set(SettingCodes.MAX_FRAME_SIZE, size)
        elif kind == "give":
            client.give(size, numbers[which % len(numbers)])
        elif asked:
            client.cancel([*asked][size % len(asked)])
    client.set(SettingCodes.INITIAL_WINDOW_SIZE, ALL)
    client.give(ALL)
    left = {number: whole(number, size) for number, size in asked.items()}
    assert client.answers == {number: left[number] for number in client.answers}
    assert not client.server.streams
