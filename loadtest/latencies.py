"""Latencies, counted in narrow buckets: a day's soak takes no more memory than a minute."""

import math

import numpy as np
from numpy.typing import NDArray

LOWEST_S = 1e-6
HIGHEST_S = 4 * 3600.0
GROWTH = 1.002
"""Each bucket's upper edge over the one's below: what a percentile may be too high by."""
N_BUCKETS = math.ceil(math.log(HIGHEST_S / LOWEST_S) / math.log(GROWTH)) + 1
UNCOUNTED = 4096
"""How many wait to be counted together: one by one it would cost the generator its time."""


class Latencies:
    """Durations of many calls; adds up with others."""

    def __init__(self) -> None:
        """None yet."""
        self.total_s = 0.0
        self._counts: NDArray[np.int64] = np.zeros(N_BUCKETS, np.int64)
        self._n = 0
        self._lowest, self._highest = math.inf, 0.0
        self._uncounted: list[float] = []

    def record(self, duration_s: float) -> None:
        """Takes one."""
        self._uncounted.append(duration_s)
        if len(self._uncounted) >= UNCOUNTED:
            self._count()

    def add(self, other: "Latencies") -> None:
        """Takes all of another's."""
        self._count()
        other._count()
        self._counts += other._counts
        self._n += other._n
        self.total_s += other.total_s
        self._lowest = min(self._lowest, other._lowest)
        self._highest = max(self._highest, other._highest)

    def __len__(self) -> int:
        return self._n + len(self._uncounted)

    @property
    def fastest_s(self) -> float:
        """The shortest, exactly; 0: none."""
        self._count()
        return self._lowest if self._n else 0.0

    @property
    def slowest_s(self) -> float:
        """The longest, exactly; 0: none."""
        self._count()
        return self._highest

    @property
    def mean_s(self) -> float:
        """The mean, exactly; 0: none."""
        self._count()
        return self.total_s / self._n if self._n else 0.0

    def percentile_s(self, percent: float) -> float:
        """The shortest duration that so many percent do not exceed (nearest rank); 0: none.

        At most `GROWTH` too high, never too low.
        """
        self._count()
        if not self._n:
            return 0.0
        rank = max(1, math.ceil(percent / 100 * self._n))
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        return min(max(LOWEST_S * GROWTH**bucket, self._lowest), self._highest)

    def _count(self) -> None:
        if not self._uncounted:
            return
        fresh = np.maximum(np.asarray(self._uncounted), 0.0)
        self._uncounted = []
        above = np.maximum(fresh / LOWEST_S, 1.0)
        buckets = np.ceil(np.log(above) / math.log(GROWTH)).astype(np.int64)
        np.add.at(self._counts, np.minimum(buckets, N_BUCKETS - 1), 1)
        self._n += len(fresh)
        self.total_s += float(fresh.sum())
        self._lowest = min(self._lowest, float(fresh.min()))
        self._highest = max(self._highest, float(fresh.max()))
