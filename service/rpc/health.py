"""grpc.health.v1 with named components: "", each service, "model", "redis"."""

from collections.abc import Iterable

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

MODEL = "model"
REDIS = "redis"
_STATUS = {
    True: health_pb2.HealthCheckResponse.SERVING,
    False: health_pb2.HealthCheckResponse.NOT_SERVING,
}


class Health:
    """What the replica says of itself. Nothing serves until `show` says so."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = ("", *services)
        self.servicer = HealthServicer()
        """To register with the server."""

    async def start(self) -> None:
        """Everything NOT_SERVING; the library's own start is SERVING, so call this first."""
        await self.show_serving(is_serving=False)
        await self.show_redis(is_connected=False)

    async def show_serving(self, *, is_serving: bool) -> None:
        """The services and the model; Redis is not among what they need."""
        for name in (*self._services, MODEL):
            await self.servicer.set(name, _STATUS[is_serving])

    async def show_redis(self, *, is_connected: bool) -> None:
        """The named component "redis" alone."""
        await self.servicer.set(REDIS, _STATUS[is_connected])

    async def drain(self) -> None:
        """Everything NOT_SERVING, for good."""
        await self.servicer.enter_graceful_shutdown()
