"""Every server that the service is compared with."""

from dataclasses import replace
from typing import NamedTuple

from bench.peers import v2, v2_frame
from bench.peers.peer import Exported, Peer, Tuned, Way, Wire

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
    Tuned(own.name, (*own.arguments, "--model", "naive")) for own in TRITON_TUNINGS[:1]
)
PYTRITON_TUNINGS = tuple(
    Tuned(f"{workers} workers, delay 0 ms", ("--workers", str(workers))) for workers in (2, 1)
)


def _tuned(workers: int, batch: int, wait_ms: float, front: str = "", fronts: int = 0) -> Tuned:
    """A tuning as `bench.peers.steered` reads it."""
    arguments = ["--workers", workers, "--batch", batch, "--wait-ms", wait_ms]
    name = f"{workers} workers, batch {batch}, wait {wait_ms:g} ms"
    if front:
        arguments += ["--front", front]
        name += f", {front}"
    if fronts:
        arguments += ["--fronts", fronts]
        name += f", {fronts} fronts"
    return Tuned(name, tuple(map(str, arguments)))


MOSEC_TUNINGS = (_tuned(2, 32, 1), _tuned(2, 8, 1), _tuned(1, 32, 1))
LITSERVE_TUNINGS = (
    _tuned(2, 32, 1, "fast-queue", 2),
    _tuned(1, 32, 1, "fast-queue", 2),
    _tuned(1, 32, 1, "fast-queue", 1),
    _tuned(2, 32, 1, "manager-queue", 2),
)
KSERVE_TUNINGS = (_tuned(2, 32, 0), _tuned(1, 32, 0), _tuned(2, 32, 1))
MLSERVER_TUNINGS = (
    _tuned(0, 32, 1, fronts=2),
    _tuned(0, 32, 1, fronts=1),
    _tuned(2, 32, 1, fronts=1),
    _tuned(0, 32, 5, fronts=2),
)
RAY_TUNINGS = (
    _tuned(2, 32, 1, "haproxy"),
    _tuned(1, 32, 1, "haproxy"),
)
OTHERS: tuple[Peer, ...] = (
    Peer("Mosec (HTTP/1.1)", "mosec", Way(Wire.HTTP1, "/inference"), MOSEC_TUNINGS),
    Peer("Mosec (HTTP/2)", "mosec", Way(Wire.HTTP2, "/inference"), MOSEC_TUNINGS[:1]),
    Peer("LitServe (HTTP/1.1)", "litserve", Way(Wire.HTTP1, "/recommend"), LITSERVE_TUNINGS),
    Peer("KServe (gRPC)", "kserve", v2_frame.WAY, KSERVE_TUNINGS),
    Peer("MLServer (gRPC)", "mlserver", v2_frame.WAY, MLSERVER_TUNINGS),
    Peer("Ray Serve (HTTP/1.1)", "rayserve", Way(Wire.HTTP1, "/recommend"), RAY_TUNINGS),
)
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
    # Triton's processes share memory with locks that time out: those are never paused
    triton = Peer("Triton", "triton", v2.WAY, TRITON_TUNINGS, may_be_paused=False)
    return (
        triton,
        replace(
            triton,
            name="Triton, naive export",
            way=naive,
            tunings=NAIVE_TUNINGS,
            exported=Exported.NAIVE,
        ),
        replace(triton, name="PyTriton", way=uniform, tunings=PYTRITON_TUNINGS, script="pytriton"),
        *OTHERS,
    )
