"""A reply put together from bytes says what a reply of messages says.

The single call behind gRPC's own server fills messages, a batch's results come from bytes.
"""

import pytest
from steerrec.v1 import recommender_pb2, rule_pb2

from tests.integration.asking import add, add_genre, request, scale
from tests.integration.conftest import Start

SET = rule_pb2.Rule(feature_index=1, operation=rule_pb2.OPERATION_SET, value=0.5)
REQUESTS = {
    "no rules": request(),
    "rules on features": request(add(0), scale(1, 0.5), add(2, -0.5)),
    "a rule that another replaces": request(add(1), SET),
    "a rule that changes nothing": request(scale(0, 1.0)),
    "a rule cut at a limit": request(add(0, 900.0)),
    "a rule on an attribute": request(add_genre("Comedy", 0.5)),
    "a rule with an id": request(add(0, rule_id="mine")),
    "many rules": request(*(add(i % 8, 0.1) for i in range(20))),
    "the full view": request(add(0), view=recommender_pb2.VIEW_FULL),
    "a counterfactual": request(add(0), with_counterfactual=True),
    "contributions": request(add(0), with_rule_contributions=True),
    "one item": request(k=1),
    "more items than there are": request(k=1000),
    "a cold start": request(add(0), history=[]),
    "unknown items": request(add(0), history=["i3", "nobody's"]),
    "no steering": request(add(0), disable_steering=True),
    "excluded items": request(exclude_item_ids=["i1", "i2"], include_history=True),
}


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS.keys())
async def test_a_reply_says_the_same_as_bytes_and_as_a_message(
    start: Start, asked: recommender_pb2.RecommendRequest
) -> None:
    asked.request_id = "the same"
    batch = recommender_pb2.BatchRecommendRequest(requests=[asked])
    async with start(wire="grpcio") as service:
        single = await service.recommender.Recommend(asked)
        (result,) = (await service.recommender.BatchRecommend(batch)).results
    assert single == result.response
