"""The metrics over HTTP, on a port of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from service.errors import PortTaken
from service.metrics import Metrics


@contextmanager
def metrics_page(metrics: Metrics, address: str) -> Iterator[str]:
    """Serves the metrics within the block; gives the address with the port that was bound.

    Raises:
        PortTaken: the address cannot be bound.
    """
    host, _, port = address.rpartition(":")
    try:
        page, thread = start_http_server(int(port), host.strip("[]"), metrics.registry)
    except OSError as error:
        raise PortTaken(address) from error
    try:
        yield f"{host}:{page.server_port}"
    finally:
        page.shutdown()
        page.server_close()
        thread.join()
