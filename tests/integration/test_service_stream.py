"""StreamRecommend over a real channel: what is ready comes, what is too much waits."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest
from grpc_status import rpc_status
from steerrec.v1 import recommender_pb2, recommender_pb2_grpc

from service.metrics import Metrics
from tests.integration.asking import add, fields, ids, preset, reason, refusal, request, scores
from tests.integration.conftest import Service, Start
from tests.integration.held import HeldModel
from tests.integration.test_service_batching import varied

Message: TypeAlias = recommender_pb2.StreamRecommendRequest
Result: TypeAlias = recommender_pb2.StreamRecommendResult
Reply: TypeAlias = recommender_pb2.StreamRecommendResponse
METHOD = "/steerrec.v1.RecommenderService/StreamRecommend"


def message(*requests: recommender_pb2.RecommendRequest) -> Message:
    return recommender_pb2.StreamRecommendRequest(requests=requests)


async def sent(*messages: Message) -> AsyncIterator[Message]:
    for own in messages:
        yield own


async def results(service: Service, *messages: Message) -> list[Result]:
    """What became of every request, in order."""
    replies = [reply async for reply in service.recommender.StreamRecommend(sent(*messages))]
    return sorted((own for reply in replies for own in reply.results), key=lambda own: own.number)


async def until_counted(service: Service, code: str, method: str = METHOD) -> float:
    """How many calls have ended so, once one has."""
    for _ in range(200):
        labels = {"method": method, "code": code}
        if count := sample(service.replica.metrics, "steerrec_requests_total", labels):
            return count
        await asyncio.sleep(0.02)
    return 0.0


def sample(metrics: Metrics, name: str, labels: dict[str, str]) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def test_every_request_gets_the_list_that_it_gets_alone(service: Service) -> None:
    requests = [varied(number) for number in range(64)]
    alone = [await service.recommender.Recommend(own) for own in requests]
    streamed = await results(service, message(*requests[:40]), message(*requests[40:]))
    assert [ids(own.response) for own in streamed] == [ids(own) for own in alone]


async def test_requests_are_numbered_over_the_whole_stream(service: Service) -> None:
    messages = [message(request(), request()), message(request()), message(request(), request())]
    assert [own.number for own in await results(service, *messages)] == [0, 1, 2, 3, 4]


async def test_a_request_keeps_its_own_id(service: Service) -> None:
    (own,) = await results(service, message(request(request_id="mine")))
    assert own.response.request_id == "mine"


async def test_a_request_without_an_id_is_named_after_the_call_and_its_number(
    service: Service,
) -> None:
    call = service.recommender.StreamRecommend(sent(message(request(), request())))
    found = sorted([own.response.request_id async for reply in call for own in reply.results])
    call_id = str(dict(await call.trailing_metadata() or ())["x-request-id"])
    assert found == [f"{call_id}-0", f"{call_id}-1"]


async def test_a_refused_request_does_not_touch_the_others(service: Service) -> None:
    streamed = await results(service, message(request(), request(k=0), request(add())))
    kinds = [own.WhichOneof("result") for own in streamed]
    assert kinds == ["response", "error", "response"]


async def test_a_refusal_is_that_of_the_single_call(service: Service) -> None:
    asked = request(k=0, request_id="mine")
    (own,) = await results(service, message(asked))
    refused = await refusal(service.recommender.Recommend(asked))
    assert own.error == rpc_status.from_call(refused)  # type: ignore[arg-type]


async def test_a_stream_without_messages_ends_well(service: Service) -> None:
    assert await results(service) == []


async def test_a_stock_synchronous_client_gets_every_answer(service: Service) -> None:
    def asked() -> list[int]:
        with grpc.insecure_channel(service.replica.addresses.grpc) as channel:
            stub = recommender_pb2_grpc.RecommenderServiceStub(channel)
            messages = iter([message(request(), request()), message(request())])
            replies = stub.StreamRecommend(messages)
            return sorted(own.number for reply in replies for own in reply.results)

    assert await asyncio.to_thread(asked) == [0, 1, 2]


async def test_results_come_while_the_stream_is_open(service: Service) -> None:
    call = service.recommender.StreamRecommend()
    await call.write(message(request()))
    first = await anext(aiter(call))
    await call.write(message(request()))
    second = await anext(aiter(call))
    await call.done_writing()
    assert [own.results[0].number for own in (first, second)] == [0, 1]


async def refused_after(
    service: Service, *messages: Message | bytes
) -> tuple[list[int], grpc.aio.AioRpcError]:
    """Numbers of the results that came, and what ended the stream."""

    async def encoded() -> AsyncIterator[bytes]:
        for own in messages:
            yield own if isinstance(own, bytes) else own.SerializeToString()

    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = service.channel.stream_stream(METHOD)
    call = method(encoded())
    numbers: list[int] = []

    async def read() -> None:
        async for reply in call:
            numbers.extend(own.number for own in Reply.FromString(reply).results)

    refused = await refusal(read())
    return sorted(numbers), refused


@pytest.mark.parametrize("count", [0, 257])
async def test_a_message_with_too_few_or_many_ends_the_stream(service: Service, count: int) -> None:
    _, refused = await refused_after(service, message(*[request()] * count))
    assert fields(refused) == ["requests"]


async def test_what_came_before_a_bad_message_is_answered(service: Service) -> None:
    numbers, _ = await refused_after(service, message(request(), request()), message())
    assert numbers == [0, 1]


async def test_bytes_that_are_no_message_end_the_stream(service: Service) -> None:
    _, refused = await refused_after(service, b"\xff\xff\xff")
    assert (refused.code(), fields(refused)) == (grpc.StatusCode.INVALID_ARGUMENT, ["request"])


async def test_what_came_before_such_bytes_is_answered(service: Service) -> None:
    numbers, _ = await refused_after(service, message(request()), b"\xff\xff\xff")
    assert numbers == [0]


async def test_a_stream_is_counted(service: Service) -> None:
    await results(service, message(request()))
    assert await until_counted(service, "OK") == 1


async def test_a_refused_stream_is_counted(service: Service) -> None:
    await refused_after(service, message())
    assert await until_counted(service, "INVALID_ARGUMENT") == 1


async def test_of_a_caller_who_goes_away_nothing_more_reaches_the_model(
    start: Start, held: HeldModel
) -> None:
    async with start(max_batch=4) as service:
        call = service.recommender.StreamRecommend()
        await call.write(message(*(request(k=k) for k in range(1, 21))))
        await held.is_busy()
        call.cancel()
        await until_counted(service, "CANCELLED")
        held.let_go()
        await service.recommender.Recommend(request(k=30))
    assert held.runs == [[1, 2, 3, 4], [30]]


async def test_of_a_batch_whose_caller_goes_away_nothing_more_reaches_the_model(
    start: Start, held: HeldModel
) -> None:
    async with start(max_batch=4) as service:
        batch = recommender_pb2.BatchRecommendRequest(requests=[request(k=k) for k in range(1, 21)])
        call = asyncio.ensure_future(service.recommender.BatchRecommend(batch))
        await held.is_busy()
        call.cancel()
        await until_counted(service, "CANCELLED", METHOD.replace("Stream", "Batch"))
        held.let_go()
        await service.recommender.Recommend(request(k=30))
    assert held.runs == [[1, 2, 3, 4], [30]]


async def test_a_stream_past_its_deadline_ends_so(service: Service, held: HeldModel) -> None:
    call = service.recommender.StreamRecommend(sent(message(request())), timeout=0.3)

    async def read() -> None:
        async for _ in call:
            pass

    assert (await refusal(read())).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert held.runs == [[10]]


async def test_requests_past_the_deadline_never_reach_the_model(
    start: Start, held: HeldModel
) -> None:
    async with start(max_batch=2) as service:
        asked = message(*(request(k=k) for k in range(1, 7)))
        call = service.recommender.StreamRecommend(sent(asked), timeout=0.3)
        await asyncio.gather(call.code(), held.is_busy())
        held.let_go()
        await service.recommender.Recommend(request(k=30))
    assert held.runs == [[1, 2], [30]]


async def test_the_drain_answers_what_was_read_and_then_ends_the_stream(start: Start) -> None:
    async with start() as service:
        call = service.recommender.StreamRecommend()
        await call.write(message(request(), request()))
        supply = aiter(call)
        first = await anext(supply)
        draining = asyncio.ensure_future(service.replica.drain())

        async def rest() -> None:
            async for _ in supply:
                pass

        refused = await refusal(rest())
        await draining
    assert (len(first.results), refused.code(), reason(refused)) == (
        2,
        grpc.StatusCode.UNAVAILABLE,
        "DRAINING",
    )


async def test_the_drain_waits_for_the_answers_of_a_stream(start: Start, held: HeldModel) -> None:
    async with start() as service:
        call = service.recommender.StreamRecommend()
        await call.write(message(request(), request()))
        await held.is_busy()
        draining = asyncio.ensure_future(service.replica.drain())
        await asyncio.sleep(0.05)
        held.let_go()
        supply = aiter(call)
        numbers = {own.number for own in (await anext(supply)).results}
        while len(numbers) < 2:
            numbers |= {own.number for own in (await anext(supply)).results}
        await draining
    assert numbers == {0, 1}


class Writer:
    """Messages of one stream for a synchronous client; remembers how many gRPC has taken."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self.taken = 0

    def __iter__(self) -> Iterator[Message]:
        for own in self._messages:
            self.taken += 1
            yield own


