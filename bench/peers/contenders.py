"""The servers side by side: started, checked against the service's own answers, asked."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.environments import Missing, last_line, python_of
from bench.peers.frame import Float32, Int64
from bench.peers.peer import ROOT, Exported, Peer, Tuned, Way, Wire
from bench.peers.questions import Question, slate_of
from bench.peers.trees import Tree, started
from bench.processes import service_process
from bench.serving import RECOMMEND
from loadtest.requests import frame
from model_store.bundle import Bundle

OURS = "steerrec"
GRPC_FRAME_BYTES = 5
SCORE_ATOL = 1e-4
OURS_READY_S = 180.0
ASK_TIMEOUT_S = 60.0
POLL_S = 0.3

Slate = tuple[Int64, Float32]


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    tree: Tree


@dataclass(frozen=True)
class Contender:
    """A server in one tuning, not started."""

    name: str
    tuning: str
    way: Way
    bodies: list[str]
    """The questions as it is asked, hexadecimal, framed where the wire is gRPC."""
    start: Callable[[], AbstractContextManager[Running]]
    is_ours: bool = False
    may_be_paused: bool = True

    @property
    def key(self) -> str:
        """No other has it."""
        return f"{self.name}, {self.tuning}"


class Client:
    """The generator, as processes of its own."""

    def answers(self, way: Way, port: int, bodies: Sequence[str]) -> list[bytes]:
        """The body of each answer; empty where there was none."""
        found: list[str] = self._told(_order(way, port, bodies, in_flight=0, seconds=0))
        start = GRPC_FRAME_BYTES if way.wire is Wire.GRPC else 0
        return [bytes.fromhex(own)[start:] for own in found]

    def load(
        self, own: Contender, port: int, seconds: float, *, in_flight: int = 0, rate: float = 0
    ) -> dict[str, float]:
        """Figures of a closed loop of so many calls in flight, or an open one of such a rate."""
        order = _order(own.way, port, own.bodies, in_flight=in_flight, seconds=seconds, rate=rate)
        figures: dict[str, float] = self._told(order)
        return figures

    @staticmethod
    def _told(order: dict[str, Any]) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "bench.peers.load"],
            input=json.dumps(order),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=ASK_TIMEOUT_S + order["seconds"],
        )
        return json.loads(done.stdout)


def _order(way: Way, port: int, bodies: Sequence[str], **more: float) -> dict[str, Any]:
    return {
        "port": port,
        "path": way.path,
        "headers": headers_of(way),
        "http2": way.wire is not Wire.HTTP1,
        "bodies": list(bodies),
        **more,
    }


def headers_of(way: Way) -> list[str]:
    """Of every call."""
    if way.wire is Wire.GRPC:
        return ["content-type: application/grpc", "te: trailers"]
    return [f"content-type: {way.content_type}"]


def bodies_of(way: Way, messages: Sequence[bytes]) -> list[str]:
    """As the generator sends them."""
    framed = map(frame, messages) if way.wire is Wire.GRPC else messages
    return [own.hex() for own in framed]


def ours(
    bundle: Bundle,
    store_root: str,
    questions: Sequence[Question],
    workers: int,
    kept_bytes: int,
    folder: Path,
    name: str = OURS,
) -> Contender:
    """The service in so many processes, each with so much room for hidden states.

    Under another name than the first it is measured as a peer is: beside ours.
    """
    tuning = "one process" if workers == 1 else f"--workers {workers}"
    tuning += ", states kept" if kept_bytes else ""
    way = Way(Wire.GRPC, RECOMMEND, decode=lambda body: slate_of(bundle, body))
    own = folder / f"service-{name}-{workers}"
    own.mkdir()

    @contextmanager
    def start() -> Iterator[Running]:
        settings = {
            "STEERREC_WORKERS": str(workers),
            "STEERREC_STATE_CACHE_BYTES": str(kept_bytes),
            "OMP_NUM_THREADS": "1",
            # while it is paused it cannot hear of presets, and says so
            "STEERREC_LOG_LEVEL": "error",
        }
        with service_process(store_root, own, **settings) as running:
            tree = Tree(running.pid)
            try:
                yield Running(int(running.grpc.rpartition(":")[2]), tree)
            finally:
                tree.resume()

    messages = [question.request.SerializeToString() for question in questions]
    bodies = bodies_of(way, messages)
    return Contender(name, tuning, way, bodies, start, is_ours=name == OURS)


def rival(
    peer: Peer,
    tuned: Tuned,
    graphs: dict[Exported, Path],
    questions: Sequence[Question],
    client: Client,
) -> Contender:
    """A peer in one of its tunings."""
    bodies = bodies_of(peer.way, [peer.way.encode(question.row) for question in questions])

    @contextmanager
    def start() -> Iterator[Running]:
        python, port = python_of(peer.folder), free_port()
        log = python.parents[1] / f"{peer.script}.log"
        arguments = ["--graph", str(graphs[peer.exported]), "--port", str(port)]
        command = [str(python), "-m", peer.module, *arguments, *tuned.arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **tuned.environment}
        with started(command, log, environment) as tree:
            _wait_until_it_answers(peer, port, tree, log, client, bodies[0])
            yield Running(port, tree)

    return Contender(
        peer.name, tuned.name, peer.way, bodies, start, may_be_paused=peer.may_be_paused
    )


def free_port() -> int:
    """One that nothing listens on now."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        port: int = own.getsockname()[1]
        return port


