"""Waiting until something holds, in tests of what happens beside a request."""

import asyncio
from collections.abc import Awaitable, Callable

LONGEST_S = 15.0


async def until(holds: Callable[[], bool]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(LONGEST_S):
        while not holds():
            await asyncio.sleep(0.02)


async def until_given(call: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Returns once the call gives what is wanted; fails with what it gave last."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_S
    while (given := await call()) != wanted:
        assert loop.time() < end, f"{given!r} is not {wanted!r}"
        await asyncio.sleep(0.05)
