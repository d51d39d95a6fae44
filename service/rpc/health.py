"""grpc.health.v1 with named components: "", each service, "model", "redis".

Nothing serves before `show_serving` says so. The library's own servicer starts as SERVING, and
its open watches would hold a drain up to its time limit; these end once they told the drain.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.rpc.interceptor import Context

MODEL = "model"
REDIS = "redis"

Reply = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """What the replica says of itself."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = ("", *services, MODEL)
        self._serving = dict.fromkeys((*self._services, REDIS), False)
        self._is_draining = False
        self._changed = asyncio.Condition()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> Reply:
        """The component's status now; NOT_FOUND where there is no such component."""
        if request.service not in self._serving:
            known = ", ".join(map(repr, self._serving))
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there are {known}")
        return self._reply(request.service)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[Reply]:
        """The component's status now and whenever it changes, until the replica drains."""
        told: Reply | None = None
        is_last = False
        while not is_last:
            async with self._changed:
                while told == self._reply(request.service) and not self._is_draining:
                    await self._changed.wait()
                now, is_last = self._reply(request.service), self._is_draining
            if now != told:
                told = now
                yield told

    async def show_serving(self, *, is_serving: bool) -> None:
        """The services and the model; Redis is not among what they need."""
        await self._show(dict.fromkeys(self._services, is_serving))

    async def show_redis(self, *, is_connected: bool) -> None:
        """The component "redis" alone."""
        await self._show({REDIS: is_connected})

    async def drain(self) -> None:
        """Everything NOT_SERVING, for good; watches end."""
        async with self._changed:
            self._serving = dict.fromkeys(self._serving, False)
            self._is_draining = True
            self._changed.notify_all()

    async def _show(self, serving: dict[str, bool]) -> None:
        async with self._changed:
            if not self._is_draining:
                self._serving |= serving
                self._changed.notify_all()

    def _reply(self, component: str) -> Reply:
        if component not in self._serving:
            return Reply(status=Reply.SERVICE_UNKNOWN)
        return Reply(status=Reply.SERVING if self._serving[component] else Reply.NOT_SERVING)
