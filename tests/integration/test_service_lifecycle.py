"""Start, health, reflection, metrics over HTTP, drain; Redis going away."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from steerrec.v1 import recommender_pb2_grpc

from service.errors import CannotBind
from service.presets.embedded import embedded_redis
from service.rpc.surface import SERVICES
from service.settings import Settings
from tests.integration.asking import add, ids, preset, reasons, refusal, request
from tests.integration.conftest import Service, Start
from tests.integration.held import HeldModel
from tests.integration.test_service_presets import HORROR, create

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
RECOMMENDER = "steerrec.v1.RecommenderService"


async def health(service: Service, component: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(service.channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=component))).status)


async def eventually(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not is_so():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("component", ["", "model", *SERVICES])
async def test_a_running_component_is_serving(service: Service, component: str) -> None:
    assert await health(service, component) == SERVING


async def test_redis_is_a_component(service: Service) -> None:
    async with asyncio.timeout(10):
        while await health(service, "redis") != SERVING:
            await asyncio.sleep(0.02)


async def test_an_unknown_component_is_not_found(service: Service) -> None:
    assert (await refusal(health(service, "nope"))).code() is grpc.StatusCode.NOT_FOUND


async def test_a_watch_is_told_of_the_drain(start: Start) -> None:
    async with asyncio.timeout(4), start() as service:
        stub: Any = health_pb2_grpc.HealthStub(service.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=""))
        told = [(await watch.read()).status]
        await service.replica.drain()
        told.append((await watch.read()).status)
        assert await watch.read() is grpc.aio.EOF
    assert told == [SERVING, NOT_SERVING]


def reflection_stub(channel: Any) -> Any:
    return reflection_pb2_grpc.ServerReflectionStub(channel)


async def described(service: Service, symbol: str) -> list[str]:
    """Names of the files that reflection gives for a symbol, as ghz and grpcurl ask for it."""
    stub: Any = reflection_stub(service.channel)
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)

    async def once() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield asked

    (reply,) = [own async for own in stub.ServerReflectionInfo(once())]
    files = reply.file_descriptor_response.file_descriptor_proto
    return [FileDescriptorProto.FromString(own).name for own in files]


@pytest.mark.parametrize("symbol", [RECOMMENDER, f"{RECOMMENDER}.Recommend"])
async def test_reflection_finds_services_and_methods(service: Service, symbol: str) -> None:
    assert "steerrec/v1/recommender.proto" in await described(service, symbol)


async def test_reflection_gives_the_imports_too(service: Service) -> None:
    assert "google/rpc/status.proto" in await described(service, RECOMMENDER)


@pytest.mark.parametrize("symbol", [f"{RECOMMENDER}.Nope", "nope.Nope.Nope", "nope"])
async def test_reflection_finds_nothing_that_is_not_there(service: Service, symbol: str) -> None:
    assert await described(service, symbol) == []


async def test_reflection_lists_the_services(service: Service) -> None:
    stub: Any = reflection_stub(service.channel)

    async def once() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    (reply,) = [own async for own in stub.ServerReflectionInfo(once())]
    listed = {own.name for own in reply.list_services_response.service}
    assert {RECOMMENDER, "grpc.health.v1.Health"} <= listed


async def test_reflection_can_be_switched_off(start: Start) -> None:
    async with start(reflection=False) as service:
        error = await refusal(described(service, RECOMMENDER))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def scraped(service: Service) -> str:
    def page() -> str:
        with urlopen(f"http://{service.replica.addresses.metrics}/metrics") as reply:
            return str(reply.read().decode())

    return await asyncio.to_thread(page)


async def test_calls_are_counted_by_method_and_code(service: Service) -> None:
    await service.recommender.Recommend(request())
    await refusal(service.recommender.Recommend(request(k=0)))
    page = await scraped(service)
    method = f'method="/{RECOMMENDER}/Recommend"'
    assert f'steerrec_requests_total{{code="OK",{method}}} 1.0' in page
    assert f'steerrec_requests_total{{code="INVALID_ARGUMENT",{method}}} 1.0' in page


async def test_a_call_that_a_servicer_aborts_is_counted_with_its_code(service: Service) -> None:
    await refusal(health(service, "nope"))
    labels = 'code="NOT_FOUND",method="/grpc.health.v1.Health/Check"'
    assert f"steerrec_requests_total{{{labels}}} 1.0" in await scraped(service)


@pytest.mark.parametrize("stage", ["queue", "lower", "sae", "upper", "top_k", "total"])
async def test_every_stage_is_timed(service: Service, stage: str) -> None:
    await service.recommender.Recommend(request(add()))
    assert f'steerrec_stage_seconds_count{{stage="{stage}"}} 1.0' in await scraped(service)


async def test_rules_are_counted_by_status(service: Service) -> None:
    await service.recommender.Recommend(request(add(), add(1, 0)))
    page = await scraped(service)
    assert 'steerrec_rule_status_total{status="APPLIED"} 1.0' in page
    assert 'steerrec_rule_status_total{status="INACTIVE"} 1.0' in page


async def test_degraded_answers_are_counted_by_reason(service: Service) -> None:
    await service.recommender.Recommend(request(history=["x"]))
    assert 'steerrec_degraded_total{reason="COLD_START"} 1.0' in await scraped(service)


async def test_the_metrics_know_redis(service: Service) -> None:
    assert "steerrec_redis_connected 1.0" in await scraped(service)


async def test_a_drain_answers_the_call_in_progress(service: Service, held: HeldModel) -> None:
    answer = asyncio.ensure_future(service.recommender.Recommend(request()))
    await held.is_busy()
    asyncio.get_running_loop().call_later(0.2, held.let_go)
    await service.replica.drain()
    assert len(ids(await answer)) == 10


async def test_a_call_during_the_drain_is_refused_for_another_replica(
    service: Service, held: HeldModel
) -> None:
    answer = asyncio.ensure_future(service.recommender.Recommend(request()))
    await held.is_busy()
    drain = asyncio.ensure_future(service.replica.drain())
    await asyncio.sleep(0.05)
    refused = await refusal(service.recommender.Recommend(request()))
    held.let_go()
    await asyncio.gather(answer, drain)
    assert (refused.code(), refused.details()) == (
        grpc.StatusCode.UNAVAILABLE,
        "this replica is stopping; try again",
    )


async def test_health_is_answered_during_the_drain(service: Service, held: HeldModel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(service.channel)
    answer = asyncio.ensure_future(service.recommender.Recommend(request()))
    await held.is_busy()
    drain = asyncio.ensure_future(service.replica.drain())
    await asyncio.sleep(0.05)
    told = await stub.Check(health_pb2.HealthCheckRequest(service=""))
    held.let_go()
    await asyncio.gather(answer, drain)
    assert told.status == NOT_SERVING


def pushback_s(refused: grpc.aio.AioRpcError) -> float:
    """The pause that the replica asks for, and that gRPC's own retries keep."""
    told = dict(refused.trailing_metadata() or ())
    return float(told.get("grpc-retry-pushback-ms", 100)) / 1000


