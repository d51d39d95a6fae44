"""h2load as a gRPC load generator: docs/loadtest.md has the recipe."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

RECOMMEND = "/steerrec.v1.RecommenderService/Recommend"


class Load(NamedTuple):
    """What h2load reports. It counts any HTTP 200 as a success, a refused gRPC call too."""

    succeeded: int
    """Answers with an HTTP status of 2xx."""
    data_bytes: int
    """Bodies of the answers, gRPC frames and all: an answer that is a refusal has none."""


def h2load(address: str, body: Path, *, requests: int, connections: int, streams: int) -> Load:
    """Sends one gRPC frame so many times.

    Args:
        address: host:port of the server.
        body: file of the frame.
        requests: in all.
        connections: that share them.
        streams: calls in flight on each connection.
    """
    report = subprocess.check_output(
        [
            *("h2load", "-n", str(requests), "-c", str(connections), "-m", str(streams)),
            *("-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"http://{address}{RECOMMEND}",
        ],
        text=True,
    )
    succeeded = re.search(r"(\d+) succeeded", report)
    data = re.search(r"\((\d+)\) data", report)
    assert succeeded, report
    assert data, report
    return Load(int(succeeded[1]), int(data[1]))
