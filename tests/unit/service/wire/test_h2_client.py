"""The h2 library as the client: it holds us to the standard, and ends the connection itself."""

from dataclasses import dataclass, field

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, StreamEnded, StreamReset, TrailersReceived
from h2.settings import SettingCodes

from service.wire.connection import MAX_HEADER_BYTES, STREAM_ROOM, Connection
from service.wire.headers import Fields
from tests.unit.service.wire.peer import HEADS, TRAILERS, Answering, answering

REQUEST = [
    *((":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "h")),
    *(("content-type", "application/grpc"), ("te", "trailers")),
]
LARGE = bytes(range(256)) * 2000


@dataclass
class Client:
    """A client, and the server that it speaks with."""

    server: Connection[Fields]
    reads: bool = True
    """Whether windows are opened again as data comes."""
    h2: H2Connection = field(default_factory=lambda: H2Connection(H2Configuration()))
    events: list[Event] = field(default_factory=list)
    data: dict[int, bytes] = field(default_factory=dict)
    """What each stream got."""

    def __post_init__(self) -> None:
        self.h2.initiate_connection()
        self.turn()

    def turn(self) -> None:
        """Carries bytes both ways until nobody has more to say."""
        while (asked := self.h2.data_to_send()) or self.server.out:
            self.server.receive(asked)
            answered = b"".join(self.server.out)
            self.server.out.clear()
            for event in self.h2.receive_data(answered):
                self._take(event)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, DataReceived):
            number = event.stream_id or 0
            self.data[number] = self.data.get(number, b"") + (event.data or b"")
            if self.reads:
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, number)

    def ask(self, *more: tuple[str, str], ends: bool = True) -> int:
        """Begins a request."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, [*REQUEST, *more], end_stream=ends)
        self.turn()
        return number

    def send(self, number: int, data: bytes) -> None:
        """Sends all of the data as far as windows open, and ends."""
        while data:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            assert room > 0
            self.h2.send_data(number, data[:room])
            data = data[room:]
            self.turn()
        self.h2.end_stream(number)
        self.turn()

    def change(self, name: SettingCodes, value: int) -> None:
        """Changes a setting."""
        self.h2.update_settings({name: value})
        self.turn()

    def has_ended(self, number: int) -> bool:
        """Whether a stream was answered to its end."""
        return any(isinstance(own, StreamEnded) and own.stream_id == number for own in self.events)


def pair(body: bytes = b"\0\0\0\0\2ok", *, reads: bool = True) -> tuple[Answering, Client]:
    own, server = answering(body)
    return own, Client(server, reads=reads)


def test_an_answer_comes_whole() -> None:
    _, client = pair(b"whole")
    number = client.ask()
    assert (client.data[number], client.has_ended(number)) == (b"whole", True)


def test_trailers_come_behind_the_data() -> None:
    _, client = pair()
    client.ask()
    own = [type(event) for event in client.events]
    assert own.index(DataReceived) < own.index(TrailersReceived)


def test_many_requests_are_answered_on_one_connection() -> None:
    _, client = pair(b"x")
    numbers = [client.ask(("x-number", str(at)), ("grpc-timeout", f"{at}m")) for at in range(300)]
    assert all(client.has_ended(number) for number in numbers)


def test_a_large_answer_comes_whole() -> None:
    _, client = pair(LARGE)
    number = client.ask()
    assert client.data[number] == LARGE


def test_a_large_request_comes_whole() -> None:
    own, client = pair()
    number = client.ask(ends=False)
    client.send(number, LARGE * 10)
    assert b"".join(event[2] for event in own.events if event[0] == "data") == LARGE * 10


def test_a_request_may_be_twenty_times_its_window() -> None:
    own, client = pair()
    number = client.ask(ends=False)
    client.send(number, bytes(20 * STREAM_ROOM))
    assert sum(len(event[2]) for event in own.events if event[0] == "data") == 20 * STREAM_ROOM


def test_a_client_that_reads_nothing_gets_a_window() -> None:
    _, client = pair(LARGE, reads=False)
    number = client.ask()
    assert client.data[number] == LARGE[:65_535]


@pytest.mark.parametrize("size", [0, 100, 4095])
def test_a_client_without_much_of_a_table_is_answered(size: int) -> None:
    _, client = pair()
    client.change(SettingCodes.HEADER_TABLE_SIZE, size)
    assert client.has_ended(client.ask())


def test_a_table_that_shrinks_under_an_answer_does_not_end_it() -> None:
    own, client = pair(LARGE, reads=False)
    number = client.ask()
    client.change(SettingCodes.HEADER_TABLE_SIZE, 0)
    client.h2.increment_flow_control_window(len(LARGE))
    client.h2.increment_flow_control_window(len(LARGE), number)
    client.turn()
    assert client.has_ended(number)
    assert own.events


def test_a_window_that_grows_under_an_answer_is_used() -> None:
    _, client = pair(LARGE, reads=False)
    client.h2.increment_flow_control_window(len(LARGE))
    number = client.ask()
    client.change(SettingCodes.INITIAL_WINDOW_SIZE, 100_000)
    assert client.data[number] == LARGE[:100_000]


def test_a_window_that_shrinks_under_an_answer_is_filled_first() -> None:
    _, client = pair(LARGE, reads=False)
    client.h2.increment_flow_control_window(len(LARGE))
    number = client.ask()
    client.change(SettingCodes.INITIAL_WINDOW_SIZE, 10)
    client.h2.increment_flow_control_window(65_525 + 7, number)
    client.turn()
    assert client.data[number] == LARGE[: 65_535 + 7]


def test_larger_frames_are_sent_once_allowed() -> None:
    _, client = pair(LARGE[:60_000])
    client.change(SettingCodes.MAX_FRAME_SIZE, 50_000)
    client.ask()
    own = [len(event.data or b"") for event in client.events if isinstance(event, DataReceived)]
    assert own == [50_000, 10_000]


def test_a_client_may_cancel_while_it_is_answered() -> None:
    own, client = pair(LARGE, reads=False)
    number = client.ask()
    client.h2.reset_stream(number, 8)
    client.turn()
    assert own.events[-1] == ("reset", number)


def test_an_early_answer_is_one_for_a_client_that_still_writes() -> None:
    own, client = pair()
    number = client.ask(ends=False)
    client.server.respond(own.streams[number], HEADS, b"early", TRAILERS)
    client.turn()
    resets = [event for event in client.events if isinstance(event, StreamReset)]
    assert (client.data[number], [event.error_code for event in resets]) == (b"early", [0])


def test_a_ping_comes_back() -> None:
    _, client = pair()
    client.h2.ping(b"12345678")
    client.turn()
    assert "PingAckReceived" in {type(event).__name__ for event in client.events}


def test_a_client_learns_our_limits() -> None:
    _, client = pair()
    own = client.h2.remote_settings
    assert (own.max_concurrent_streams, own.initial_window_size, own.max_header_list_size) == (
        *(1024, STREAM_ROOM, MAX_HEADER_BYTES),
    )
