"""One question, repeated, from h2load: C code on both ends of the wire, and nothing else."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from bench.peers.contenders import Contender, headers_of
from bench.peers.environments import Missing
from bench.peers.peer import Wire

CONNECTIONS = 8
STREAMS = 8
"""Calls in flight on each connection; where one takes one only, there are as many connections."""
LEAST_SHARE = 0.95
"""Of the bytes that so many answers have: h2load counts any HTTP 200, a refused call too."""


def is_installed() -> bool:
    """Whether there is an h2load."""
    return shutil.which("h2load") is not None


def repeated(own: Contender, port: int, seconds: float, answer_bytes: int) -> dict[str, float]:
    """Answers a second and their mean latency; nothing where h2load made no call.

    Args:
        own: its first question is sent.
        port: where it listens.
        seconds: h2load has no parts of one.
        answer_bytes: that an answer has on the wire.

    Raises:
        Missing: the answers are not the question's.
    """
    with tempfile.NamedTemporaryFile(suffix=".body") as file:
        file.write(bytes.fromhex(own.bodies[0]))
        file.flush()
        command = ["h2load", f"--duration={max(1, round(seconds))}", "--warm-up-time=1"]
        command += [*_connections(own.way.wire), f"--data={file.name}"]
        command += [part for header in headers_of(own.way) for part in ("-H", header)]
        url = f"http://127.0.0.1:{port}{own.way.path}"
        report = subprocess.run([*command, url], capture_output=True, text=True, check=False)
    return figures(report.stdout, answer_bytes)


def _connections(wire: Wire) -> Sequence[str]:
    if wire is Wire.HTTP1:
        return ["--h1", f"--clients={CONNECTIONS * STREAMS}"]
    return [f"--clients={CONNECTIONS}", f"--max-concurrent-streams={STREAMS}"]


def figures(report: str, answer_bytes: int) -> dict[str, float]:
    """What h2load's report says.

    Raises:
        Missing: too few bytes for so many answers, or there is no report.
    """
    rate = re.search(r"([\d.]+) req/s", report)
    done = re.search(r"(\d+) succeeded", report)
    data = re.search(r"\((\d+)\) data", report)
    mean = re.search(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)\b", report)
    if not (rate and done and data and mean) or int(done[1]) == 0:
        raise Missing("h2load gets no answer")
    if int(data[1]) < LEAST_SHARE * int(done[1]) * answer_bytes:
        raise Missing(f"h2load gets {data[1]} bytes in {done[1]} answers")
    in_ms = {"us": 1e-3, "ms": 1.0, "s": 1e3}[mean[2]]
    return {"per_s": float(rate[1]), "mean_ms": float(mean[1]) * in_ms}
