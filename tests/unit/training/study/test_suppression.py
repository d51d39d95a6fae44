"""Suppression: who is a fan, and where a share is first small enough."""

import numpy as np
import pytest
import torch

from model_store.manifest import BaseModelShape
from training.sasrec import Sasrec
from training.study.audience import Audience, audience
from training.study.outcomes import user_draws
from training.study.paths import DialPath
from training.study.suppression import SuppressionSettings, fans, reached

CARRIES = np.arange(41) > 20
WEIGHTS = user_draws(4, 20, seed=0)
PATH = DialPath(
    shares=np.array([[0.4] * 4, [0.2] * 4, [0.0, 0.0, 0.05, 0.05]]),
    gains=np.array([[1.0, 0.5, 0.5, 0.0], [1.0, 0.5, 0.25, 0.0], [0.5, 0.5, 0.0, 0.0]]),
)


@pytest.fixture(scope="module")
def people() -> Audience:
    """20 users, of whom user `i` has `i` items with the attribute among 20."""
    shape = BaseModelShape(n_items=40, max_seq=6, d_model=8, n_blocks=1, n_heads=1)
    histories = [np.arange(i + 1, i + 21, dtype=np.int32) for i in range(20)]
    return audience(Sasrec(shape).eval(), 1, histories, np.full(20, 40, dtype=np.int32))


def test_fans_have_the_largest_share_in_their_history(people: Audience) -> None:
    settings = SuppressionSettings(fans_share=0.1, min_fans=1)
    assert fans(people, CARRIES, settings).tolist() == [18, 19]


def test_there_are_enough_fans_for_a_mean(people: Audience) -> None:
    assert len(fans(people, CARRIES, SuppressionSettings(fans_share=0.1, min_fans=7))) == 7
    assert len(fans(people, CARRIES, SuppressionSettings(min_fans=1000))) == 20


def test_the_first_strength_below_the_wanted_share_counts() -> None:
    found = reached(PATH, (0.0, -1.0, -2.0), WEIGHTS, np.ones(4, dtype=np.bool_), 0.05)
    assert found is not None
    assert (found.strength, found.share.value, found.kept.value) == (-2.0, 0.025, 0.5)


def test_what_others_keep_is_of_those_whose_next_item_is_another() -> None:
    found = reached(PATH, (0.0, -1.0, -2.0), WEIGHTS, np.array([False, True, True, True]), 0.05)
    assert found is not None
    assert found.kept_others is not None
    assert found.kept_others.value == 0.5


def test_a_share_that_is_never_small_enough_is_not_reached() -> None:
    assert reached(PATH, (0.0, -1.0, -2.0), WEIGHTS, np.ones(4, dtype=np.bool_), 0.01) is None


def test_part_of_an_audience_is_those_users_alone(people: Audience) -> None:
    part = people.part(torch.tensor([3, 5]))
    torch.testing.assert_close(part.scores(), people.scores()[[3, 5]])
    assert [items[0] for items in part.histories] == [4, 6]
