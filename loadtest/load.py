"""One load: whom it calls, with what, how fast, how long."""

from dataclasses import dataclass

from loadtest.levels import Level


@dataclass(frozen=True)
class Certificates:
    """Files of a TLS connection; empty: the machine's own authorities, no client certificate."""

    authority: str = ""
    """File of the authority that signed the service's certificate."""
    own: str = ""
    """File of the client's certificate."""
    key: str = ""
    """File of its private key."""
    name: str = ""
    """Name in the service's certificate where it is not the address."""


@dataclass(frozen=True)
class Load:
    """What the generator does; nothing in it changes."""

    address: str
    """Host and port of the service."""
    path: str
    """The method, as HTTP/2 spells it: /package.Service/Method."""
    requests: tuple[bytes, ...]
    """Serialised requests, sent in turn and from the beginning again."""
    levels: tuple[Level, ...]
    """Rates of an open loop; empty: a closed loop."""
    duration_s: float
    """When sending ends; infinite: at `total`."""
    total: int | None
    """Calls after which sending ends; None: at `duration_s`."""
    in_flight: int
    """Closed loop: calls kept in flight. Open loop: the most, beyond which calls are dropped."""
    connections: int = 1
    """Shared by the calls in turn."""
    processes: int = 1
    """That share the load."""
    timeout_s: float = 20.0
    """Of each call."""
    connect_timeout_s: float = 10.0
    """For every connection to be there before the load starts."""
    skip_first: int = 0
    """Calls in the beginning that are sent and not counted."""
    count_errors: bool = False
    """Whether latencies are those of calls that failed, too."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Sent with every call."""
    certificates: Certificates | None = None
    """None: plain text."""
    name: str = ""
    """Printed with the result."""
    profile: str = "closed"
    """constant, step, line or closed."""

    @property
    def is_open(self) -> bool:
        """Whether calls are sent at their time, however long each takes."""
        return bool(self.levels)