async def test_callers_in_a_loop_are_never_cut_off_by_a_drain(start: Start) -> None:
    codes: set[grpc.StatusCode] = set()
    async with start() as service:
        is_over = False

        async def caller() -> None:
            while not is_over:
                try:
                    await service.recommender.Recommend(request())
                except grpc.aio.AioRpcError as error:
                    codes.add(error.code())
                    await asyncio.sleep(pushback_s(error))

        callers = [asyncio.create_task(caller()) for _ in range(16)]
        await asyncio.sleep(0.3)
        await service.replica.drain()
        is_over = True
        await asyncio.gather(*callers)
    assert codes == {grpc.StatusCode.UNAVAILABLE}


async def test_a_drain_gives_up_after_its_time(start: Start, held: HeldModel) -> None:
    async with start(drain_timeout_s=0.2) as service:
        answer = asyncio.ensure_future(service.recommender.Recommend(request()))
        await held.is_busy()
        await service.replica.drain()
        held.let_go()
        assert (await refusal(answer)).code() is grpc.StatusCode.UNAVAILABLE


async def test_an_address_in_use_stops_the_start(start: Start, tmp_path: Path) -> None:
    async with start() as service:
        with pytest.raises(CannotBind):
            async with start(bind=service.replica.addresses.grpc, data_dir=tmp_path / "other"):
                pass


