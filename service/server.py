"""One replica, composed: presets, bundles, servicers, metrics; then the port.

Nothing is served before it is verified, and the port opens last.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
from steerrec.v1 import preset_pb2

from model_store.store import Store
from service.batcher import Batcher
from service.call_log import CallLog
from service.decisions.file_log import FileLog
from service.decisions.log import DecisionLog
from service.decisions.recorder import DecisionRecorder
from service.decisions.redis_log import RedisLog
from service.decisions.replay import Replayer
from service.handed import TakenIn
from service.logs import configure_logs
from service.metrics import Metrics
from service.metrics_page import metrics_page
from service.models import ServedModels
from service.presets.compiled import Bench
from service.presets.conditions import compile_condition
from service.presets.connections import redis_client
from service.presets.follower import PresetFollower
from service.presets.loss import StoreState
from service.presets.redis_faults import Faults
from service.presets.redis_risks import Risk
from service.presets.redis_store import RedisStore
from service.presets.replicas import ReplicaReporter, new_replica_id, served_bundle, serving
from service.preview.policy import PublishGate, PublishPolicy
from service.preview.summary import RedisPreviews
from service.process import (
    Addresses,
    Seat,
    Stopped,
    cancelled,
    kept_up,
    prepare_places,
    raise_file_limit,
    redis_of,
    spare_collections,
    stop_signal,
    stoppable,
    tell_ready,
)
from service.recommend import Recommender
from service.rpc.decisions import DecisionServicer
from service.rpc.direct import METHOD, DirectRecommend
from service.rpc.features import FeatureServicer
from service.rpc.gate import Gate
from service.rpc.health import Health
from service.rpc.interceptor import CallInterceptor
from service.rpc.models import ModelServicer
from service.rpc.presets import PresetServicer
from service.rpc.preview import PreviewServicer
from service.rpc.recommender import RecommenderServicer
from service.rpc.surface import SERVICES, Servicers, bound, grpc_server, wire_server
from service.settings import DECISIONS_IN_REDIS, PRODUCTION, Settings, Wire
from service.snapshot import Current
from service.state_cache import StateCache
from service.wire.server import WireServer
from service.worker_metrics import told_metrics

LINGER_S = 0.3
"""Seconds without a call after which a drained replica stops: until then it refuses what comes,
so that what clients had sent already is answered and not cut off."""
MAX_LINGER_S = 5.0
"""Longest that it refuses."""
REDIS_LOOK_S = 1.0
"""Seconds between two looks at whether Redis can be reached, for health."""
REPLAYS_WAITING = 64
"""Most decisions that wait to be answered again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replica:
    """A running replica."""

    addresses: Addresses
    """Where it is reached."""
    current: Current
    """What it serves."""
    models: ServedModels
    """Keeps the bundles."""
    follower: PresetFollower
    """Keeps the presets."""
    metrics: Metrics
    """What it counts."""
    drain: Callable[[], Awaitable[None]]
    """Refuses new calls and waits for those in progress; the end of the block does it too."""


async def serve(settings: Settings, ready: Callable[[Addresses], None] | None = None) -> None:
    """Runs one replica until SIGTERM, SIGINT or SIGHUP, then drains.

    Args:
        settings: of the replica.
        ready: called once it serves.

    Raises:
        ModelStoreError: `production` points to nothing, or to a bundle that does not verify.
        PresetError: Redis does not start, or cannot be reached and no presets are on disk.
        CannotBind: with the cause.
        PlaceUnusable: the data folder or the ready file cannot be written.
    """
    configure_logs(settings.log_level, settings.log_format)
    raise_file_limit()
    prepare_places(settings)
    stop = stop_signal()
    with suppress(Stopped):
        await _serve(settings, stop, ready)
    log.info("stopped")


async def _serve(
    settings: Settings, stop: asyncio.Event, ready: Callable[[Addresses], None] | None
) -> None:
    """Starts, serves and drains.

    Raises:
        Stopped: it was told to stop before it served.
    """
    async with AsyncExitStack() as stack:
        with stoppable(stop):
            running = await stack.enter_async_context(replica(settings))
        spare_collections()
        tell_ready(running.addresses, settings.ready_file)
        if ready is not None:
            ready(running.addresses)
        await stop.wait()
        log.info("draining for at most %g s", settings.drain_timeout_s)


