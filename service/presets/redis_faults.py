"""Why Redis did not do what it was asked: one table from its errors to a sentence and a remedy.

redis-py tells most causes by the text of an exception, and wraps that of the system or of TLS in
its own. So the table looks at the names and texts of an error and of what caused it. Their text
is never passed on: it may hold a password or a whole script.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from service.presets.redis_url import CLUSTER, SENTINEL, RedisUrl, redis_url


class Cause(StrEnum):
    """What kept Redis from doing what it was asked; the label of a metric."""

    WRONG_PASSWORD = "wrong_password"  # noqa: S105
    NO_PASSWORD = "no_password"  # noqa: S105
    NO_PERMISSION = "no_permission"
    READ_ONLY = "read_only"
    OUT_OF_MEMORY = "out_of_memory"
    NOT_PERSISTED = "not_persisted"
    NO_REPLICAS = "no_replicas"
    LOADING = "loading"
    BUSY = "busy"
    MASTER_DOWN = "master_down"
    CLUSTER_DOWN = "cluster_down"
    IS_CLUSTER = "is_cluster"
    NOT_CLUSTER = "not_cluster"
    NO_SUCH_DATABASE = "no_such_database"
    CERTIFICATE = "certificate"
    TLS = "tls"
    UNKNOWN_HOST = "unknown_host"
    CONNECTION_REFUSED = "connection_refused"
    NO_SOCKET = "no_socket"
    TOO_MANY_CLIENTS = "too_many_clients"
    PROTECTED_MODE = "protected_mode"
    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_COMMAND = "unknown_command"
    WRONG_TYPE = "wrong_type"
    NOT_REDIS = "not_redis"
    CLOSED = "closed"
    TIMEOUT = "timeout"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why Redis did not do what it was asked."""

    cause: Cause
    sentence: str
    """What happened, without secrets or addresses."""
    remedy: str
    """What to do."""
    is_passing: bool
    """Whether the same call may succeed soon though nobody does anything."""

    def __str__(self) -> str:
        return f"{self.sentence}: {self.remedy}"


class _Known(NamedTuple):
    cause: Cause
    pattern: str
    """Found in the names and texts of the error and of its causes; groups fill the sentence."""
    sentence: str
    remedy: str
    is_passing: bool = False


