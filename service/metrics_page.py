"""The metrics over HTTP, on a port of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from service.errors import PortTaken

STOP_LOOK_S = 0.1
"""Seconds between two looks at whether to stop; the library's own half second delays a drain."""


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: a scrape is no event."""


@contextmanager
def metrics_page(registry: CollectorRegistry, address: str) -> Iterator[str]:
    """Serves the registry's metrics within the block; gives the address that was bound.

    Raises:
        PortTaken: the address cannot be bound.
    """
    host, _, port = address.rpartition(":")
    app = make_wsgi_app(registry)
    try:
        page = make_server(host, int(port), app, ThreadingWSGIServer, handler_class=_Silent)
    except OSError as error:
        raise PortTaken(address) from error
    thread = Thread(target=page.serve_forever, args=(STOP_LOOK_S,), name="metrics", daemon=True)
    thread.start()
    try:
        yield f"{host}:{page.server_port}"
    finally:
        page.shutdown()
        page.server_close()
        thread.join()
