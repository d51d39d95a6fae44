"""From a URL to a client of Redis: one server, Sentinel or Cluster, with TLS or without.

Nothing is tried again in here: a write whose reply is lost may have been made, and a second try
would be told that somebody else wrote. The follower and the caller repeat.

Replies are waited for in `asyncio.timeout`, of the store or in here, and never by redis-py's
socket_timeout: that is `asyncio.wait_for`, which before Python 3.12 may swallow a cancellation.
"""

import asyncio
from typing import Any

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.presets.redis_url import CLUSTER, SENTINEL, RedisUrl, redis_url

CONNECT_TIMEOUT_S = 1.0
CLUSTER_TIMEOUT_S = 1.8
"""Of one command on a Cluster: longer than a follower's XREAD blocks, shorter than the store waits
(`redis_store.CALL_TIMEOUT_S`), so that the client looks for other nodes before it is cut off."""
SENTINEL_TIMEOUT_S = 0.5
"""Of one sentinel: several are asked within the time of one call."""

Client = Redis | RedisCluster


def redis_client(url: str) -> Client:
    """A client of what the URL names; it connects on first use.

    Raises:
        ValueError: the URL is malformed.
    """
    parts = redis_url(url)
    if parts.scheme == SENTINEL:
        return _sentinel_client(parts)
    if parts.scheme == CLUSTER:
        return _cluster_client(parts)
    if parts.path:
        place: dict[str, Any] = {"unix_socket_path": parts.path}
    else:
        place = dict(zip(("host", "port"), parts.nodes[0], strict=True))
    return Redis(**place, db=parts.db, **_shared(parts), **_tls(parts))


class SentinelClient(Redis):
    """A client of one sentinel, which does not wait long for it."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """The reply.

        Raises:
            redis.exceptions.TimeoutError: there was none in time.
        """
        try:
            async with asyncio.timeout(SENTINEL_TIMEOUT_S):
                return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except TimeoutError as late:
            raise RedisTimeoutError("a sentinel did not answer in time") from late


class MasterClient(Redis):
    """A client of the master that sentinels name."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Gives back the connections to the sentinels too."""
        await super().aclose(close_connection_pool)
        if isinstance(self.connection_pool, SentinelConnectionPool):
            await self.connection_pool.disconnect()
            await self.connection_pool.sentinel_manager.aclose()


class ClusterClient(RedisCluster):
    """A client of a Cluster that looks for its nodes anew after any failure."""

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """The reply.

        XREAD goes straight to its stream's node: redis-py would first ask the default node which
        of the words are keys, and that node may be the one that is away.
        """
        try:
            async with asyncio.timeout(CLUSTER_TIMEOUT_S):
                if args[0] == "XREAD":
                    await self.initialize()
                    kwargs["target_nodes"] = self.get_node_from_key(args[-2])
                return await super().execute_command(*args, **kwargs)
        except (RedisConnectionError, RedisClusterException, TimeoutError):
            await self.aclose()
            raise


def _sentinel_client(parts: RedisUrl) -> Client:
    own = {
        "username": parts.options.get("sentinel_username"),
        "password": parts.options.get("sentinel_password"),
        "socket_connect_timeout": SENTINEL_TIMEOUT_S,
        "decode_responses": True,
        "retry": _no_retry(),
        **_tls(parts),
    }
    shared = _shared(parts) | _tls(parts)
    sentinel = Sentinel([])  # type: ignore[no-untyped-call]
    sentinel.sentinels = [SentinelClient(**node._asdict(), **own) for node in parts.nodes]
    client: Client = sentinel.master_for(parts.service, MasterClient, db=parts.db, **shared)
    return client


def _cluster_client(parts: RedisUrl) -> Client:
    nodes = [ClusterNode(*node) for node in parts.nodes]
    return ClusterClient(startup_nodes=nodes, **_shared(parts), **_tls(parts))


def _shared(parts: RedisUrl) -> dict[str, Any]:
    """Arguments of every client of data."""
    return {
        "username": parts.username,
        "password": parts.password,
        "client_name": parts.options.get("client_name"),
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": None,
        "decode_responses": True,
        "encoding_errors": "backslashreplace",  # a byte that is no text must not end the reading
        "retry": _no_retry(),
    }


def _tls(parts: RedisUrl) -> dict[str, Any]:
    """Arguments of a client with TLS; none without."""
    if not parts.is_tls:
        return {}
    own = {name: value for name, value in parts.options.items() if name.startswith("ssl_")}
    return {"ssl": True, **own}


def _no_retry() -> Retry:
    return Retry(NoBackoff(), 0)
