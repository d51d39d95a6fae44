"""What refused calls get: status, reason, details."""

import asyncio
import logging
import math
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from steerrec.v1 import recommender_pb2, rule_pb2

from service import batcher
from tests.integration.asking import (
    add,
    add_genre,
    detail,
    fields,
    preset,
    reason,
    refusal,
    request,
)
from tests.integration.conftest import Service, Start
from tests.integration.held import HeldModel

FLOOR, CAP = rule_pb2.OPERATION_FLOOR, rule_pb2.OPERATION_CAP


async def test_a_broken_limit_is_an_invalid_argument(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(k=0)))
    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_every_broken_limit_is_named(service: Service) -> None:
    bad = request(add(value=math.nan), add(feature_index=-1), k=1001)
    error = await refusal(service.recommender.Recommend(bad))
    assert fields(error) == ["k", "rules[0].value", "rules[1].feature_index"]


async def test_a_feature_beyond_the_sae_is_named(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(add(), add(32))))
    assert (reason(error), fields(error)) == ("RULES_REFUSED", ["rules[1].feature_index"])


async def test_an_unknown_attribute_gets_a_suggestion(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(add_genre("Horor", 1))))
    assert "did you mean genre=Horror?" in str(error.details())


async def test_a_dead_feature_has_no_reference(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(add(31))))
    assert "use unit RAW" in str(error.details())


async def test_a_condition_that_is_no_cel_is_named(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(add(condition="1 +"))))
    assert fields(error) == ["rules[0].condition"]


async def test_a_floor_above_a_cap_is_a_conflict(service: Service) -> None:
    rules = (
        rule_pb2.Rule(feature_index=0, operation=FLOOR, value=2),
        rule_pb2.Rule(feature_index=0, operation=CAP, value=1),
    )
    error = await refusal(service.recommender.Recommend(request(*rules)))
    assert (reason(error), fields(error)) == ("RULE_CONFLICT", ["rules[1]"])


async def test_disabled_rules_are_still_checked(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(add(32), disable_steering=True)))
    assert reason(error) == "RULES_REFUSED"


async def test_rules_of_a_cold_start_are_still_checked(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(add(32), history=())))
    assert reason(error) == "RULES_REFUSED"


async def test_an_unknown_preset_is_not_found(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(presets=[preset("nope")])))
    assert (error.code(), fields(error)) == (grpc.StatusCode.NOT_FOUND, ["presets[0]"])


async def test_an_unknown_model_is_not_found(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(model="nope")))
    assert (error.code(), reason(error)) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_SERVED")


async def test_a_refusal_carries_the_callers_id(service: Service) -> None:
    error = await refusal(service.recommender.Recommend(request(k=0, request_id="mine")))
    assert detail(error, error_details_pb2.ErrorInfo).metadata["request_id"] == "mine"


async def test_a_request_with_hundreds_of_faults_still_gets_its_details(service: Service) -> None:
    rules = [add(rule_id="x" * 100, condition="y" * 2000) for _ in range(256)]
    error = await refusal(service.recommender.Recommend(request(*rules)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_fault_of_ours_tells_nothing_of_itself(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "forward", broken)
    error = await refusal(service.recommender.Recommend(request()))
    assert (error.code(), error.details()) == (
        grpc.StatusCode.INTERNAL,
        "an internal error; the log has its cause",
    )


async def test_a_fault_of_ours_is_logged_once(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(batcher, "forward", broken)
    with caplog.at_level(logging.ERROR):
        await refusal(service.recommender.Recommend(request()))
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["inner"]


def broken(*_: object) -> None:
    raise ArithmeticError("inner")


async def test_a_full_queue_refuses_with_a_time_to_retry(start: Start) -> None:
    async with start(queue_limit=1) as service:
        asked = recommender_pb2.BatchRecommendRequest(requests=[request()] * 50)
        results = (await service.recommender.BatchRecommend(asked)).results
    refused = next(result.error for result in results if result.HasField("error"))
    retry = error_details_pb2.RetryInfo()
    assert any(own.Unpack(retry) for own in refused.details)
    assert retry.retry_delay.ToMilliseconds() > 0


async def test_an_overloaded_call_tells_grpc_clients_when_to_retry(
    start: Start, held: HeldModel
) -> None:
    async with start(queue_limit=1) as service:
        asked = [asyncio.ensure_future(service.recommender.Recommend(request()))]
        await held.is_busy()
        asked += [asyncio.ensure_future(service.recommender.Recommend(request())) for _ in "ab"]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        error = await refusal(done.pop())
        held.let_go()
        await asyncio.gather(*asked, return_exceptions=True)
    assert ("grpc-retry-pushback-ms", "100") in tuple(error.trailing_metadata() or ())


async def test_a_full_queue_still_answers_what_waits(start: Start) -> None:
    async with start(queue_limit=1) as service:
        asked = recommender_pb2.BatchRecommendRequest(requests=[request()] * 50)
        results = (await service.recommender.BatchRecommend(asked)).results
    assert any(result.HasField("response") for result in results)


async def test_a_call_out_of_time_is_a_deadline_exceeded(service: Service, held: HeldModel) -> None:
    error = await refusal(service.recommender.Recommend(request(), timeout=0.2))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_call_that_ran_out_of_time_in_the_queue_is_dropped(
    service: Service, held: HeldModel
) -> None:
    first = asyncio.ensure_future(service.recommender.Recommend(request(k=1)))
    await held.is_busy()
    await refusal(service.recommender.Recommend(request(k=2), timeout=0.2))
    held.let_go()
    await first
    await service.recommender.Recommend(request(k=3))
    assert held.runs == [[1], [3]]


async def test_a_batch_needs_a_request(service: Service) -> None:
    empty = recommender_pb2.BatchRecommendRequest()
    error = await refusal(service.recommender.BatchRecommend(empty))
    assert fields(error) == ["requests"]


async def test_a_batch_has_a_limit(service: Service) -> None:
    many = recommender_pb2.BatchRecommendRequest(requests=[request()] * 257)
    error = await refusal(service.recommender.BatchRecommend(many))
    assert fields(error) == ["requests"]


async def test_each_query_of_a_batch_is_answered_or_refused_on_its_own(service: Service) -> None:
    asked = [request(), request(k=0), request(add(32)), request(model="nope"), request(add())]
    batch = recommender_pb2.BatchRecommendRequest(requests=asked)
    results = (await service.recommender.BatchRecommend(batch)).results
    codes = [result.error.code for result in results]
    invalid, missing = (
        grpc.StatusCode.INVALID_ARGUMENT.value[0],
        grpc.StatusCode.NOT_FOUND.value[0],
    )
    assert codes == [0, invalid, invalid, missing, 0]


async def test_a_refusal_in_a_batch_has_the_details_of_a_single_one(service: Service) -> None:
    bad = request(add(32), request_id="mine")
    batch = recommender_pb2.BatchRecommendRequest(requests=[bad])
    (result,) = (await service.recommender.BatchRecommend(batch)).results
    alone = await refusal(service.recommender.Recommend(bad))
    info = error_details_pb2.BadRequest()
    assert any(own.Unpack(info) for own in result.error.details)
    assert info == detail(alone, error_details_pb2.BadRequest)


async def test_bytes_that_are_no_message_are_the_callers_fault(service: Service) -> None:
    method = "/steerrec.v1.RecommenderService/Recommend"
    raw: Any = service.channel.unary_unary(method)
    refused = await refusal(raw(b"\xff\xff"))
    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "these bytes are no message of this method" in str(refused.details())
