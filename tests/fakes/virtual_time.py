"""An event loop whose time passes only where it would sleep: hours in no time, always the same."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualTime(asyncio.SelectorEventLoop):
    """Sleeps by setting its clock forward."""

    def __init__(self) -> None:
        """It is 0 o'clock."""
        self.now_s = 0.0
        super().__init__(_Skipping(self))

    def time(self) -> float:
        """Seconds since it was made."""
        return self.now_s

    def pass_by(self, seconds: float) -> None:
        """What a call that blocks does: time passes, and nothing else runs."""
        self.now_s += seconds


class _Skipping(selectors.SelectSelector):
    def __init__(self, loop: VirtualTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self._loop.now_s += timeout
        return ready


def in_virtual_time(loop: VirtualTime, work: Coroutine[Any, Any, Result]) -> Result:
    """What the work gives."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)
