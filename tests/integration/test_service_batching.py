"""Many callers at once: each gets what it would get alone."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import grpc
import numpy as np
import pytest
from steerrec.v1 import recommender_pb2

from service import batcher
from service.forward import forward
from service.metrics import Metrics
from tests.integration.asking import add, add_genre, ids, request, scale, scores
from tests.integration.conftest import Service
from tests.tiny_model import GENRES

ATOL = 1e-5
"""Largest difference of a score between batch sizes: float32 sums in another order."""


def varied(number: int, **fields: object) -> recommender_pb2.RecommendRequest:
    """A request unlike those of other numbers, in history, rules and k."""
    rng = random.Random(number)  # noqa: S311 - variety, not secrets
    rules = [
        add_genre(rng.choice(GENRES), rng.uniform(-1, 1)),
        scale(rng.randrange(31), rng.uniform(0, 3)),
        add(rng.randrange(10), rng.uniform(-0.5, 0.5)),
    ]
    history = [f"i{rng.randrange(1, 51)}" for _ in range(rng.randrange(1, 14))]
    view = recommender_pb2.VIEW_FULL if number % 3 == 0 else recommender_pb2.VIEW_BASIC
    return request(
        *rules[: number % 4], history=history, k=rng.randrange(1, 30), view=view, **fields
    )


async def alone(
    service: Service, requests: list[recommender_pb2.RecommendRequest]
) -> list[recommender_pb2.RecommendResponse]:
    """Answers, asked one after another."""
    return [await service.recommender.Recommend(own) for own in requests]


async def together(
    service: Service, requests: list[recommender_pb2.RecommendRequest]
) -> list[recommender_pb2.RecommendResponse]:
    """Answers, asked all at once."""
    return list(await asyncio.gather(*(service.recommender.Recommend(own) for own in requests)))


async def in_one_call(
    service: Service, requests: list[recommender_pb2.RecommendRequest]
) -> list[recommender_pb2.RecommendResponse]:
    """Answers of one BatchRecommend, in one run of the model."""
    batch = recommender_pb2.BatchRecommendRequest(requests=requests)
    return [result.response for result in (await service.recommender.BatchRecommend(batch)).results]


Ask = Callable[
    [Service, list[recommender_pb2.RecommendRequest]],
    Awaitable[list[recommender_pb2.RecommendResponse]],
]


@pytest.mark.parametrize("ask", [together, in_one_call])
async def test_64_callers_get_the_lists_that_each_gets_alone(service: Service, ask: Ask) -> None:
    requests = [varied(number) for number in range(64)]
    one_by_one, at_once = await alone(service, requests), await ask(service, requests)
    assert [ids(own) for own in at_once] == [ids(own) for own in one_by_one]


@pytest.mark.parametrize("ask", [together, in_one_call])
async def test_64_callers_get_the_scores_that_each_gets_alone(service: Service, ask: Ask) -> None:
    requests = [varied(number) for number in range(64)]
    one_by_one, at_once = await alone(service, requests), await ask(service, requests)
    for one, other in zip(one_by_one, at_once, strict=True):
        np.testing.assert_allclose(scores(other), scores(one), rtol=0, atol=ATOL)


async def test_64_callers_get_the_reports_that_each_gets_alone(service: Service) -> None:
    requests = [varied(number) for number in range(64)]
    one_by_one, at_once = await alone(service, requests), await in_one_call(service, requests)
    for one, other in zip(one_by_one, at_once, strict=True):
        assert [own.status for own in other.rule_reports] == [
            own.status for own in one.rule_reports
        ]


async def test_a_batch_really_goes_into_few_runs(service: Service) -> None:
    await in_one_call(service, [varied(number) for number in range(64)])
    assert runs(service.replica.metrics) == 2


async def test_no_rule_is_disabled_steering_bit_for_bit_beside_steered_rows(
    service: Service,
) -> None:
    steered = [varied(number) for number in range(1, 10)]
    plain, disabled = request(), request(add(value=3), disable_steering=True)
    first, *_, last = await in_one_call(service, [plain, *steered, disabled])
    assert scores(first) == scores(last)


async def test_a_steered_neighbour_changes_no_bit_of_a_row(service: Service) -> None:
    calm, *_ = await in_one_call(service, [request(), request()])
    beside, *_ = await in_one_call(service, [request(), request(add_genre("Horror", 5))])
    assert scores(calm) == scores(beside)


async def test_a_row_that_breaks_fails_alone(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_on_k_13(bundle, space, questions):  # type: ignore[no-untyped-def]
        if any(question.k == 13 for question in questions):
            raise ArithmeticError
        return forward(bundle, space, questions)

    monkeypatch.setattr(batcher, "forward", breaks_on_k_13)
    asked = [request(), request(k=13), request(add())]
    batch = recommender_pb2.BatchRecommendRequest(requests=asked)
    results = (await service.recommender.BatchRecommend(batch)).results
    assert [result.error.code for result in results] == [0, grpc.StatusCode.INTERNAL.value[0], 0]


def runs(metrics: Metrics) -> float:
    """Runs of the model so far."""
    return metrics.registry.get_sample_value("steerrec_batch_size_count") or 0.0
