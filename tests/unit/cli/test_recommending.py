"""Words of a command line as parts of a request."""

import pytest
import typer
from steerrec.v1 import recommender_pb2

from cli.recommending import bind


@pytest.mark.parametrize("share", ["0.8", "80%"])
def test_a_bound_of_a_budget_is_a_part_or_a_percentage(share: str) -> None:
    request = recommender_pb2.RecommendRequest()
    bind(request, min_overlap=share, min_score_retained=None, at_k=0)
    assert request.budget.min_overlap == pytest.approx(0.8)


def test_a_bound_that_is_not_given_is_no_bound() -> None:
    request = recommender_pb2.RecommendRequest()
    bind(request, min_overlap="80%", min_score_retained=None, at_k=0)
    assert not request.budget.HasField("min_score_retained")


def test_a_bound_that_cannot_be_is_refused_with_option_value_and_remedy() -> None:
    request = recommender_pb2.RecommendRequest()
    with pytest.raises(typer.BadParameter) as refused:
        bind(request, min_overlap=None, min_score_retained="95", at_k=0)
    assert refused.value.message == (
        "--min-score-retained 95: 95 is not within 0 to 1; write 95% or 0.95"
    )
