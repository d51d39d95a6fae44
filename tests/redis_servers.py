"""Real redis-servers on loopback: one, a master with its replica and sentinels, a Cluster.

Each context manager starts its processes in a folder of its own and ends them, by pid.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from service.presets.embedded import redis_binary
from service.presets.keys import Keys

START_TIMEOUT_S = 30.0
DOWN_AFTER_MS = 300
"""Silence after which a sentinel takes a server for gone."""
NODE_TIMEOUT_MS = 1000
N_SLOTS = 16384
SERVICE = "steerrec"
"""What the sentinels call the master."""
MAX_CLUSTER_PORT = 55000
"""A Cluster node's bus listens 10,000 above its port."""


@dataclass
class Server:
    """One process, which can be killed, paused and started again."""

    port: int
    folder: Path
    words: tuple[str, ...]
    """Of its command line, beyond port and folder."""
    config: str = ""
    """Name of the file in the folder that it reads first; empty: none."""
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """For the service."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> "Server":
        """Starts it and waits until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = [str(self.folder / self.config)] if self.config else []
        place = () if self.config else ("--dir", str(self.folder))
        with (self.folder / "log").open("ab") as out:
            self.process = subprocess.Popen(
                [redis_binary(), *config, "--port", str(self.port), *place, *self.words],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        until(lambda: answers(self.port), f"redis-server on port {self.port} does not answer")
        return self

    def client(self) -> "redis.Redis":
        """A client of its own; close it."""
        return redis.Redis("127.0.0.1", self.port, decode_responses=True, socket_timeout=5)

    def call(self, *words: Any) -> Any:
        """The reply to one command."""
        with self.client() as client:
            return client.execute_command(*words)

    def kill(self) -> None:
        """Ends it at once, and waits for the end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def pause(self) -> None:
        """Takes connections and answers nothing, until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Answers again."""
        os.kill(self.pid, signal.SIGCONT)

    def empty(self) -> None:
        """Removes what it keeps on disk; it must have ended."""
        for file in [*self.folder.glob("*.aof"), *self.folder.glob("*.rdb")]:
            file.unlink()


@contextmanager
def single(folder: Path, *words: str) -> Iterator[Server]:
    """One redis-server that keeps an append-only file."""
    server = Server(free_port(), folder, ("--save", "", "--appendonly", "yes", *words))
    try:
        yield server.start()
    finally:
        server.kill()


@dataclass
class Sentinels:
    """A master, its replica, and the sentinels that watch them."""

    servers: list[Server]
    """The first master, and its replica."""
    sentinels: list[Server]

    @property
    def url(self) -> str:
        """For the service."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    @property
    def master(self) -> Server:
        """The server that the sentinels name now."""
        _, port = self.sentinels[0].call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(server for server in self.servers if server.port == int(port))

    @property
    def other(self) -> Server:
        """The server that is not the master now."""
        return next(server for server in self.servers if server is not self.master)

    def fail_over(self) -> None:
        """Makes the replica the master, and waits until the sentinels say so."""
        before = self.master
        self.sentinels[0].call("SENTINEL", "FAILOVER", SERVICE)
        until(lambda: self.master is not before, "the sentinels did not fail over")


@contextmanager
def with_sentinels(folder: Path, n_sentinels: int = 3) -> Iterator[Sentinels]:
    """A master and its replica, in step, watched by sentinels of which most must agree."""
    words = ("--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0")
    with ExitStack() as stack:
        master = _started(stack, Server(free_port(), folder / "master", words))
        follows = ("--replicaof", "127.0.0.1", str(master.port))
        replica = _started(stack, Server(free_port(), folder / "replica", (*words, *follows)))
        until(lambda: in_step(replica), "the replica is not in step")
        sentinels = [
            _started(stack, _sentinel(folder / f"sentinel-{i}", master.port, n_sentinels))
            for i in range(n_sentinels)
        ]
        for sentinel in sentinels:
            until(partial(_knows, sentinel, n_sentinels), "the sentinels do not meet")
        yield Sentinels([master, replica], sentinels)


def _sentinel(folder: Path, port: int, n_sentinels: int) -> Server:
    folder.mkdir(parents=True)
    (folder / "sentinel.conf").write_text(
        f"dir {folder}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {port} {n_sentinels // 2 + 1}\n"
        f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {SERVICE} 2000\n"
    )
    return Server(free_port(), folder, ("--sentinel",), "sentinel.conf")


def _knows(sentinel: Server, n_sentinels: int) -> bool:
    """Whether it has met the replica and the other sentinels."""
    with sentinel.client() as client:
        state = client.sentinel_master(SERVICE)
    others, replicas = state["num-other-sentinels"], state["num-slaves"]
    return bool(others == n_sentinels - 1 and replicas == 1)


@dataclass
class Cluster:
    """Masters that share the slots."""

    masters: list[Server]

    @property
    def url(self) -> str:
        """For the service; it names one node, the others are found."""
        return f"redis+cluster://127.0.0.1:{self.masters[0].port}"

    def owner(self, slot: int) -> Server:
        """The master that has a slot, as the first of them sees it."""
        for first, last, (_, port, *_), *_ in self.masters[0].call("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(master for master in self.masters if master.port == port)
        raise LookupError(f"nobody has slot {slot}")

    def move(self, slot: int) -> None:
        """Moves a slot with all its keys to another master, as an operator would."""
        source = self.owner(slot)
        target = next(master for master in self.masters if master is not source)
        ids = {own.port: own.call("CLUSTER", "MYID") for own in (source, target)}
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.port])
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target.port])
        while keys := source.call("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for master in [target, source, *self.masters]:
            master.call("CLUSTER", "SETSLOT", slot, "NODE", ids[target.port])
        until(lambda: self.owner(slot) is target, f"slot {slot} did not move")


def preset_slot(keys: Keys | None = None) -> int:
    """The slot that all keys of a deployment share."""
    return int(key_slot((keys or Keys()).heads.encode()))


@contextmanager
def cluster(folder: Path, n_masters: int = 3) -> Iterator[Cluster]:
    """A Redis Cluster with all its slots assigned."""
    words = ("--save", "", "--appendonly", "yes", "--cluster-enabled", "yes")
    limit = ("--cluster-node-timeout", str(NODE_TIMEOUT_MS))
    with ExitStack() as stack:
        masters = [
            _started(stack, Server(free_port(MAX_CLUSTER_PORT), folder / f"{i}", (*words, *limit)))
            for i in range(n_masters)
        ]
        bounds = [N_SLOTS * i // n_masters for i in range(n_masters + 1)]
        for i, master in enumerate(masters):
            master.call("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            master.call("CLUSTER", "ADDSLOTS", *range(bounds[i], bounds[i + 1]))
            master.call("CLUSTER", "MEET", "127.0.0.1", masters[0].port)
        for master in masters:
            until(partial(_agrees, master, n_masters), "the Cluster does not form")
        yield Cluster(masters)


def is_whole(own: Cluster) -> bool:
    """Whether every master takes every other for one that serves."""
    return all(_agrees(master, len(own.masters)) for master in own.masters)


def _agrees(master: Server, n_masters: int) -> bool:
    state = master.call("CLUSTER", "INFO")
    fields = dict(line.split(":", 1) for line in state.split()) if isinstance(state, str) else state
    slots = master.call("CLUSTER", "SLOTS")
    return fields["cluster_state"] == "ok" and len(slots) == n_masters


def _started(stack: ExitStack, server: Server) -> Server:
    stack.callback(server.kill)
    return server.start()


def in_step(replica: Server) -> bool:
    """Whether a replica has what its master has."""
    with replica.client() as client:
        return bool(client.info("replication").get("master_link_status") == "up")


def free_port(below: int = 65536) -> int:
    """A port of loopback that nobody listens on."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        if port < below:
            return port


def answers(port: int) -> bool:
    """Whether a server on the port answers PING."""
    try:
        with redis.Redis("127.0.0.1", port, socket_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def until(holds: Callable[[], bool], otherwise: str) -> None:
    """Waits until it holds.

    Raises:
        TimeoutError: it did not, within START_TIMEOUT_S.
    """
    end = time.monotonic() + START_TIMEOUT_S
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(otherwise)
        time.sleep(0.05)