@asynccontextmanager
async def replica(settings: Settings, seat: Seat | None = None) -> AsyncIterator[Replica]:
    """A replica that serves within the block, and drains at its end.

    Args:
        settings: of the replica.
        seat: its place among those that share its port; None: it is alone.
    """
    async with AsyncExitStack() as stack:
        metrics, current, store = Metrics(), Current(), Store(settings.store_root)
        redis_url, keep_redis = stack.enter_context(redis_of(settings, metrics))
        faults = Faults(
            redis_url,
            lambda cause: metrics.redis_faults.labels(cause).inc(),
            is_embedded=settings.redis_url is None,
        )
        presets = RedisStore(redis_client(redis_url), faults=faults)
        stack.push_async_callback(presets.aclose)
        models = ServedModels(store, settings, current, metrics)
        replica_id = _replica_id(settings, seat)
        follower = PresetFollower(
            presets,
            _presets_folder(settings, seat),
            models.use_presets,
            others=partial(serving, presets, replica_id),
        )
        await follower.start()
        await models.load()
        _show_freshness(metrics, follower)
        _show_states(metrics, current)
        status = partial(_status, replica_id, current, follower)
        reporter = ReplicaReporter(
            presets,
            status,
            lambda: (current.snapshot, follower.state),
            lambda: follower.stored.tip,
        )
        batcher = Batcher(
            metrics,
            max_batch=settings.max_batch,
            queue_limit=settings.queue_limit,
            queue_wait_s=settings.queue_wait_s,
            # gRPC's own server takes in one call in a turn of the loop
            has_thread=settings.wire is Wire.GRPCIO,
        )
        stack.push_async_callback(batcher.stop)
        recommender = Recommender(current, batcher, follower, compile_condition, settings.limits)
        decisions = _decision_log(settings, redis_url, faults)
        share = settings.decision_sample_share
        recorder = await _recorder(stack, decisions, metrics, share, replica_id)
        alone = Batcher(Metrics(), max_batch=1, queue_limit=REPLAYS_WAITING, has_thread=True)
        stack.push_async_callback(alone.stop)
        replayer = Replayer(
            models,
            presets,
            Recommender(current, alone, follower, compile_condition, settings.limits),
        )
        policy = PublishPolicy.of(settings)
        previews = RedisPreviews(redis_client(redis_url), faults=faults)
        stack.push_async_callback(previews.aclose)
        publish_gate = PublishGate(
            policy,
            previews,
            lambda: current.snapshot.model(PRODUCTION).bundle.version,
        )
        health, call_log = Health(SERVICES), CallLog()
        servicers = Servicers(
            RecommenderServicer(
                recommender, metrics, recorder, settings.max_message_bytes, call_log=call_log
            ),
            PresetServicer(
                presets,
                follower,
                lambda: _production_bench(current),
                reporter,
                publish_gate=publish_gate,
            ),
            FeatureServicer(current),
            ModelServicer(store, current, lambda: models.label_faults),
            PreviewServicer(recommender, presets, decisions, previews, policy),
            DecisionServicer(decisions, replayer),
            health,
        )
        gate = Gate()
        calls = CallInterceptor(metrics, gate, call_log)
        server: grpc.aio.Server | WireServer
        if settings.wire is Wire.GRPCIO:
            server = grpc_server(servicers, settings, calls, shares_port=seat is not None)
        else:
            server = wire_server(servicers, settings, calls, metrics, shares_port=seat is not None)
            direct = DirectRecommend(
                recommender,
                metrics,
                gate,
                recorder,
                server.flush,
                server.turns,
                call_log=call_log,
            )
            server.answer_directly(METHOD, direct.begin)
        page = stack.enter_context(_page(metrics, settings, seat))
        addresses = Addresses(grpc=_address(server, settings, seat), metrics=page)
        for follow in (
            *(models.follow, follower.follow, reporter.tell_on, keep_redis),
            partial(_show_redis, follower, health),
        ):
            stack.push_async_callback(cancelled, asyncio.create_task(kept_up(follow)))
        await server.start()
        drain = partial(_drain, server, health, gate, settings.drain_timeout_s)
        stack.push_async_callback(drain)
        _take_in(stack, server, seat)
        _show_connections(metrics, server, seat)
        await health.show_serving(is_serving=True)
        yield Replica(addresses, current, models, follower, metrics, drain)


def _address(server: grpc.aio.Server | WireServer, settings: Settings, seat: Seat | None) -> str:
    """Where the server is reached: its own port, bound now, or that of the parent."""
    is_handed = seat is not None and seat.line_fd is not None
    return settings.bind if is_handed else bound(server, settings.bind)


def _take_in(
    stack: AsyncExitStack, server: grpc.aio.Server | WireServer, seat: Seat | None
) -> None:
    """Serves what the parent hands over, if it does, and lets it know when the stack ends."""
    if seat is not None and seat.line_fd is not None and isinstance(server, WireServer):
        stack.callback(TakenIn(server, seat.line_fd).leave)


