"""Every server that the service is compared with."""

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
TRITON = Peer("Triton", "triton", v2.WAY, TRITON_TUNINGS)
NAIVE = Peer(
    "Triton, naive export", "triton", v2.naive(d_sae=0), TRITON_TUNINGS[:1], Exported.NAIVE
)
PYTRITON = Peer("PyTriton", "pytriton", v2.WAY, (Tuned("2 workers", ("--workers", "2")),))

PEERS: tuple[Peer, ...] = (TRITON, NAIVE, PYTRITON)
"""In the table's order."""
