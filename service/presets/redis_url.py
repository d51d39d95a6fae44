"""What a Redis URL says, or what is wrong with it; the text of the URL is never quoted."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from rapidfuzz import process

SENTINEL = "redis+sentinel"
CLUSTER = "redis+cluster"
REDIS_SCHEMES = ("redis", "rediss", "unix", SENTINEL, CLUSTER)
REDIS_PORT = 6379
SENTINEL_PORT = 26379
NEAR_ENOUGH = 70
"""Similarity, of 100, from which an unknown option gets a suggestion."""
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s\[\]:/@?#]+)(?::(?P<port>\d{1,5}))?")


class Node(NamedTuple):
    """Where one server listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """The parts of a URL, checked."""

    scheme: str
    """One of REDIS_SCHEMES."""
    nodes: tuple[Node, ...] = ()
    """The server; of `redis+sentinel` the sentinels, of `redis+cluster` nodes to ask first."""
    path: str = ""
    """Of the Unix socket."""
    service: str = ""
    """What the sentinels call the master."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    """Number of the database."""
    is_tls: bool = False
    options: Mapping[str, object] = field(default_factory=dict, repr=False)
    """As redis-py names them."""


def redis_url(text: str) -> RedisUrl:
    """The parts of a URL.

    Raises:
        ValueError: it is malformed; what is wrong and what to write instead, without its text.
    """
    scheme = text.partition("://")[0]
    if scheme not in REDIS_SCHEMES or "://" not in text:
        raise ValueError(f"must start with one of {', '.join(REDIS_SCHEMES)}, then ://")
    parts = urlsplit(text)
    if parts.fragment or "#" in text:
        raise ValueError("has a '#': write it as %23 where it belongs to a password or a name")
    given = dict(_options(scheme, parts.query))
    signature, _, hosts = parts.netloc.rpartition("@")
    username, _, password = signature.partition(":")
    place = PLACES[scheme](hosts, unquote(parts.path))
    return RedisUrl(
        scheme=scheme,
        nodes=place.nodes,
        path=place.path,
        service=place.service,
        username=unquote(username) or None,
        password=unquote(password) or None,
        db=_db(scheme, place.db, given.pop("db", None)),
        is_tls=bool(given.pop("ssl", False)) or scheme == "rediss",
        options=given,
    )


class _Place(NamedTuple):
    nodes: tuple[Node, ...] = ()
    path: str = ""
    service: str = ""
    db: str = ""


def _single(hosts: str, path: str) -> _Place:
    nodes = _nodes(hosts, REDIS_PORT)
    if len(nodes) > 1:
        raise ValueError(
            f"names {len(nodes)} servers where one belongs: write"
            f" {SENTINEL}://host:port,host:port/service or {CLUSTER}://host:port,host:port"
        )
    return _Place(nodes=nodes, db=path.strip("/"))


def _socket(hosts: str, path: str) -> _Place:
    if hosts:
        raise ValueError("unix:// takes a path and no host: write unix:///path/to/redis.sock")
    if not path.strip("/"):
        raise ValueError("unix:// lacks the socket's path: write unix:///path/to/redis.sock")
    return _Place(path=path)


def _sentinel(hosts: str, path: str) -> _Place:
    nodes = _nodes(hosts, SENTINEL_PORT)
    service, _, db = path.strip("/").partition("/")
    if not service:
        raise ValueError(
            "lacks the service's name: write redis+sentinel://host:port,host:port/service, with"
            " the name that the sentinels monitor"
        )
    return _Place(nodes=nodes, service=service, db=db)


def _cluster(hosts: str, path: str) -> _Place:
    return _Place(nodes=_nodes(hosts, REDIS_PORT), db=path.strip("/"))


PLACES: Mapping[str, Callable[[str, str], _Place]] = {
    "redis": _single,
    "rediss": _single,
    "unix": _socket,
    SENTINEL: _sentinel,
    CLUSTER: _cluster,
}
"""By scheme: what stands for the place."""


def _nodes(hosts: str, port: int) -> tuple[Node, ...]:
    if not hosts:
        raise ValueError("lacks a host: write host:port after ://")
    return tuple(_node(i, text, port) for i, text in enumerate(hosts.split(","), 1))


def _node(number: int, text: str, port: int) -> Node:
    found = HOST.fullmatch(text)
    if found is None or not 0 < int(found["port"] or port) <= 65535:
        raise ValueError(
            f"host {number} is no host:port with a port of 1 to 65535; write %40 for an @, %3A for"
            " a : and %2F for a / in a password"
        )
    return Node(found["host"].strip("[]"), int(found["port"] or port))


def _db(scheme: str, in_path: str, in_query: object) -> int:
    """Number of the database; the query goes before the path, as redis-py has it."""
    text = in_path if in_query is None else str(in_query)
    if text and not text.isdecimal():
        raise ValueError("the database after the host is no number: write /0, or leave it out")
    if scheme == CLUSTER and int(text or 0):
        raise ValueError("a Cluster has database 0 only: leave the number out")
    return int(text or 0)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


def _switch(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError("true or false")
    return words[text.lower()]


def _requirement(text: str) -> str:
    if text not in {"none", "optional", "required"}:
        raise ValueError("none, optional or required")
    return text


def _existing(text: str) -> str:
    if not Path(text).is_file():
        raise ValueError("a file that is there and may be read")
    return text


GENERAL: dict[str, Callable[[str], object]] = {"db": _number, "client_name": str}
TLS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(FILES, _existing),
    "ssl_cert_reqs": _requirement,
    "ssl_check_hostname": _switch,
}
OWN: Mapping[str, Mapping[str, Callable[[str], object]]] = {
    "redis": GENERAL,
    "rediss": GENERAL | TLS,
    "unix": GENERAL,
    SENTINEL: GENERAL | TLS | {"ssl": _switch, "sentinel_username": str, "sentinel_password": str},
    CLUSTER: GENERAL | TLS | {"ssl": _switch},
}
"""Options of each scheme, with what reads them. Timeouts are the service's own."""


def _options(scheme: str, query: str) -> Iterator[tuple[str, object]]:
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in OWN[scheme]:
            raise ValueError(f"{scheme}:// has no option {name[:40]!r}{_hint(name, OWN[scheme])}")
        try:
            yield name, OWN[scheme][name](text)
        except ValueError as expected:
            raise ValueError(f"option {name} must be {expected}") from None


def _hint(name: str, known: Iterable[str]) -> str:
    near = process.extractOne(name, list(known), score_cutoff=NEAR_ENOUGH)
    return f"; did you mean {near[0]}?" if near else f"; it has {', '.join(sorted(known))}"
