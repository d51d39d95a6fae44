"""The metrics over HTTP, on a port of their own."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from service.errors import CannotBind
from service.wire.listening import bound_sockets

SETTING = "STEERREC_METRICS_BIND"

STOP_LOOK_S = 0.1
"""Seconds between two looks at whether to stop; the library's own half second delays a drain."""


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: a scrape is no event."""


class _Page(ThreadingWSGIServer):
    """Serves at a socket that is bound already, of either family."""

    def __init__(self, bound: socket.socket, app: Any) -> None:
        super().__init__(bound.getsockname()[:2], _Silent, bind_and_activate=False)
        self.socket.close()  # an unbound one, of IPv4
        bound.setblocking(True)
        self.socket = bound
        self.server_name, self.server_port = bound.getsockname()[:2]
        self.setup_environ()
        self.set_app(app)


@contextmanager
def metrics_page(registry: CollectorRegistry, address: str) -> Iterator[str]:
    """Serves the registry's metrics within the block; gives the address that was bound.

    Raises:
        CannotBind: with the cause.
    """
    app = make_wsgi_app(registry)
    try:
        sockets = bound_sockets(address)
    except (OSError, ValueError, OverflowError) as error:
        raise CannotBind(SETTING, address, error) from error
    port = sockets[0].getsockname()[1]
    with ExitStack() as pages:
        for bound in sockets:
            pages.enter_context(_served(_Page(bound, app)))
        yield f"{address.rpartition(':')[0]}:{port}"


@contextmanager
def _served(page: _Page) -> Iterator[None]:
    thread = Thread(target=page.serve_forever, args=(STOP_LOOK_S,), name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        page.shutdown()
        page.server_close()
        thread.join()