async def test_a_caller_who_does_not_read_is_not_read_from(service: Service) -> None:
    large = message(*(request(history=["i3"] * 2000, k=50) for _ in range(256)))
    done = threading.Event()

    def write(writer: Writer) -> None:
        with grpc.insecure_channel(service.replica.addresses.grpc) as channel:
            stub = recommender_pb2_grpc.RecommenderServiceStub(channel)
            call = stub.StreamRecommend(iter(writer))
            done.wait(20)
            call.cancel()

    writer = Writer([large] * 100)
    writing = asyncio.create_task(asyncio.to_thread(write, writer))
    before = -1.0
    while before < (before := sample(service.replica.metrics, "steerrec_batch_size_sum", {})):
        await asyncio.sleep(0.5)
    done.set()
    await writing
    assert writer.taken < 100


async def test_a_stream_larger_than_the_queue_is_never_refused(start: Start) -> None:
    async with start(queue_limit=4, max_batch=2) as service:
        streamed = await results(service, *[message(*[request()] * 100)] * 2)
    assert {own.WhichOneof("result") for own in streamed} == {"response"}


async def test_streams_that_find_room_at_the_same_moment_are_never_refused(
    start: Start, held: HeldModel
) -> None:
    async with start(queue_limit=32, max_batch=4) as service:
        batch = recommender_pb2.BatchRecommendRequest(requests=[request()] * 36)
        call = asyncio.ensure_future(service.recommender.BatchRecommend(batch))
        await held.is_busy()
        streams = [
            asyncio.ensure_future(results(service, message(*[request()] * 32))) for _ in range(8)
        ]
        await asyncio.sleep(0.2)
        call.cancel()
        await until_counted(service, "CANCELLED", METHOD.replace("Stream", "Batch"))
        held.let_go()
        streamed = [own for stream in streams for own in await stream]
    assert {own.WhichOneof("result") for own in streamed} == {"response"}