URL = "STEERREC_REDIS_URL"
TABLE = (
    _Known(
        Cause.NO_PASSWORD,
        r"NOAUTH|Authentication required|HELLO must be called with the client already",
        "Redis wants a password and was given none (NOAUTH)",
        f"write it into {URL} as redis://user:password@{{at}}",
    ),
    _Known(
        Cause.WRONG_PASSWORD,
        r"WRONGPASS|invalid username-password|invalid password|without any password configured",
        "Redis does not accept the user name or the password (WRONGPASS)",
        f"correct them in {URL}, or the user on {{at}}",
    ),
    _Known(
        Cause.NO_PERMISSION,
        r"NOPERM|NoPermissionError|no permissions to|user executing the script can't"
        r"|ACL failure",
        "Redis forbids its user {what} (NOPERM)",
        "give the user the permissions that docs/deployment.md lists (ACL SETUSER)",
    ),
    _Known(
        Cause.READ_ONLY,
        r"READONLY|ReadOnlyError",
        "Redis takes no writes: the server is a read-only replica (READONLY)",
        f"name the master in {URL}, or make {{at}} the master (REPLICAOF NO ONE)",
    ),
    _Known(
        Cause.OUT_OF_MEMORY,
        r"\bOOM\b|OutOfMemoryError",
        "Redis takes no writes: its memory is full (OOM)",
        "raise maxmemory there, or remove what else it keeps",
    ),
    _Known(
        Cause.NOT_PERSISTED,
        r"MISCONF",
        "Redis takes no writes: it cannot save to its disk (MISCONF)",
        "free or repair the disk of {at}; its log has the error",
    ),
    _Known(
        Cause.NO_REPLICAS,
        r"NOREPLICAS|Not enough good replicas",
        "Redis takes no writes: too few of its replicas are in step (NOREPLICAS)",
        "bring its replicas back, or lower min-replicas-to-write",
        is_passing=True,
    ),
    _Known(
        Cause.LOADING,
        r"LOADING|BusyLoadingError|loading the dataset",
        "Redis still loads its data (LOADING)",
        "wait until it has",
        is_passing=True,
    ),
    _Known(
        Cause.BUSY,
        r"\bBUSY\b|busy running a script",
        "Redis is busy with somebody's script (BUSY)",
        "wait, or end the script with SCRIPT KILL",
        is_passing=True,
    ),
    _Known(
        Cause.MASTER_DOWN,
        r"MASTERDOWN|MasterDownError|Link with MASTER is down",
        "Redis is a replica that lost its master (MASTERDOWN)",
        "bring the master back, or fail over",
        is_passing=True,
    ),
    _Known(
        Cause.NOT_CLUSTER,
        r"Cluster mode is not enabled|cluster support disabled",
        "Redis runs without cluster mode",
        f"use redis:// in place of redis+cluster:// in {URL}",
    ),
    _Known(
        Cause.IS_CLUSTER,
        r"MovedError|AskError|\bMOVED\b|CROSSSLOT|single-node Redis cluster",
        "Redis is a Cluster, and the keys of presets live on another of its nodes (MOVED)",
        f"use redis+cluster:// in place of redis:// in {URL}",
    ),
    _Known(
        Cause.CLUSTER_DOWN,
        r"CLUSTERDOWN|ClusterDownError|Hash slot not served|slots are not covered",
        "the Redis Cluster does not serve all its slots (CLUSTERDOWN)",
        "bring its nodes back: redis-cli --cluster check {at}",
        is_passing=True,
    ),
    _Known(
        Cause.NO_SUCH_DATABASE,
        r"DB index is out of range|Invalid Database|SELECT is not allowed",
        "Redis has no database of that number",
        f"correct the number after the host in {URL}, or leave it out",
    ),
    _Known(
        Cause.TOO_MANY_CLIENTS,
        r"max number of clients|MaxClientsError",
        "Redis takes no more connections (max number of clients reached)",
        "raise maxclients there, or end clients that are not needed",
        is_passing=True,
    ),
    _Known(
        Cause.PROTECTED_MODE,
        r"DENIED|protected mode",
        "Redis is in protected mode and takes connections of its own machine only (DENIED)",
        "set a password and bind there, or protected-mode no",
    ),
    _Known(
        Cause.CERTIFICATE,
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
        "the TLS certificate of Redis is not accepted: {what}",
        f"renew it, or name its authority with ssl_ca_certs in {URL}",
    ),
    _Known(
        Cause.TLS,
        r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNEXPECTED_MESSAGE|HTTP_REQUEST",
        "the port of Redis does not speak TLS",
        f"use redis:// in place of rediss:// in {URL}, or name its TLS port",
    ),
    _Known(
        Cause.TLS,
        r"CERTIFICATE_REQUIRED|ALERT_[A-Z_]+|alert \w+|SSLError|ssl\.SSL",
        "Redis and this service do not agree on TLS",
        f"check versions, and the certificates that {URL} names (ssl_certfile, ssl_keyfile)",
    ),
    _Known(
        Cause.UNKNOWN_HOST,
        r"gaierror|Name or service not known|Temporary failure in name resolution",
        "Redis cannot be reached: its host name is unknown",
        f"correct it in {URL} (it names {{at}}), or mend the name service",
        is_passing=True,
    ),
    _Known(
        Cause.NO_SOCKET,
        r"FileNotFoundError|PermissionError",
        "Redis cannot be reached: its socket is missing, or may not be opened",
        f"start Redis, or correct {URL} (it names {{at}})",
        is_passing=True,
    ),
    _Known(
        Cause.CONNECTION_REFUSED,
        r"ConnectionRefusedError|Connection refused|Connect call failed",
        "Redis cannot be reached: the connection is refused",
        f"start Redis, or correct {URL} (it names {{at}})",
        is_passing=True,
    ),
    _Known(
        Cause.UNKNOWN_SERVICE,
        r"MasterNotFoundError|No master found",
        "Redis cannot be reached: no sentinel that answers knows a master of that name",
        f"correct the service after the hosts in {URL}, or start the sentinels at {{at}}",
        is_passing=True,
    ),
    _Known(
        Cause.UNKNOWN_COMMAND,
        r"unknown command",
        "Redis does not know the command {what}",
        "it must be a Redis server of version 6.2 or newer, no sentinel, with no command renamed",
    ),
    _Known(
        Cause.WRONG_TYPE,
        r"WRONGTYPE",
        "a key in Redis holds another type of value than this service writes there",
        "look who else writes to keys of steerrec, and delete that key",
    ),
    _Known(
        Cause.NOT_REDIS,
        r"InvalidResponse|Protocol Error",
        "what answers is no Redis",
        f"correct host and port in {URL} (it names {{at}}), or use rediss:// for a TLS port",
    ),
    _Known(
        Cause.CLOSED,
        r"Connection closed by server|Connection reset|ConnectionResetError|IncompleteRead"
        r"|BrokenPipe|Connection lost",
        "Redis cannot be reached: the server closed the connection",
        f"look whether it runs; where the port wants TLS, use rediss:// in {URL}",
        is_passing=True,
    ),
    _Known(
        Cause.TIMEOUT,
        r"TimeoutError|[Tt]imeout|timed out",
        "Redis cannot be reached: it did not answer in time",
        "look what holds {at} or the network up{tls}",
        is_passing=True,
    ),
    _Known(
        Cause.OTHER,
        r"ConnectionError|OSError",
        "Redis cannot be reached",
        f"look whether {{at}} runs, and check {URL}",
        is_passing=True,
    ),
    _Known(
        Cause.OTHER,
        r"",
        "Redis refuses the call{what}",
        "look into the log of {at}",
    ),
)
"""The first whose pattern is found counts."""
AWAY = (Cause.CONNECTION_REFUSED, Cause.NO_SOCKET, Cause.CLOSED)
STARTS_AGAIN = (
    "the embedded redis-server starts again by itself; redis.log in the data folder's redis has the"
    " cause where it does not"
)
HANDSHAKE = ", and that the port speaks TLS: if not, use redis:// in place of rediss://"


