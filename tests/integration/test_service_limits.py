"""Limits of requests and of the bytes held, at a whole service."""

import grpc
import pytest

from service.rpc.direct import METHOD
from tests.conformance.wire.raw import framed, head, raw
from tests.integration.asking import refusal, request
from tests.integration.conftest import Start
from tests.integration.hostile import EXHAUSTED

MIB = 2**20


@pytest.mark.parametrize("wire", ["own", "grpcio"])
async def test_a_request_above_its_limit_is_refused(start: Start, wire: str) -> None:
    async with start(wire=wire, max_request_bytes=65_536) as service:
        large = request(context={"padding": "x" * 65_536})
        error = await refusal(service.recommender.Recommend(large))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (error.details() or "").endswith("vs. 65536)")


@pytest.mark.parametrize("wire", ["own", "grpcio"])
async def test_the_largest_request_is_4_mib_by_default(start: Start, wire: str) -> None:
    async with start(wire=wire) as service:
        large = request(context={"padding": "x" * 4 * MIB})
        error = await refusal(service.recommender.Recommend(large))
        assert (error.details() or "").endswith("vs. 4194304)")


async def test_refusals_because_of_the_bytes_held_are_counted(start: Start) -> None:
    limits = {"max_message_bytes": MIB, "max_request_bytes": MIB, "max_connection_bytes": MIB}
    async with start(**limits) as service, raw(service.replica.addresses.grpc) as client:
        first = await client.asked(head(__path=METHOD), framed(request().SerializeToString()))
        replies = []
        for _ in range(4):
            stream_id, reply = client.begin(head(__path=METHOD))
            client.send(stream_id, framed(bytes(400_000))[:-1])
            replies.append(reply)
            await client.asked(head(__path=METHOD), framed(request().SerializeToString()))
        registry = service.replica.metrics.registry
        counted = registry.get_sample_value(
            "steerrec_memory_refusals_total", {"limit": "connection"}
        )
        refused = [reply for reply in replies if reply.status == EXHAUSTED]
        held = registry.get_sample_value("steerrec_held_bytes")
        assert (first.status, counted) == ("0", len(refused))
        assert held == 400_004 * (len(replies) - len(refused))