async def test_of_a_batch_larger_than_the_room_what_fits_is_answered(
    start: Start, held: HeldModel
) -> None:
    async with start(queue_limit=4, max_batch=2) as service:
        batch = recommender_pb2.BatchRecommendRequest(requests=[request()] * 20)
        call = asyncio.ensure_future(service.recommender.BatchRecommend(batch))
        await held.is_busy()
        held.let_go()
        kinds = [own.WhichOneof("result") for own in (await call).results]
    assert (kinds[:4], kinds[-1]) == (["response"] * 4, "error")


async def test_single_callers_have_room_beside_a_full_line_of_groups(
    start: Start, held: HeldModel
) -> None:
    async with start(queue_limit=4, max_batch=2) as service:
        batch = recommender_pb2.BatchRecommendRequest(requests=[request()] * 20)
        call = asyncio.ensure_future(service.recommender.BatchRecommend(batch))
        await held.is_busy()
        single = asyncio.ensure_future(service.recommender.Recommend(request()))
        await asyncio.sleep(0.05)
        held.let_go()
        await call
        assert len((await single).items) == 10


async def test_a_single_caller_goes_into_the_next_run_beside_a_batch(
    start: Start, held: HeldModel
) -> None:
    async with start(max_batch=4) as service:
        batch = recommender_pb2.BatchRecommendRequest(requests=[request(k=1)] * 40)
        call = asyncio.ensure_future(service.recommender.BatchRecommend(batch))
        await held.is_busy()
        single = asyncio.ensure_future(service.recommender.Recommend(request(k=2)))
        await asyncio.sleep(0.05)
        held.let_go()
        await asyncio.gather(call, single)
    assert held.runs[1].count(2) == 1


