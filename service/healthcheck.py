"""Exit status of one look at the replica on this machine: `python -m service.healthcheck`.

0 where it answers SERVING, else 1 with a sentence on stderr. Containers call it every few seconds,
so it imports as little as such a client can: the settings alone would cost more than the call.
"""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2

DEFAULT_BIND = "127.0.0.1:50051"
"""The default of the setting `bind`; a test keeps them equal."""
TIMEOUT_S = 3.0
LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - a name to replace
"""What a client dials where a server binds every address."""


def main() -> int:
    """The exit status."""
    address = dialled(os.environ.get("STEERREC_BIND", DEFAULT_BIND))
    fault = unhealthy(address)
    if fault:
        sys.stderr.write(f"{address}: {fault}\n")
    return int(bool(fault))


def dialled(bind: str) -> str:
    """The address at which a client on the same machine reaches a server that binds this one."""
    host, _, port = bind.rpartition(":")
    return f"{LOOPBACK.get(host, host)}:{port}"


def unhealthy(address: str) -> str:
    """Why the server is not healthy, in a few words; empty: it is."""
    with grpc.insecure_channel(address) as channel:
        check: grpc.UnaryUnaryMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            reply = check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    return "" if status == "SERVING" else status


if __name__ == "__main__":
    sys.exit(main())