def _wait_until_it_answers(
    peer: Peer, port: int, tree: Tree, log: Path, client: Client, body: str
) -> None:
    end = time.monotonic() + peer.ready_timeout_s
    while time.monotonic() < end:
        if not tree.is_rooted:
            raise Missing(f"ended as it started: {last_line(log.read_text(errors='replace'))}")
        if _listens(port) and client.answers(peer.way, port, [body])[0]:
            return
        time.sleep(POLL_S)
    said = last_line(log.read_text(errors="replace"))
    raise Missing(f"gave no answer within {peer.ready_timeout_s:g} s; last in its log: {said}")


def _listens(port: int) -> bool:
    with socket.socket() as own:
        own.settimeout(1)
        return own.connect_ex(("127.0.0.1", port)) == 0


def slates(client: Client, own: Contender, port: int, count: int) -> list[Slate]:
    """Its answers to the first questions.

    Raises:
        Missing: it does not answer, or not with a slate.
    """
    found = []
    for number, body in enumerate(client.answers(own.way, port, own.bodies[:count])):
        if not body:
            raise Missing(f"gives no answer to question {number}")
        try:
            found.append(own.way.decode(body))
        except ValueError as error:
            raise Missing(f"answers question {number} with no slate: {error}") from None
    return found


def answer_bytes(client: Client, own: Contender, port: int) -> int:
    """Bytes on the wire of its answer to the first question."""
    (answer,) = client.answers(own.way, port, own.bodies[:1])
    return len(answer) + (GRPC_FRAME_BYTES if own.way.wire is Wire.GRPC else 0)


def check_same(given: Sequence[Slate], expected: Sequence[Slate]) -> None:
    """Refuses answers that are not the service's.

    Raises:
        Missing: naming the first question that is answered otherwise.
    """
    for number, (own, right) in enumerate(zip(given, expected, strict=True)):
        if (why := difference(own, right)) is not None:
            raise Missing(f"answers question {number} otherwise: {why}")


def difference(given: Slate, expected: Slate) -> str | None:
    """How a slate differs; None: the same items and scores, equal scores in any order."""
    items, scores = given
    right_items, right_scores = expected
    if len(items) != len(right_items):
        return f"{len(items)} items, not {len(right_items)}"
    off = float(np.abs(scores - right_scores).max(initial=0.0))
    if off > SCORE_ATOL:
        return f"scores are off by {off:.2g}"
    score_of = dict(zip(right_items.tolist(), right_scores.tolist(), strict=True))
    last = float(right_scores[-1]) if len(right_scores) else 0.0
    for place, (item, score) in enumerate(zip(items.tolist(), scores.tolist(), strict=True)):
        # an item that is not in the other slate can only have tied with its last
        if abs(score_of.get(item, last) - score) > SCORE_ATOL:
            return f"item {item} at place {place + 1}"
    return None
