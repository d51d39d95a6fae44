"""Loads a server with unlike questions over any wire, as a process of its own.

    python -m bench.peers.load < JSON of an `Order`

libcurl does the wire in C, so that the generator takes little of the cores that it shares with the
server, and the same little whatever the server speaks. A unary gRPC call is an HTTP/2 request whose
body is framed; one that is refused has no body, which is how it is known here.
"""

import json
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from itertools import cycle
from typing import Any, NamedTuple

import pycurl

CONNECTIONS = 8
"""That the calls in flight share where a connection takes several."""
WARM_UP_SHARE = 0.2
"""Of the run, not counted."""
LONGEST_WAIT_S = 0.1
CALL_TIMEOUT_MS = 20_000
AT_ONCE = 512
"""Most calls in flight of an open loop; beyond, calls that are due wait, and are late."""


class Order(NamedTuple):
    """What to do."""

    port: int
    """On loopback."""
    path: str
    headers: list[str]
    http2: bool
    bodies: list[str]
    """Hexadecimal; asked in order, and again from the first."""
    in_flight: int
    """Of a closed loop; 0: the bodies are asked once, one after the other, and answers printed."""
    seconds: float
    rate: float = 0.0
    """A second, of an open loop: calls are sent when due, whatever became of those before; 0: a
    closed loop."""


class Caller:
    """One call in flight at a time, over a connection that it may share."""

    def __init__(self, order: Order, number: int) -> None:
        host = f"c{number % CONNECTIONS}"
        self.since = 0.0
        """When the call was due."""
        self.handle = handle = pycurl.Curl()
        handle.caller = self
        handle.setopt(pycurl.URL, f"http://{host}:{order.port}{order.path}")
        handle.setopt(pycurl.RESOLVE, [f"{host}:{order.port}:127.0.0.1"])
        handle.setopt(pycurl.HTTPHEADER, [*order.headers, "expect:"])
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.TIMEOUT_MS, CALL_TIMEOUT_MS)
        handle.setopt(pycurl.NOPROXY, "*")
        if order.http2:
            handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
            handle.setopt(pycurl.PIPEWAIT, 1)
        else:
            handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)

    def ready(self, body: bytes) -> Any:
        """The handle of a new call."""
        self.answer = BytesIO()
        self.handle.setopt(pycurl.WRITEDATA, self.answer)
        self.handle.setopt(pycurl.POSTFIELDS, body)
        return self.handle

    @property
    def is_answered(self) -> bool:
        """Whether the call that ended got what it asked for."""
        status = self.handle.getinfo(pycurl.RESPONSE_CODE)
        return bool(status == 200 and self.answer.tell())


class Loop:
    """One run's clock and counts."""

    def __init__(self, order: Order) -> None:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._supply = cycle([bytes.fromhex(own) for own in order.bodies])
        count = AT_ONCE if order.rate else order.in_flight
        self._idle = [Caller(order, number) for number in range(count)]
        self._flying = 0
        self._rate = order.rate
        self._start = time.perf_counter()
        self._counted_from = self._start + WARM_UP_SHARE * order.seconds
        self._end = self._start + order.seconds
        self._latencies: list[float] = []
        self._due = 0
        """Calls of the open loop that were sent."""
        self._calls = self._failed = 0

    def run(self) -> dict[str, float]:
        """Answers a second, failed calls, latencies, and the generator's own time per call."""
        own_start_s = time.process_time()
        while (now := time.perf_counter()) < self._end or self._flying:
            if now < self._end:
                self._send_what_is_due(now)
            self._multi.perform()
            if not self._read():
                self._multi.select(self._wait_s(time.perf_counter()))
        own_s = time.process_time() - own_start_s
        return figures(self._latencies, self._end - self._counted_from) | {
            "failed": self._failed,
            "calls": self._calls,
            "client_ms": own_s / max(self._calls, 1) * 1e3,
        }

    def _send_what_is_due(self, now: float) -> None:
        while self._idle and (not self._rate or self._next_due() <= now):
            caller = self._idle.pop()
            caller.since = self._next_due() if self._rate else time.perf_counter()
            self._due += 1
            self._flying += 1
            self._multi.add_handle(caller.ready(next(self._supply)))

    def _next_due(self) -> float:
        return self._start + self._due / self._rate

    def _wait_s(self, now: float) -> float:
        if not self._rate or not self._idle:
            return LONGEST_WAIT_S
        return min(max(self._next_due() - now, 0.0), LONGEST_WAIT_S)

    def _read(self) -> bool:
        """Whether any call ended."""
        any_ended = False
        for handle in ended(self._multi):
            any_ended = True
            now, caller = time.perf_counter(), handle.caller
            self._multi.remove_handle(handle)
            self._idle.append(caller)
            self._flying -= 1
            self._calls += 1
            if not caller.is_answered:
                self._failed += 1
            elif self._counted_from <= now <= self._end:
                self._latencies.append(now - caller.since)
        return any_ended


def answers(order: Order) -> list[str]:
    """The body of each answer, hexadecimal; empty where there was none."""
    caller = Caller(order, 0)
    found = []
    for body in order.bodies:
        handle = caller.ready(bytes.fromhex(body))
        try:
            handle.perform()
        except pycurl.error:
            found.append("")
            continue
        found.append(caller.answer.getvalue().hex() if caller.is_answered else "")
    return found


def ended(multi: Any) -> Iterator[Any]:
    """Handles whose call is over."""
    waiting = 1
    while waiting:
        waiting, done, faults = multi.info_read()
        yield from done
        yield from (handle for handle, _, _ in faults)


def figures(latencies: list[float], seconds: float) -> dict[str, float]:
    """Rate, and percentiles by nearest rank; 0 where nothing was answered."""
    ordered = sorted(latencies) or [0.0]
    return {
        "per_s": len(latencies) / seconds,
        "p50_ms": ordered[len(ordered) // 2] * 1e3,
        "p99_ms": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1e3,
    }


def main() -> None:
    """Prints answers or figures as JSON."""
    order = Order(**json.load(sys.stdin))
    is_load = order.in_flight or order.rate
    print(json.dumps(Loop(order).run() if is_load else answers(order)))


if __name__ == "__main__":
    main()