async def test_other_callers_get_their_turn_between_long_histories(
    start: Start, held: HeldModel
) -> None:
    async with start(max_batch=8) as service:
        asked = [request(history=["i3"] * 10_000)] * 8
        batch = recommender_pb2.BatchRecommendRequest(requests=asked)
        call = asyncio.ensure_future(service.recommender.BatchRecommend(batch))
        await held.is_busy()
        held.let_go()
        await call
    assert len(held.runs[0]) < 8


async def test_a_long_reply_is_cut_into_messages(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.rpc.recommender.MESSAGE_BYTES", 1)
    async with start() as service:
        call = service.recommender.StreamRecommend(sent(message(*[request()] * 5)))
        counts = [len(reply.results) async for reply in call]
    assert counts == [1] * 5


async def test_no_message_is_larger_than_grpc_may_send(start: Start) -> None:
    async with start(max_message_bytes=65_536) as service:
        asked = [request(k=50, view=recommender_pb2.VIEW_FULL)] * 60
        streamed = await results(service, message(*asked))
    assert sum(own.ByteSize() for own in streamed) > 65_536
    assert {own.WhichOneof("result") for own in streamed} == {"response"}


async def test_requests_with_the_same_rules_get_what_each_gets_alone(service: Service) -> None:
    histories = [[f"i{number}", f"i{number + 7}"] for number in range(1, 30)]
    requests = [request(add(), add(3, -0.5), history=own) for own in histories]
    alone = [await service.recommender.Recommend(own) for own in requests]
    streamed = await results(service, message(*requests))
    assert [ids(own.response) for own in streamed] == [ids(own) for own in alone]


async def test_the_same_bad_rules_are_refused_for_each_request(service: Service) -> None:
    bad = request(add(feature_index=10_000))
    streamed = await results(service, message(bad, bad))
    assert [own.error.code for own in streamed] == [grpc.StatusCode.INVALID_ARGUMENT.value[0]] * 2


async def test_no_rule_is_disabled_steering_bit_for_bit(service: Service) -> None:
    asked = [request(), request(add(value=3)), request(add(value=3), disable_steering=True)]
    plain, _, disabled = await results(service, message(*asked))
    assert scores(plain.response) == scores(disabled.response)


async def test_a_preset_that_nobody_wrote_refuses_its_request_alone(service: Service) -> None:
    asked = message(request(presets=[preset("nobody")]), request())
    codes = [own.error.code for own in await results(service, asked)]
    assert codes == [grpc.StatusCode.NOT_FOUND.value[0], 0]


async def test_the_example_of_the_docs_prints_a_slate_for_each_user(service: Service) -> None:
    page = (Path(__file__).parents[2] / "docs" / "many.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    own = code.replace("127.0.0.1:50051", service.replica.addresses.grpc).replace('"50"', '"i3"')
    command = [sys.executable, "-c", own.replace('"181"', '"i7"')]
    printed = await asyncio.to_thread(subprocess.check_output, command, text=True)
    assert sorted(line.partition(" ['i")[0] for line in printed.splitlines()) == ["ann", "bob"]
