"""What this room raises.

LoadtestError
├── LoadRefused       what was asked for is no load, or not one that is sent here
├── Unreachable       no service answers at the address
└── GeneratorDied     a process of the generator ended before its load did
"""

import os
from collections.abc import Sequence

from loadtest.addresses import proxy_of


class LoadtestError(Exception):
    """Root of what this room raises."""


class LoadRefused(LoadtestError):
    """What was asked for is no load, or not one that is sent here."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
        """At least one; each names the option, its value and the remedy."""

    def __reduce__(self) -> tuple[type["LoadRefused"], tuple[tuple[str, ...]]]:
        return type(self), (self.faults,)  # it comes from another process


class Unreachable(LoadtestError):
    """No service answers at the address."""

    def __init__(self, address: str, timeout_s: float) -> None:
        proxy = proxy_of(address, os.environ)
        through = f", through the proxy {proxy.url} ({proxy.variable})" if proxy else ""
        super().__init__(
            f"no service answers at {address} within {timeout_s:g} s{through}; "
            "is `steerrec serve` running?"
        )
        self.address = address
        self.timeout_s = timeout_s

    def __reduce__(self) -> tuple[type["Unreachable"], tuple[str, float]]:
        return type(self), (self.address, self.timeout_s)  # it comes from another process


class GeneratorDied(LoadtestError):
    """A process of the generator ended before its load did."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"a process of the load generator ended early: {cause}")
