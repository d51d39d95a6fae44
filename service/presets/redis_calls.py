"""Calls of Redis with a time limit, whose errors are told by their cause."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisClusterException, RedisError

from service.presets.connections import Client
from service.presets.errors import RecordCorrupt, StoreUnavailable, unavailable
from service.presets.redis_faults import Cause, Fault, Faults

CALL_TIMEOUT_S = 2.0
"""Longest wait for one reply beyond what the call itself asks to wait."""


class RedisCalls:
    """Calls one Redis."""

    def __init__(self, client: Client, faults: Faults | None = None) -> None:
        """Connects on first use.

        Args:
            client: of `connections.redis_client`.
            faults: reads the errors of that Redis.
        """
        self.redis: Any = client  # its kinds share methods and no type
        self._faults = faults or Faults()
        self.write_fault: Fault | None = None
        """Why the last write was not made; None: it was."""

    async def call(self, call: Any, key: str = "", timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """The reply.

        Raises:
            StoreUnavailable: there was none in time, or it was an error.
            RecordCorrupt: the key holds another type.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await call
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            fault = self._faults.of(error)
            if fault.cause is Cause.WRONG_TYPE and key:
                raise RecordCorrupt(key, "holds another type of value") from error
            raise unavailable(fault) from error

    async def scripted(self, script: str, keys: Sequence[str], *arguments: str) -> Any:
        """The reply of a script, which runs to its end though the caller may go away.

        Raises:
            StoreUnavailable: there was none in time, or it was an error.
        """
        running = self.call(self.redis.eval(script, len(keys), *keys, *arguments))
        return await asyncio.shield(asyncio.ensure_future(running))

    async def written(self, script: str, keys: Sequence[str], *arguments: str) -> Any:
        """The reply of a script that writes.

        Raises:
            StoreUnavailable: there was none in time, or it was an error.
        """
        try:
            reply = await self.scripted(script, keys, *arguments)
        except StoreUnavailable as away:
            self.write_fault = away.fault
            raise unavailable(away.fault, is_write=True) from away.__cause__
        self.write_fault = None
        return reply

    async def aclose(self) -> None:
        """Gives connections back."""
        await self.redis.aclose()