@pytest.mark.parametrize("wire", ["own", "grpcio"])
@pytest.mark.parametrize(
    ("bind", "why"),
    [
        ("192.0.2.1:0", "no such address"),
        ("nowhere.invalid:0", "host name is unknown"),
        ("{taken}", "another process uses this port"),
    ],
)
async def test_why_an_address_cannot_be_bound_is_told(
    start: Start, wire: str, bind: str, why: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = bind.format(taken=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(CannotBind, match=f"STEERREC_BIND: {address} cannot be bound: .*{why}"):
            async with start(bind=address, wire=wire):
                pass


@pytest.mark.parametrize(
    ("bind", "why"),
    [("192.0.2.1:0", "no such address"), ("nowhere.invalid:0", "host name is unknown")],
)
async def test_why_the_metrics_port_cannot_be_bound_is_told(
    start: Start, bind: str, why: str
) -> None:
    with pytest.raises(CannotBind, match=f"STEERREC_METRICS_BIND: {bind} .*{why}"):
        async with start(metrics_bind=bind):
            pass


@pytest.mark.parametrize("bind", ["[::1]:0", "[::]:0", "localhost:0"])
async def test_the_metrics_port_takes_the_addresses_of_the_grpc_port(
    start: Start, bind: str
) -> None:
    async with start(metrics_bind=bind, bind=bind) as service:
        assert "steerrec_redis_connected" in await scraped(service)


async def test_every_address_is_one_of_ipv4_too(start: Start) -> None:
    async with start(metrics_bind="[::]:0") as service:
        port = service.replica.addresses.metrics.rpartition(":")[2]
        assert await asyncio.to_thread(answers, f"127.0.0.1:{port}")


def answers(address: str) -> bool:
    """Whether a metrics page is served there."""
    with urlopen(f"http://{address}/metrics") as reply:
        return bool(reply.status == 200)


EXCEPTED = ("no_proxy", "NO_PROXY", "no_grpc_proxy")
PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY")


async def health_checked(bind: str, **more: str) -> int:
    """Exit status of the container's health check."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.healthcheck"),
        env=os.environ | {"STEERREC_BIND": bind} | more,
    )
    return await process.wait()


@pytest.mark.parametrize("wire", ["own", "grpcio"])
async def test_the_health_check_uses_no_proxy(start: Start, wire: str) -> None:
    async with start(wire=wire) as service:
        proxies = dict.fromkeys(PROXIES, "http://127.0.0.1:9") | dict.fromkeys(EXCEPTED, "")
        assert await health_checked(service.replica.addresses.grpc, **proxies) == 0


async def test_the_health_check_of_a_free_port_fails() -> None:
    assert await health_checked("127.0.0.1:0") == 1


async def test_presets_outlive_redis_and_say_so(start: Start, tmp_path: Path) -> None:
    with embedded_redis(tmp_path / "redis") as url:
        running = start(redis_url=url)
        service = await running.__aenter__()
        await create(service, "scary", HORROR)
    try:
        await eventually(lambda: not service.replica.follower.is_connected)
        response = await service.recommender.Recommend(request(presets=[preset("scary")]))
        assert reasons(response) == ["STALE_PRESETS"]
    finally:
        await running.__aexit__(None, None, None)


PROGRAM = """
import asyncio
from service.server import serve
from service.settings import load_settings
asyncio.run(serve(load_settings()))
"""


async def test_sigterm_ends_a_process_in_order(
    settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    settings = settings_for(ready_file=ready)
    names = ("bind", "metrics_bind", "data_dir", "bundles", "ready_file")
    environ = {f"STEERREC_{name.upper()}": str(getattr(settings, name)) for name in names}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, env=os.environ | environ
    )
    await eventually(ready.exists)
    address = json.loads(ready.read_text())["grpc"]
    async with grpc.aio.insecure_channel(address) as channel:
        stub = recommender_pb2_grpc.RecommenderServiceStub(channel)
        assert len(ids(await stub.Recommend(request()))) == 10
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
