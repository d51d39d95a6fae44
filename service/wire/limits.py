"""Limits of a server's connections, and why it ends one."""

from enum import StrEnum
from typing import NamedTuple


class Ending(StrEnum):
    """Why the server ended or refused a connection; the values are a metric's label."""

    CALM = "calm"
    """Too much work that brings no answer (ENHANCE_YOUR_CALM)."""
    PINGS = "pings"
    """Pings too soon one after the other."""
    PROTOCOL = "protocol"
    """Something that HTTP/2 forbids."""
    HANDSHAKE = "handshake"
    """Its beginning, or a header block, did not come whole in time."""
    IDLE = "idle"
    """No call for too long."""
    AGE = "age"
    """It was as old as connections become."""
    AGE_GRACE = "age_grace"
    """Calls went on for too long after that."""
    EVICTED = "evicted"
    """It was idle, and its file descriptor was needed."""
    NO_DESCRIPTOR = "no_descriptor"
    """It was refused: no file descriptor is left, and no connection is idle."""
    MAX_CONNECTIONS = "max_connections"
    """It was refused: there are as many as may be."""
    MAX_PER_PEER = "max_per_peer"
    """It was refused: its address has as many as one may have."""
    VANISHED = "vanished"
    """The peer's machine did not answer any more."""


class ConnectionLimits(NamedTuple):
    """Limits of the connections of one server; the defaults limit nothing."""

    max_connections: int = 0
    """Most at a time; 0: any number."""
    max_per_peer: int = 0
    """Most at a time from one address; 0: any number."""
    max_age_s: float = 0.0
    """Age at which a client is asked to connect anew; 0: never."""
    max_age_grace_s: float = 0.0
    """What calls in progress then get to end; 0: any time."""
    max_idle_s: float = 0.0
    """Time without a call after which a client is asked to connect anew; 0: any."""
    handshake_s: float = 20.0
    """What a client has to begin, and to end a header block that it has begun."""
    peer_timeout_s: float = 0.0
    """Silence of a peer's machine after which it is given up; 0: as the system has it."""
    min_ping_s: float = 0.0
    """Least time between two pings where nothing was sent between; 0: any."""
