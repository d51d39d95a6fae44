"""What vectors do to scores, on a small model."""

import numpy as np
import pytest
import torch

from model_store.manifest import BaseModelShape
from training.imitation import effects, strongest
from training.sasrec import Sasrec
from training.study.audience import Audience, audience

CARRIES = np.isin(np.arange(7), [1, 2, 5])[:, None]


@pytest.fixture(scope="module", params=[1, 2, 3])
def people(request: pytest.FixtureRequest) -> Audience:
    """Users read up to each hook of a model of two blocks."""
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=6, max_seq=6, d_model=16, n_blocks=2, n_heads=2)
    model = Sasrec(shape).eval().requires_grad_(False)
    histories = [np.roll(np.arange(1, 7, dtype=np.int32), user)[:2] for user in range(6)]
    return audience(model, request.param, histories, np.full(6, 6, dtype=np.int32))


def test_a_vector_that_points_at_an_attribute_raises_it(people: Audience) -> None:
    towards = people.model.item_embedding.weight[[1, 2, 5]].mean(0)
    found = effects(people, torch.stack([30 * towards, -30 * towards]), CARRIES)
    assert found.mass[0, 0] > 0.02
    assert found.mass[1, 0] < 0


def test_a_vector_of_zeros_has_no_effect(people: Audience) -> None:
    found = effects(people, torch.zeros(1, 16), CARRIES)
    assert not found.mass.any()
    assert not found.scores.any()


def test_the_strongest_come_first_and_only_where_they_raise() -> None:
    assert strongest(np.array([0.1, -1.0, 0.3, 0.0]), 3).tolist() == [2, 0]
