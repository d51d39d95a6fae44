"""What the harness knows of a server: where it is installed, how it is started, asked and read.

A peer is a folder here: `requirements.txt` (pinned; its environment is made on demand in
.cache/bench/peers/<folder>) and `serve.py`, which runs in that environment as

    python -m bench.peers.<folder>.serve --graph FILE --port PORT [what the tuning says]

from the repository's root, serves on loopback until SIGTERM, and imports nothing of the service.
It is ready when it answers a question. docs/adr/0016-peers.md says why it is done so.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bench.peers.frame import Float32, Int64, Row, answer_of, row_bytes

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".cache" / "bench" / "peers"
"""Each peer's own, by folder."""


class Wire(StrEnum):
    """What a server speaks."""

    HTTP1 = "HTTP/1.1"
    HTTP2 = "HTTP/2"
    """Without TLS, by prior knowledge."""
    GRPC = "gRPC"


class Exported(StrEnum):
    """Which export of the model a peer runs; each is a file of its own."""

    STEERED = "steered"
    """Only what the answer needs (training/steered_graph.py)."""
    NAIVE = "naive"
    """Every position to the end, and rules as rows as wide as the SAE."""


@dataclass(frozen=True)
class Way:
    """How questions go in and answers come out."""

    wire: Wire
    path: str
    """Of every question, e.g. /inference.GRPCInferenceService/ModelInfer."""
    encode: Callable[[Row], bytes] = row_bytes
    """A question as a body; the harness puts gRPC's five bytes before it."""
    decode: Callable[[bytes], tuple[Int64, Float32]] = answer_of
    """Items [k] and scores [k] of an answer's body, without gRPC's five bytes.

    Raises ValueError where it is no answer."""
    content_type: str = "application/octet-stream"
    """Not sent on gRPC, which has its own."""


@dataclass(frozen=True)
class Tuned:
    """One way to run a peer."""

    name: str
    """As the table shows it."""
    arguments: tuple[str, ...] = ()
    """Of its serve.py, beside --graph and --port."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables beside the harness's own."""


@dataclass(frozen=True)
class Peer:
    """One server."""

    name: str
    """As the table shows it, with what it speaks, e.g. Mosec (HTTP/2)."""
    folder: str
    """Below bench/peers; peers of one folder share its environment."""
    way: Way
    tunings: tuple[Tuned, ...]
    """The first is taken where only one is asked for; the best one is compared."""
    exported: Exported = Exported.STEERED
    ready_timeout_s: float = 60.0
    """Until it has to answer."""
    script: str = "serve"
    """What runs it, without .py."""
    may_be_paused: bool = True
    """Whether it survives being stopped by a signal while others are measured."""

    @property
    def requirements(self) -> Path:
        """What its environment holds."""
        return ROOT / "bench" / "peers" / self.folder / "requirements.txt"

    @property
    def module(self) -> str:
        """What its environment runs."""
        return f"bench.peers.{self.folder}.{self.script}"