class Faults:
    """Reads the errors of one Redis."""

    def __init__(
        self,
        url: str = "",
        counted: Callable[[Cause], object] = lambda _: None,
        *,
        is_embedded: bool = False,
    ) -> None:
        """Counts nothing yet.

        Args:
            url: of the Redis; empty: it has no name in remedies.
            counted: called with the cause of each fault that is read.
            is_embedded: whether the service runs that Redis itself.
        """
        parts = redis_url(url) if url else RedisUrl("")
        self._at = _place(parts)
        self._fails_over = parts.scheme in (SENTINEL, CLUSTER)
        self._is_tls = parts.is_tls
        self._counted = counted
        self._is_embedded = is_embedded

    def of(self, error: BaseException) -> Fault:
        """The fault that an error of redis-py or of the system means."""
        text = "\n".join(_chain(error))
        known = next(own for own in TABLE if re.search(own.pattern, text))
        tls = HANDSHAKE if self._is_tls and "connecting" in text else ""
        fault = Fault(
            known.cause,
            known.sentence.format(what=_what(known.cause, text)),
            known.remedy.format(at=self._at, tls=tls),
            known.is_passing,
        )
        if known.cause is Cause.READ_ONLY and self._fails_over:
            fault = replace(fault, remedy="wait until the failover is over", is_passing=True)
        if self._is_embedded and known.cause in AWAY:
            fault = replace(fault, remedy=STARTS_AGAIN)
        self._counted(fault.cause)
        return fault


def _place(parts: RedisUrl) -> str:
    if parts.path:
        return parts.path
    hosts = (f"[{host}]" if ":" in host else host for host, _ in parts.nodes)
    ports = (port for _, port in parts.nodes)
    return ", ".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=True)) or "Redis"


def _chain(error: BaseException | None) -> Iterator[str]:
    """Name and text of an error, then of what caused it."""
    while error is not None:
        yield f"{type(error).__module__}.{type(error).__name__}: {error}"
        error = error.__cause__ or error.__context__


def _what(cause: Cause, text: str) -> str:
    """The part of a sentence that only the text knows, as far as it holds no secret."""
    return DETAILS[cause](text) if cause in DETAILS else ""


def _forbidden(text: str) -> str:
    if found := re.search(r"run the '([\w|-]+)' command", text):
        return f"the command {found[1].upper()}"
    if re.search(r"\bkeys?\b", text):
        return "a key of presets"
    return "a command"


def _certificate_fault(text: str) -> str:
    found = re.search(r"certificate verify failed: ([^('\n]+(?:'[^'\n]*')?[^(\n]*)", text)
    return found[1].strip(" .") if found else "it cannot be verified"


def _unknown_command(text: str) -> str:
    found = re.search(r"unknown command ?[`'\"]?([\w|-]+)", text)
    return found[1].upper() if found else "of presets"


def _code(text: str) -> str:
    found = re.search(r": -?([A-Z]{3,})\b", text)
    return f" ({found[1]})" if found else ""


DETAILS: Mapping[Cause, Callable[[str], str]] = {
    Cause.NO_PERMISSION: _forbidden,
    Cause.CERTIFICATE: _certificate_fault,
    Cause.UNKNOWN_COMMAND: _unknown_command,
    Cause.OTHER: _code,
}
