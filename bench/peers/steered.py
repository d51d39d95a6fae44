"""The steered graph as every peer runs it: questions of any lengths in, padded here, one run."""

import argparse
import socket
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bench.peers.frame import Float32, Int64, Row, answer_bytes, row_of


class Tuning(NamedTuple):
    """How one server is run."""

    graph: str
    """File of the steered graph."""
    port: int
    """On loopback."""
    workers: int
    """Processes that run the model, one thread each."""
    batch: int
    """Most questions in one run."""
    wait_ms: float
    """Longest wait for a batch to fill."""
    fronts: int
    """Processes that take requests, where those are others."""
    front: str
    """Which of the server's own ways in, where it has several; empty: its first."""


def tuning_of(arguments: list[str] | None = None) -> Tuning:
    """What a server's command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--graph", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--wait-ms", type=float, default=0.0)
    parser.add_argument("--fronts", type=int, default=1)
    parser.add_argument("--front", default="")
    return Tuning(**vars(parser.parse_args(arguments)))


def free_port() -> int:
    """One that nothing listens on now, for what a server opens beside what is asked of it."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        port: int = own.getsockname()[1]
        return port


class Steered:
    """The graph, open in this process."""

    def __init__(self, graph: str) -> None:
        """Open the file on one thread that does not spin: the workers share few cores."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def answers(self, rows: Sequence[Row]) -> list[tuple[Int64, Float32]]:
        """The k best items and their scores for each row, in one run."""
        items, scores = self._session.run(["top_items", "top_scores"], feeds(rows))
        return [
            (own_items[: row.k], own_scores[: row.k])
            for row, own_items, own_scores in zip(rows, items, scores, strict=True)
        ]

    def bodies(self, bodies: Sequence[bytes]) -> list[bytes]:
        """As `answers`, from and to the bytes of `frame`."""
        rows = [row_of(body) for body in bodies]
        return [answer_bytes(items, scores) for items, scores in self.answers(rows)]


def feeds(rows: Sequence[Row]) -> dict[str, NDArray[np.generic]]:
    """The graph's inputs: histories padded on the left, the rest on the right, with zeros."""
    return {
        "items": _left_padded([row.items for row in rows]),
        "excluded": _padded([row.excluded for row in rows], np.int64),
        "rule_features": _padded([row.features for row in rows], np.int64),
        "rule_operations": _padded([row.operations for row in rows], np.int64),
        "rule_values": _padded([row.values for row in rows], np.float32),
        "k": np.array([max(row.k for row in rows)], dtype=np.int64),
    }


def _left_padded(lines: Sequence[Int64]) -> Int64:
    width = max(map(len, lines))
    padded = np.zeros((len(lines), width), dtype=np.int64)
    for own, line in zip(padded, lines, strict=True):
        own[width - len(line) :] = line
    return padded


def _padded(lines: Sequence[NDArray[np.generic]], dtype: type[np.generic]) -> NDArray[np.generic]:
    padded = np.zeros((len(lines), max(map(len, lines))), dtype=dtype)
    for own, line in zip(padded, lines, strict=True):
        own[: len(line)] = line
    return padded
