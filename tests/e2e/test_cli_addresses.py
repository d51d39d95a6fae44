"""How the command reaches a service: past every proxy on this machine, or told why not."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cli.demo import metrics_page
from cli.demo.replica_process import Running, running
from model_store.store import Store
from tests.e2e.cli_runs import steerrec

pytestmark = pytest.mark.e2e

VARIABLES = ("http_proxy", "https_proxy", "grpc_proxy")


@pytest.fixture(scope="module")
def replica(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running replica."""
    with running(tmp_path_factory.mktemp("replica"), tiny_store.root) as own:
        yield own


@pytest.fixture
def unused() -> Iterator[str]:
    """A loopback address that nothing answers at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def web_server() -> Iterator[str]:
    """Address of a server of HTTP/1, which lets nothing pass as a proxy."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_proxy_does_not_stand_before_a_service_of_this_machine(
    variable: str, replica: Running, unused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://{unused}")
    done = steerrec("recommend", "i1", "--address", replica.grpc)
    assert (done.code, done.err) == (0, "")


def test_a_load_goes_past_the_proxy_too(replica: Running, unused: str, tmp_path: Path) -> None:
    data = tmp_path / "one.json"
    data.write_text('{"history": ["i1"]}')
    words = ("load", "--profile", "closed", "--total", "10", "--data", str(data))
    done = steerrec(*words, "--address", replica.grpc, http_proxy=f"http://{unused}")
    assert done.code == 0, done.err


def test_the_metrics_page_is_read_past_the_proxy(
    replica: Running, unused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{unused}")
    assert "steerrec_" in metrics_page.page(replica.metrics)


def test_a_proxy_before_another_machine_is_named_without_its_password(unused: str) -> None:
    words = ("recommend", "i1", "--address", "10.255.255.1:50051", "--timeout", "5")
    done = steerrec(*words, http_proxy=f"http://user:hunter2@{unused}")
    assert done.code == 3
    assert f"the proxy http://{unused} of http_proxy; add the host to no_proxy" in done.err
    assert "hunter2" not in done.err


def test_a_proxy_that_lets_nothing_pass_is_told(web_server: str) -> None:
    words = ("recommend", "i1", "--address", "10.255.255.1:50051")
    done = steerrec(*words, http_proxy=f"http://{web_server}")
    assert (done.code, "the proxy does not let calls to 10.255.255.1:50051 pass" in done.err) == (
        3,
        True,
    )


def test_a_load_names_the_proxy(unused: str, tmp_path: Path) -> None:
    config = tmp_path / "load.json"
    config.write_text(
        '{"host": "10.255.255.1:1", "insecure": true, "connect-timeout": "1s", "data": {"k": 1},'
        '"call": "steerrec.v1.RecommenderService.Recommend", "disable-template-data": true,'
        '"disable-template-functions": true}'
    )
    done = steerrec("load", "--config", str(config), http_proxy=f"http://{unused}")
    assert done.code == 3
    assert f"through the proxy http://{unused} (http_proxy)" in done.err


def test_a_port_of_http_is_told_as_such(web_server: str) -> None:
    done = steerrec("recommend", "i1", "--address", web_server)
    assert (done.code, "speaks no gRPC; look at the port" in done.err) == (3, True)


def test_a_host_that_is_not_known_is_told_as_such() -> None:
    done = steerrec("recommend", "i1", "--address", "no-such-host.invalid:50051")
    assert (done.code, "host of no-such-host.invalid:50051 is not known" in done.err) == (3, True)


def test_a_socket_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    done = steerrec("recommend", "i1", "--address", f"unix:{tmp_path}/x.sock")
    assert (done.code, "there is no socket at unix:" in done.err) == (3, True)


@pytest.mark.parametrize("words", [("recommend", "i1"), ("load",)])
def test_an_address_that_cannot_be_dialled_is_a_fault_of_the_command_line(
    words: tuple[str, ...],
) -> None:
    done = steerrec(*words, "--address", "http://127.0.0.1:50051", COLUMNS="200")
    assert done.code == 2
    assert "'--address'" in done.err
    assert '"http://127.0.0.1:50051" is a URL; write host and port alone' in done.err
