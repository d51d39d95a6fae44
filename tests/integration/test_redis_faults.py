"""Each way in which a real Redis refuses or is away: told as what it is, with what to do."""

import shutil
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
import redis

from service.presets.audit import START
from service.presets.connections import redis_client
from service.presets.errors import StoreRefuses, StoreUnavailable
from service.presets.lifecycle import Lifecycle
from service.presets.redis_faults import TABLE, Cause, Faults
from service.presets.redis_store import RedisStore
from tests import redis_servers
from tests.presets import draft
from tests.redis_servers import Cluster, Sentinels, Server

SECRET = "s3cret-word"  # noqa: S105


@asynccontextmanager
async def store_of(url: str) -> AsyncIterator[RedisStore]:
    own = RedisStore(redis_client(url), faults=Faults(url))
    try:
        yield own
    finally:
        await own.aclose()


async def fault(url: str) -> StoreUnavailable:
    """What a write is told."""
    async with store_of(url) as store:
        with pytest.raises(StoreUnavailable) as refused:
            await Lifecycle(store).create(draft())
    return refused.value


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_servers.single(tmp_path_factory.mktemp("redis")) as own:
        yield own


@contextmanager
def configured(server: Server, name: str, value: object, after: object) -> Iterator[None]:
    server.call("CONFIG", "SET", name, value)
    try:
        yield
    finally:
        server.call("CONFIG", "SET", name, after)


@pytest.fixture
def locked(server: Server) -> Iterator[Server]:
    """One that wants a password."""
    with closing(redis.Redis("127.0.0.1", server.port)) as client:
        client.config_set("requirepass", SECRET)
        yield server
        client.config_set("requirepass", "")


async def test_a_missing_password(locked: Server) -> None:
    assert (await fault(locked.url)).fault.cause is Cause.NO_PASSWORD


async def test_a_wrong_password(locked: Server) -> None:
    error = await fault(f"redis://:wrong-{SECRET}@127.0.0.1:{locked.port}")
    assert (error.fault.cause, SECRET in str(error)) == (Cause.WRONG_PASSWORD, False)


async def test_a_database_that_there_is_not(server: Server) -> None:
    assert (await fault(f"{server.url}/99")).fault.cause is Cause.NO_SUCH_DATABASE


async def test_a_host_that_there_is_not() -> None:
    error = await fault("redis://nosuch.invalid")
    assert (error.fault.cause, "nosuch.invalid:6379" in str(error)) == (Cause.UNKNOWN_HOST, True)


async def test_a_port_that_nobody_listens_on() -> None:
    url = f"redis://127.0.0.1:{redis_servers.free_port()}"
    assert (await fault(url)).fault.cause is Cause.CONNECTION_REFUSED


