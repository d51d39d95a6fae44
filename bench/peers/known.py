"""Every server that the service is compared with."""

from typing import NamedTuple

from bench.peers import v2
from bench.peers.peer import Exported, Peer, Tuned

INSTANCES_AND_THREADS = ((2, 1), (1, 1), (1, 2))
DELAYS_US = (0, 1000)


def _triton_tuning(instances: int, threads: int, delay_us: int) -> Tuned:
    name = f"{instances} instances x {threads} threads, delay {delay_us / 1000:g} ms"
    arguments = ("--instances", instances, "--threads", threads, "--delay-us", delay_us)
    return Tuned(name, tuple(map(str, arguments)))


TRITON_TUNINGS = tuple(
    _triton_tuning(instances, threads, delay_us)
    for delay_us in DELAYS_US
    for instances, threads in INSTANCES_AND_THREADS
)
NAIVE_TUNINGS = tuple(
    Tuned(own.name, (*own.arguments, "--model", "naive")) for own in TRITON_TUNINGS[:2]
)
PYTRITON_TUNINGS = tuple(
    Tuned(f"{workers} workers, delay 0 ms", ("--workers", str(workers))) for workers in (2, 1)
)
OTHERS: tuple[Peer, ...] = ()
"""Servers whose body does not depend on the bundle."""


class Sizes(NamedTuple):
    """What bodies depend on where a server wants every tensor in full."""

    max_seq: int
    d_sae: int

    @property
    def max_excluded(self) -> int:
        """Items of the longest history that is asked about."""
        return 2 * self.max_seq


def peers(sizes: Sizes) -> tuple[Peer, ...]:
    """In the table's order."""
    naive = v2.naive(sizes.d_sae)
    uniform = v2.padded(sizes.max_seq, sizes.max_excluded)
    return (
        Peer("Triton", "triton", v2.WAY, TRITON_TUNINGS),
        Peer("Triton, naive export", "triton", naive, NAIVE_TUNINGS, Exported.NAIVE),
        Peer("PyTriton", "triton", uniform, PYTRITON_TUNINGS, script="pytriton"),
        *OTHERS,
    )
