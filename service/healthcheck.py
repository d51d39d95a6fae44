"""Exit status of one look at the replica on this machine: `python -m service.healthcheck`.

0 where it answers SERVING, else 1 with a sentence on stderr. Containers call it every few seconds,
so it imports as little as such a client can: the settings alone would cost more than the call.
"""

import os
import sys
from collections.abc import Mapping
from ipaddress import IPv6Address

import grpc
from grpc_health.v1 import health_pb2

from service.address import checked_address

DEFAULT_BIND = "127.0.0.1:50051"
"""The default of the setting `bind`; a test keeps them equal."""
BIND = "STEERREC_BIND"
TIMEOUT_S = 3.0
OPTIONS = [("grpc.enable_http_proxy", 0)]
"""A proxy that http_proxy or grpc_proxy names does not lead to this machine's own loopback."""
FREE_PORT = f"{BIND} takes any free port, which nobody else knows; set it to a port"
LOOPBACK = {"0.0.0.0": "127.0.0.1"}  # noqa: S104 - a name to replace
"""What a client dials where a server binds every IPv4 address."""


def main() -> int:
    """The exit status."""
    bind = bind_of(os.environ)
    try:
        address = dialled(checked_address(bind))
    except ValueError as error:
        sys.stderr.write(f"{BIND}={bind!a}: {error}\n")
        return 1
    fault = FREE_PORT if address.endswith(":0") else unhealthy(address)
    if fault:
        sys.stderr.write(f"{address}: {fault}\n")
    return int(bool(fault))


def bind_of(environ: Mapping[str, str]) -> str:
    """What the server binds, as its settings read it: in any case, a blank one as unset."""
    given = {name.upper(): value.strip() for name, value in environ.items() if value.strip()}
    return given.get(BIND, DEFAULT_BIND)


def dialled(bind: str) -> str:
    """The address at which a client on the same machine reaches a server that binds this one."""
    host, _, port = bind.rpartition(":")
    if host.startswith("["):
        return f"{'[::1]' if IPv6Address(host[1:-1]).is_unspecified else host}:{port}"
    return f"{LOOPBACK.get(host, host)}:{port}"


def unhealthy(address: str) -> str:
    """Why the server is not healthy, in a few words; empty: it is."""
    with grpc.insecure_channel(address, OPTIONS) as channel:
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
