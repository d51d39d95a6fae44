"""A replica on Sentinel, on a Cluster, over TLS, and on an embedded Redis that dies."""

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis
from prometheus_client import CollectorRegistry
from steerrec.v1 import preset_pb2

from service.presets.connections import redis_client
from service.presets.errors import StoreUnavailable
from service.presets.lifecycle import Lifecycle
from service.presets.redis_faults import Cause
from service.presets.redis_store import RedisStore
from tests import redis_servers
from tests.integration.asking import add_genre, preset, request
from tests.integration.conftest import Service, Start
from tests.integration.waiting import until
from tests.presets import draft
from tests.redis_servers import Cluster, Sentinels

HORROR = add_genre("Horror", 0.5)


async def create(service: Service, name: str) -> None:
    own = preset_pb2.Preset(name=name, rules=[HORROR])
    await service.presets.CreatePreset(
        preset_pb2.CreatePresetRequest(preset=own, author="ann", reason="test")
    )


async def is_in_force(service: Service, name: str) -> bool:
    reply = await service.recommender.Recommend(request(presets=[preset(name)]))
    return [own.name for own in reply.applied_presets] == [name]


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with redis_servers.with_sentinels(tmp_path / "sentinels") as servers:
        yield servers


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with redis_servers.cluster(tmp_path / "cluster") as servers:
        yield servers


async def test_a_replica_writes_on_after_a_failover(start: Start, sentinels: Sentinels) -> None:
    async with start(redis_url=sentinels.url) as service:
        await create(service, "before")
        await asyncio.to_thread(sentinels.master.kill)
        await until(lambda: not service.replica.follower.is_connected)
        await until(lambda: service.replica.follower.is_connected)
        await create(service, "after")
        assert await is_in_force(service, "after")


async def test_a_write_that_the_copy_lacked_is_lost_data(
    start: Start, sentinels: Sentinels
) -> None:
    async with start(redis_url=sentinels.url) as service:
        await create(service, "before")
        await asyncio.to_thread(sentinels.other.call, "REPLICAOF", "127.0.0.1", 1)
        await create(service, "lost")
        await asyncio.to_thread(sentinels.master.kill)
        await until(lambda: service.replica.follower.state == "LOST_DATA")
        assert await is_in_force(service, "lost")


async def test_a_sentinel_that_does_not_answer_is_passed_over(sentinels: Sentinels) -> None:
    store = RedisStore(redis_client(sentinels.url))
    sentinels.sentinels[0].pause()
    stored = await Lifecycle(store).create(draft())
    sentinels.sentinels[0].resume()
    await store.aclose()
    assert stored.cursor


async def test_a_replica_goes_on_while_the_slot_of_its_presets_moves(
    start: Start, cluster: Cluster
) -> None:
    async with start(redis_url=cluster.url) as service:
        await create(service, "before")
        await asyncio.to_thread(cluster.move, redis_servers.preset_slot())
        await create(service, "after")
        assert await is_in_force(service, "after")


async def test_a_cluster_node_that_does_not_answer_is_away(cluster: Cluster) -> None:
    store = RedisStore(redis_client(cluster.url))
    await Lifecycle(store).create(draft())
    owner = cluster.owner(redis_servers.preset_slot())
    owner.pause()
    with pytest.raises(StoreUnavailable):
        await store.heads()
    owner.resume()
    redis_servers.until(lambda: bool(owner.call("PING")), "the node does not answer")
    # the other nodes take it for failed for a moment
    redis_servers.until(lambda: redis_servers.is_whole(cluster), "the cluster does not come back")
    assert "scary" in await store.heads()
    await store.aclose()


async def test_an_embedded_redis_that_dies_is_started_again(start: Start, tmp_path: Path) -> None:
    async with start() as service:
        await create(service, "before")
        metrics = service.replica.metrics
        with redis.Redis(unix_socket_path=str(tmp_path / "data/redis/redis.sock")) as client:
            pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: bool(restarts(metrics.registry)))
        await until(lambda: service.replica.follower.is_connected)
        await create(service, "after")
        assert restarts(metrics.registry) == 1


def restarts(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("steerrec_embedded_redis_restarts_total")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1, with its key in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    file = tmp_path / "own.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=steerrec", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(file), "-out", str(tmp_path / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + (tmp_path / "certificate.pem").read_text())
    return file


@asynccontextmanager
async def tls(target_port: int, certificate: Path) -> AsyncIterator[int]:
    """Port of a TLS end in front of a port of loopback: the bundled redis-server has none."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(65_536):
            sink.write(piece)
            await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection("127.0.0.1", target_port)
        await asyncio.gather(copy(reader, questions), copy(answers, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_store_is_reached_over_tls(tmp_path: Path, certificate: Path) -> None:
    with redis_servers.single(tmp_path / "redis") as plain:
        async with tls(plain.port, certificate) as port:
            url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={tmp_path}/certificate.pem"
            store = RedisStore(redis_client(url))
            await Lifecycle(store).create(draft())
            heads = await store.heads()
            await store.aclose()
            await asyncio.sleep(0.1)  # both ends see the end of the connection
    assert set(heads) == {"scary"}


async def test_a_certificate_of_nobody_we_know_is_refused(
    tmp_path: Path, certificate: Path
) -> None:
    with redis_servers.single(tmp_path / "redis") as plain:
        async with tls(plain.port, certificate) as port:
            store = RedisStore(redis_client(f"rediss://127.0.0.1:{port}"))
            with pytest.raises(StoreUnavailable) as refused:
                await store.heads()
            await store.aclose()
    assert refused.value.fault.cause is Cause.CERTIFICATE
