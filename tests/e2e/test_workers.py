"""Two workers on one port: `steerrec serve --workers 2`, with real processes and connections."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import cast

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from steerrec.v1 import preset_pb2, preset_pb2_grpc, recommender_pb2, recommender_pb2_grpc

from cli.demo import metrics_page
from cli.demo.replica_process import Running, running
from cli.exit_code import ExitCode
from model_store.store import Store
from tests.e2e.cli_runs import steerrec
from tests.integration.asking import add_genre

pytestmark = pytest.mark.e2e

ANSWERED = {"method": "/steerrec.v1.RecommenderService/Recommend", "code": "OK"}
PATIENCE_S = 60.0
DRAINING = "this replica is stopping; try again"
"""What a replica that drains refuses with."""


@pytest.fixture(scope="module")
def pair(tiny_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A replica of two workers."""
    with workers(tiny_store, tmp_path_factory.mktemp("pair")) as replica:
        yield replica


def workers(store: Store, folder: Path, **more: str) -> AbstractContextManager[Running]:
    """A replica of two workers, named r-w0 and r-w1; more settings by variable."""
    settings = {"STEERREC_WORKERS": "2", "STEERREC_REPLICA_ID": "r", **more}
    return running(folder, store.root, settings=settings)


def children(pid: int) -> dict[int, str]:
    """Process ids and command lines below a process."""
    found: dict[int, str] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread or a process that has just ended
            for child in map(int, (task / "children").read_text().split()):
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
                found |= children(child)
    return found


def worker_pid(replica: Running, name: str) -> int:
    """Process id of the worker of this name."""
    below = children(replica.process.pid)
    (pid,) = (pid for pid, line in below.items() if line.endswith(f"service.worker {name} "))
    return pid


def lone_channel(address: str) -> grpc.Channel:
    """A connection that no other channel shares."""
    return grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])


def answerer(channel: grpc.Channel) -> str:
    """Id of the replica at the other end."""
    stub = preset_pb2_grpc.PresetServiceStub(channel)
    answered: str = stub.GetStatus(preset_pb2.GetStatusRequest(), timeout=20).answered_by
    return answered


def one_channel_each(address: str) -> dict[str, grpc.Channel]:
    """A connection to each worker, by its id."""
    found: dict[str, grpc.Channel] = {}
    for _ in range(64):
        channel = lone_channel(address)
        found.setdefault(answerer(channel), channel)
        if len(found) == 2:
            return found
    raise AssertionError(f"64 connections reached only {sorted(found)}")


def connected(address: str, count: int) -> list[grpc.Channel]:
    """So many connections, each of which has answered."""
    channels = [lone_channel(address) for _ in range(count)]
    for channel in channels:
        answerer(channel)
    return channels


def spread(channels: Iterable[grpc.Channel]) -> list[int]:
    """How many of the connections each worker has."""
    return sorted(Counter(answerer(channel) for channel in channels).values())


def open_files(pid: int) -> int:
    """File descriptors of a process."""
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


def last_words(channel: grpc.Channel, answered: Event) -> str:
    """Calls until one is refused; what it was told."""
    while True:
        try:
            recommend(channel)
        except grpc.RpcError as error:
            return str(cast("grpc.Call", error).details())
        answered.set()


def recommend(channel: grpc.Channel) -> recommender_pb2.RecommendResponse:
    """An answer over this connection."""
    stub = recommender_pb2_grpc.RecommenderServiceStub(channel)
    request = recommender_pb2.RecommendRequest(history=["i1", "i5"], k=5)
    return stub.Recommend(request, timeout=20)


def on_page(replica: Running, name: str, **labels: str) -> float:
    """A value on the one metrics page; 0 where there is none."""
    text = metrics_page.page(replica.metrics)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return 0.0