async def test_a_socket_that_there_is_not(tmp_path: Path) -> None:
    assert (await fault(f"unix://{tmp_path}/none.sock")).fault.cause is Cause.NO_SOCKET


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """Port of a server that answers every connection so, and closes it; None: only takes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:

        def serve() -> None:
            while True:
                try:
                    connection = stack.enter_context(listener.accept()[0])
                    if answer is not None:
                        connection.recv(1000)
                        connection.sendall(answer)
                        connection.close()
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_an_http_server() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert (await fault(f"redis://127.0.0.1:{port}")).fault.cause is Cause.NOT_REDIS


async def test_tls_to_a_port_that_answers_something_else() -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert (await fault(f"rediss://127.0.0.1:{port}")).fault.cause is Cause.TLS


async def test_tls_to_a_plain_port(server: Server) -> None:
    error = await fault(f"rediss://127.0.0.1:{server.port}")
    assert "use redis:// in place of rediss://" in str(error)


async def test_a_server_that_closes_every_connection() -> None:
    with answering(b"") as port:
        assert (await fault(f"redis://127.0.0.1:{port}")).fault.cause is Cause.CLOSED


async def test_a_server_that_does_not_answer() -> None:
    with answering(None) as port:
        assert (await fault(f"redis://127.0.0.1:{port}")).fault.cause is Cause.TIMEOUT


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", Cause.LOADING),
        (b"-DENIED Redis is running in protected mode because ...\r\n", Cause.PROTECTED_MODE),
        (b"-ERR max number of clients reached\r\n", Cause.TOO_MANY_CLIENTS),
        (b"-ERR unknown command 'HELLO'\r\n", Cause.UNKNOWN_COMMAND),
        (b"-BUSY Redis is busy running a script.\r\n", Cause.BUSY),
        (b"-MASTERDOWN Link with MASTER is down\r\n", Cause.MASTER_DOWN),
        (b"-CLUSTERDOWN The cluster is down\r\n", Cause.CLUSTER_DOWN),
        (b"-NOPERM User x has no permissions to run the 'eval' command\r\n", Cause.NO_PERMISSION),
        (b"-STRANGE thing\r\n", Cause.OTHER),
    ],
)
async def test_what_a_server_says(answer: bytes, cause: Cause) -> None:
    with answering(answer) as port:
        assert (await fault(f"redis://127.0.0.1:{port}")).fault.cause is cause


async def test_a_cluster_url_of_a_single_server(server: Server) -> None:
    error = await fault(f"redis+cluster://127.0.0.1:{server.port}")
    assert (error.fault.cause, "use redis:// in place" in str(error)) == (Cause.NOT_CLUSTER, True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with redis_servers.cluster(tmp_path_factory.mktemp("cluster")) as own:
        yield own


async def test_a_single_url_of_a_cluster(cluster: Cluster) -> None:
    owner = cluster.owner(redis_servers.preset_slot())
    other = next(master for master in cluster.masters if master is not owner)
    error = await fault(other.url)
    assert (error.fault.cause, "redis+cluster://" in str(error)) == (Cause.IS_CLUSTER, True)


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    with redis_servers.with_sentinels(tmp_path_factory.mktemp("sentinels"), 1) as own:
        yield own


async def test_a_master_that_no_sentinel_knows(sentinels: Sentinels) -> None:
    url = sentinels.url.replace(f"/{redis_servers.SERVICE}", "/other")
    assert (await fault(url)).fault.cause is Cause.UNKNOWN_SERVICE


async def test_a_single_url_of_a_sentinel(sentinels: Sentinels) -> None:
    error = await fault(sentinels.sentinels[0].url)
    assert (error.fault.cause, "no sentinel" in str(error)) == (Cause.UNKNOWN_COMMAND, True)


@pytest.mark.parametrize(
    "rules", [["+@all", "-hset"], ["+@all", "-eval"], ["+@all", "resetkeys", "~other:*"]]
)
async def test_a_user_without_permission(server: Server, rules: list[str]) -> None:
    server.call("ACL", "SETUSER", "low", "reset", "on", ">p", "~*", *rules)
    error = await fault(f"redis://low:p@127.0.0.1:{server.port}")
    assert error.fault.cause is Cause.NO_PERMISSION


async def test_a_read_only_replica(server: Server) -> None:
    server.call("REPLICAOF", "127.0.0.1", 1)
    try:
        error = await fault(server.url)
    finally:
        server.call("REPLICAOF", "NO", "ONE")
    assert (type(error), error.fault.cause) == (StoreRefuses, Cause.READ_ONLY)


async def test_a_memory_that_is_full(server: Server) -> None:
    with configured(server, "maxmemory", 1024, 0):
        assert (await fault(server.url)).fault.cause is Cause.OUT_OF_MEMORY


async def test_too_few_replicas_in_step(server: Server) -> None:
    with configured(server, "min-replicas-to-write", 1, 0):
        assert (await fault(server.url)).fault.cause is Cause.NO_REPLICAS


def failed_to_save(server: Server) -> bool:
    with server.client() as client:
        return bool(client.info("persistence")["rdb_last_bgsave_status"] == "err")


async def test_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    with redis_servers.single(tmp_path / "redis", "--appendonly", "no") as own:
        own.call("CONFIG", "SET", "save", "900 1")
        own.call("SET", "x", "y")
        shutil.rmtree(own.folder)
        own.call("BGSAVE")
        redis_servers.until(lambda: failed_to_save(own), "the disk took it")
        assert (await fault(own.url)).fault.cause is Cause.NOT_PERSISTED


async def test_a_key_of_another_type_names_the_key(server: Server) -> None:
    server.call("SET", "{steerrec}:replicas", "text")
    async with store_of(server.url) as store:
        await store.tell("one", "report", 60.0, START)
        assert set(await store.told(60.0)) == {"one"}


async def test_a_password_is_never_told() -> None:
    answer = f"-ERR unknown command `AUTH`, with args beginning with: `{SECRET}`\r\n".encode()
    with answering(answer) as port:
        assert SECRET not in str(await fault(f"redis://:{SECRET}@127.0.0.1:{port}"))


async def test_every_fault_is_counted_by_its_cause() -> None:
    seen: list[Cause] = []
    url = f"redis://127.0.0.1:{redis_servers.free_port()}"
    store = RedisStore(redis_client(url), faults=Faults(url, seen.append))
    with pytest.raises(StoreUnavailable):
        await store.heads()
    await store.aclose()
    assert seen == [Cause.CONNECTION_REFUSED]


def test_every_cause_is_in_the_table() -> None:
    assert {known.cause for known in TABLE} == set(Cause)