def _presets_folder(settings: Settings, seat: Seat | None) -> Path:
    """Where the last good presets are: two followers never write one file."""
    return settings.data_dir / (f"presets-{seat.name}" if seat else "presets")


def _replica_id(settings: Settings, seat: Seat | None) -> str:
    own = settings.replica_id or new_replica_id()
    return f"{own}-{seat.name}" if seat else own


@contextmanager
def _page(metrics: Metrics, settings: Settings, seat: Seat | None) -> Iterator[str]:
    """Shows the metrics within the block, or tells them to the parent; where."""
    if seat is None:
        with metrics_page(metrics.registry, settings.metrics_bind) as address:
            yield address
        return
    with told_metrics(metrics.registry, seat.metrics_socket):
        yield str(seat.metrics_socket)


def _status(
    replica_id: str, current: Current, follower: PresetFollower
) -> preset_pb2.ReplicaStatus:
    """What this replica serves now."""
    snapshot = current.snapshot
    return preset_pb2.ReplicaStatus(
        replica_id=replica_id,
        audit_sequence=follower.stored.tip.sequence,
        bundles=[
            served_bundle(label, version, snapshot.models[version].presets)
            for label, version in sorted(snapshot.labels.items())
        ],
    )


def _decision_log(settings: Settings, redis_url: str, faults: Faults) -> DecisionLog | None:
    """Where decisions are kept; None: nowhere."""
    if settings.decision_log is None:
        return None
    if settings.decision_log == DECISIONS_IN_REDIS:
        client = redis_client(redis_url)
        return RedisLog(client, keep=settings.decision_keep, faults=faults)
    return FileLog(Path(settings.decision_log), max_bytes=settings.decision_file_bytes)


async def _recorder(
    stack: AsyncExitStack,
    decisions: DecisionLog | None,
    metrics: Metrics,
    sample_share: float,
    replica_id: str,
) -> DecisionRecorder | None:
    """Writes into the log until the stack ends, and closes it then; None: there is no log."""
    if decisions is None:
        return None
    stack.push_async_callback(decisions.aclose)
    recorder = DecisionRecorder(
        decisions, metrics, sample_share=sample_share, replica_id=replica_id
    )
    await stack.enter_async_context(recorder.running())
    return recorder


def _production_bench(current: Current) -> Bench:
    return current.snapshot.model(PRODUCTION).bench


def _show_freshness(metrics: Metrics, follower: PresetFollower) -> None:
    """Lets the metrics page ask the follower at every scrape."""
    metrics.snapshot_age.set_function(follower.age_s)
    metrics.redis_connected.set_function(lambda: float(follower.is_connected))
    metrics.store_lost_data.set_function(lambda: float(follower.state is StoreState.LOST_DATA))
    metrics.presets_unreadable.set_function(lambda: float(len(follower.stored.unreadable)))
    for risk in Risk:
        metrics.redis_risks.labels(risk).set_function(partial(_has_risk, follower, risk))


def _has_risk(follower: PresetFollower, risk: Risk) -> float:
    return float(risk in follower.risks)


def _show_states(metrics: Metrics, current: Current) -> None:
    """Lets the metrics page ask at every scrape what the served bundles keep."""
    metrics.state_bytes.set_function(lambda: float(sum(own.size_bytes for own in _kept(current))))
    metrics.state_entries.set_function(lambda: float(sum(map(len, _kept(current)))))


def _show_connections(
    metrics: Metrics, server: grpc.aio.Server | WireServer, seat: Seat | None
) -> None:
    """Lets the metrics page ask our own server at every scrape; gRPC's does not tell."""
    if isinstance(server, WireServer):
        own = metrics.connections.labels(seat.name if seat else "w0")
        own.set_function(lambda: float(server.n_connections))
        metrics.held_bytes.set_function(lambda: float(server.memory.held_bytes))


def _kept(current: Current) -> list[StateCache]:
    return [served.states for served in current.snapshot.models.values()]


async def _show_redis(follower: PresetFollower, health: Health) -> None:
    """Shows for ever in the health of "redis" whether presets are followed."""
    while True:
        await health.show_redis(is_connected=follower.is_connected)
        await asyncio.sleep(REDIS_LOOK_S)


async def _drain(
    server: grpc.aio.Server | WireServer, health: Health, gate: Gate, timeout_s: float
) -> None:
    """Refuses new calls, lets those in progress finish, then stops the server."""
    clock = asyncio.get_running_loop().time
    end = clock() + timeout_s
    await health.drain()
    await gate.close(timeout_s)
    await gate.quiet(LINGER_S, min(MAX_LINGER_S, end - clock()))
    await server.stop(max(0.0, end - clock()))