def eventually(is_so: Callable[[], bool]) -> None:
    """Returns once it is so."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_both_workers_answer(pair: Running) -> None:
    assert sorted(one_channel_each(pair.grpc)) == ["r-w0", "r-w1"]


def test_both_workers_give_the_same_slate(pair: Running) -> None:
    first, second = (recommend(own) for own in one_channel_each(pair.grpc).values())
    assert [item.item_id for item in first.items] == [item.item_id for item in second.items]


def test_the_counters_of_both_add_up(pair: Running) -> None:
    before = on_page(pair, "steerrec_requests_total", **ANSWERED)
    for n_calls, channel in enumerate(one_channel_each(pair.grpc).values(), start=2):
        for _ in range(n_calls):
            recommend(channel)
    assert on_page(pair, "steerrec_requests_total", **ANSWERED) - before == 2 + 3


def test_both_follow_one_redis(pair: Running) -> None:
    below = children(pair.process.pid).values()
    assert sum("unixsocket" in command and "redis" in command for command in below) == 1


def test_a_preset_written_to_one_is_served_by_both(pair: Running) -> None:
    first, second = one_channel_each(pair.grpc).values()
    preset = preset_pb2.Preset(name="shared", rules=[add_genre("Horror", 1.0)])
    preset_pb2_grpc.PresetServiceStub(first).CreatePreset(
        preset_pb2.CreatePresetRequest(preset=preset, author="ada", reason="test"), timeout=20
    )
    status = preset_pb2_grpc.PresetServiceStub(second).GetStatus
    asked = preset_pb2.GetStatusRequest(name="shared")
    eventually(
        lambda: (
            [
                [preset.served_revision for preset in bundle.presets]
                for replica in status(asked, timeout=20).replicas
                for bundle in replica.bundles
            ]
            == [[1], [1]]
        )
    )


def test_a_killed_worker_comes_back_and_the_other_goes_on(pair: Running) -> None:
    other = one_channel_each(pair.grpc)["r-w1"]
    recommend(other)
    counted = on_page(pair, "steerrec_requests_total", **ANSWERED)
    os.kill(worker_pid(pair, "w0"), signal.SIGKILL)
    answers = 0
    while on_page(pair, "steerrec_worker_restarts_total") < 1:
        recommend(other)
        answers += 1
    assert on_page(pair, "steerrec_requests_total", **ANSWERED) == counted + answers
    assert sorted(one_channel_each(pair.grpc)) == ["r-w0", "r-w1"]


def test_eight_connections_are_four_for_each(tiny_store: Store, tmp_path: Path) -> None:
    with workers(tiny_store, tmp_path) as replica:
        assert spread(connected(replica.grpc, 8)) == [4, 4]


def test_the_page_tells_the_connections_of_each(tiny_store: Store, tmp_path: Path) -> None:
    with workers(tiny_store, tmp_path) as replica:
        channels = connected(replica.grpc, 4)
        told = [on_page(replica, "steerrec_connections", worker=name) for name in ("w0", "w1")]
        assert (told, len(channels)) == ([2, 2], 4)


def test_after_a_kill_all_is_answered_and_spread_again(tiny_store: Store, tmp_path: Path) -> None:
    with workers(tiny_store, tmp_path, STEERREC_MAX_CONNECTION_AGE_S="2") as replica:
        channels = connected(replica.grpc, 4)
        os.kill(worker_pid(replica, "w0"), signal.SIGKILL)
        eventually(lambda: answered_again(channels))
        eventually(lambda: spread(channels) == [2, 2])


def answered_again(channels: Iterable[grpc.Channel]) -> bool:
    """Whether every connection answers."""
    try:
        spread(channels)
    except grpc.RpcError:
        return False
    return True


def test_a_drain_tells_every_caller_that_it_drains(tiny_store: Store, tmp_path: Path) -> None:
    with workers(tiny_store, tmp_path) as replica, ThreadPoolExecutor(4) as pool:
        channels, answered = connected(replica.grpc, 4), [Event() for _ in range(4)]
        told = pool.map(last_words, channels, answered)
        assert all(event.wait(PATIENCE_S) for event in answered)
        replica.process.terminate()
        assert {*told} == {DRAINING}


def test_the_parent_keeps_no_connection(tiny_store: Store, tmp_path: Path) -> None:
    with workers(tiny_store, tmp_path) as replica:
        before = open_files(replica.process.pid)
        channels = connected(replica.grpc, 8)
        assert (open_files(replica.process.pid) - before, len(channels)) == (0, 8)


def test_a_restarted_worker_leaves_no_file(tiny_store: Store, tmp_path: Path) -> None:
    with workers(tiny_store, tmp_path) as replica:
        before = open_files(replica.process.pid)
        os.kill(worker_pid(replica, "w0"), signal.SIGKILL)
        eventually(lambda: on_page(replica, "steerrec_worker_restarts_total") == 1)
        eventually(lambda: open_files(replica.process.pid) == before)


def test_grpcs_own_server_shares_the_port(tiny_store: Store, tmp_path: Path) -> None:
    with workers(tiny_store, tmp_path, STEERREC_WIRE="grpcio") as replica:
        assert sorted(one_channel_each(replica.grpc)) == ["r-w0", "r-w1"]


def test_a_renewed_connection_reaches_the_other_worker_and_no_call_fails(
    tiny_store: Store, tmp_path: Path
) -> None:
    with workers(tiny_store, tmp_path, STEERREC_MAX_CONNECTION_AGE_S="1") as replica:
        channel = lone_channel(replica.grpc)
        first = answerer(channel)
        eventually(lambda: answerer(channel) != first)


def test_sigterm_leaves_no_process(tiny_store: Store, tmp_path: Path) -> None:
    with workers(tiny_store, tmp_path) as replica:
        below = children(replica.process.pid)
        replica.process.terminate()
        code = replica.process.wait(PATIENCE_S)
    assert (code, [line for pid, line in below.items() if is_running(pid)]) == (0, [])


def test_workers_end_with_a_killed_parent(tiny_store: Store, tmp_path: Path) -> None:
    with (
        TemporaryDirectory(prefix="steerrec-") as sockets,
        workers(tiny_store, tmp_path, TMPDIR=sockets) as replica,
    ):
        below = children(replica.process.pid)
        replica.process.kill()
        eventually(lambda: not any(map(is_running, below)))
        assert [*Path(sockets).iterdir()] == []


def test_a_port_in_use_is_refused(pair: Running, tiny_store: Store, tmp_path: Path) -> None:
    words = ("serve", "--workers", "2", "--bind", pair.grpc, "--metrics-bind", "127.0.0.1:0")
    refused = steerrec(*words, "--data-dir", str(tmp_path), "--store", tiny_store.root)
    assert (refused.code, "cannot be bound" in refused.err) == (int(ExitCode.REFUSED), True)


def test_what_no_worker_can_load_is_said_once(tmp_path: Path) -> None:
    words = ("serve", "--workers", "2", "--bind", "127.0.0.1:0", "--metrics-bind", "127.0.0.1:0")
    refused = steerrec(*words, "--data-dir", str(tmp_path), "--store", str(tmp_path / "none"))
    said = refused.err.count("no bundle or label is named 'production'")
    assert (refused.code, said) == (int(ExitCode.NOT_FOUND), 1)
