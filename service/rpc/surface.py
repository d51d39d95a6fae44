"""The gRPC server with everything that it offers."""

from typing import Any, NamedTuple

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2_grpc
from steerrec.v1 import (
    decision_pb2_grpc,
    feature_pb2_grpc,
    model_pb2_grpc,
    preset_pb2_grpc,
    preview_pb2_grpc,
    recommender_pb2_grpc,
)

from service.errors import CannotBind
from service.metrics import Metrics
from service.rpc.decisions import DecisionServicer
from service.rpc.features import FeatureServicer
from service.rpc.health import Health
from service.rpc.interceptor import CallInterceptor
from service.rpc.models import ModelServicer
from service.rpc.presets import PresetServicer
from service.rpc.preview import PreviewServicer
from service.rpc.recommender import RecommenderServicer
from service.rpc.reflection import add_reflection
from service.settings import Settings
from service.wire.listening import bound_sockets
from service.wire.server import WireServer

SERVICES = tuple(
    f"steerrec.v1.{name}"
    for name in (
        *("RecommenderService", "PresetService", "FeatureService", "ModelService"),
        *("PreviewService", "DecisionService"),
    )
)
"""Names of our own services, as clients and health checks spell them."""


class Servicers(NamedTuple):
    """One per service."""

    recommender: RecommenderServicer
    presets: PresetServicer
    features: FeatureServicer
    models: ModelServicer
    previews: PreviewServicer
    decisions: DecisionServicer
    health: Health


def grpc_server(
    servicers: Servicers,
    settings: Settings,
    calls: CallInterceptor,
    *,
    shares_port: bool = False,
) -> grpc.aio.Server:
    """gRPC's own server, not yet bound nor started.

    Args:
        servicers: what it offers.
        settings: of the replica.
        calls: what surrounds every call.
        shares_port: whether other workers of the same replica listen on its port.
    """
    server = grpc.aio.server(
        interceptors=[calls], options=_options(settings, shares_port=shares_port)
    )
    _offer(servicers, settings, server)
    return server


def wire_server(
    servicers: Servicers,
    settings: Settings,
    calls: CallInterceptor,
    metrics: Metrics,
    *,
    shares_port: bool = False,
) -> WireServer:
    """Our own server, not yet bound nor started.

    Args:
        servicers: what it offers.
        settings: of the replica.
        calls: what surrounds every call.
        metrics: where calls are counted that are refused because of the bytes held, and
            connections that the server ends or refuses.
        shares_port: whether other workers of the same replica listen on its port.
    """
    server = WireServer(
        max_message_bytes=settings.max_message_bytes,
        max_request_bytes=settings.max_request_bytes,
        max_connection_bytes=settings.max_connection_bytes,
        max_held_bytes=settings.max_held_bytes,
        shares_port=shares_port,
        limits=settings.connection_limits,
        ended=lambda why: metrics.connections_ended[why].inc(),
        around=calls.around,
        cut=lambda reason: metrics.memory_refusals.labels(reason).inc(),
    )
    _offer(servicers, settings, server)
    return server


def _offer(servicers: Servicers, settings: Settings, server: Any) -> None:
    recommender_pb2_grpc.add_RecommenderServiceServicer_to_server(servicers.recommender, server)
    preset_pb2_grpc.add_PresetServiceServicer_to_server(servicers.presets, server)
    feature_pb2_grpc.add_FeatureServiceServicer_to_server(servicers.features, server)
    model_pb2_grpc.add_ModelServiceServicer_to_server(servicers.models, server)
    preview_pb2_grpc.add_PreviewServiceServicer_to_server(servicers.previews, server)
    decision_pb2_grpc.add_DecisionServiceServicer_to_server(servicers.decisions, server)
    health_pb2_grpc.add_HealthServicer_to_server(servicers.health, server)
    if settings.reflection:
        add_reflection((*SERVICES, health.SERVICE_NAME), server, descriptor_pool.Default())


def bound(server: grpc.aio.Server | WireServer, address: str) -> str:
    """Binds the server; gives the address with the port that was bound.

    Raises:
        CannotBind: with the cause.
    """
    host = address.rpartition(":")[0]
    try:
        return f"{host}:{server.add_insecure_port(address)}"
    except RuntimeError as error:
        raise CannotBind("STEERREC_BIND", address, _cause(error, address)) from error


def _cause(error: RuntimeError, address: str) -> BaseException:
    """What the system said; gRPC's own server does not tell, so it is asked once more."""
    if error.__cause__ is not None:
        return error.__cause__
    try:
        for own in bound_sockets(address):
            own.close()
    except (OSError, ValueError, OverflowError) as cause:
        return cause
    return error


def _options(settings: Settings, *, shares_port: bool) -> list[tuple[str, int]]:
    options = [
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # two replicas on one port by mistake would each get a part of the calls; workers share
        # one that their parent has reserved
        ("grpc.so_reuseport", int(shares_port)),
    ]
    own = settings.connection_limits
    for name, value_s in (
        # the kernel spreads connections, not calls; gRPC itself moves each age by a tenth
        ("grpc.max_connection_age_ms", own.max_age_s),
        ("grpc.max_connection_age_grace_ms", own.max_age_grace_s),
        ("grpc.max_connection_idle_ms", own.max_idle_s),
        ("grpc.http2.min_ping_interval_without_data_ms", own.min_ping_s),
        ("grpc.server_handshake_timeout_ms", own.handshake_s),
    ):
        if value_s:
            options.append((name, round(1000 * value_s)))
    options.append(("grpc.keepalive_permit_without_calls", 1))
    return options
