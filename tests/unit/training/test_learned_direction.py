"""A learned direction: it raises the attribute, and spares what people take."""

import numpy as np
import pytest
import torch

from model_store.manifest import BaseModelShape
from training.learned_direction import (
    Lesson,
    can_learn,
    learned_direction,
    score_metric,
    soft_share,
    weights_along,
)
from training.sasrec import Sasrec
from training.study.audience import Audience, audience
from training.study.outcomes import gains, shares, slates_of

N_ITEMS, D_MODEL = 80, 8
CARRIES = np.arange(N_ITEMS + 1) % 4 == 1


@pytest.fixture(scope="module", params=[2, 3])
def people(request: pytest.FixtureRequest) -> Audience:
    """200 users, hooked after the last block or after the norm."""
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=N_ITEMS, max_seq=6, d_model=D_MODEL, n_blocks=2, n_heads=1)
    model = Sasrec(shape).eval().requires_grad_(False)
    model.item_embedding.weight.mul_(40)
    rng = np.random.default_rng(0)
    histories = [rng.permutation(N_ITEMS)[:9].astype(np.int32) + 1 for _ in range(200)]
    targets = audience(model, 2, histories, np.ones(200, np.int32)).scores().topk(2).indices[:, 1]
    return audience(model, int(request.param), histories, targets.numpy().astype(np.int32))


@pytest.fixture(scope="module")
def learned(people: Audience) -> torch.Tensor:
    return learned_direction(people, CARRIES)


def share_of(people: Audience, shift: torch.Tensor | None) -> float:
    carried = torch.from_numpy(CARRIES).float()[:, None]
    return float(shares(slates_of(people.scores(shift)), carried).mean())


def test_it_raises_the_share_as_far_as_asked(people: Audience, learned: torch.Tensor) -> None:
    before = share_of(people, None)
    assert share_of(people, learned) == pytest.approx(2 * before, rel=0.3)


def test_it_keeps_more_than_the_mean_of_the_attributes_embeddings(
    people: Audience, learned: torch.Tensor
) -> None:
    embedding = people.model.item_embedding.weight
    plain = embedding[1:][CARRIES[1:]].mean(0) - embedding[1:][~CARRIES[1:]].mean(0)
    lengths = torch.linspace(0, 20, 60)
    wanted = share_of(people, learned)
    length = next((x for x in lengths if share_of(people, x * plain) >= wanted), lengths[-1])
    targets = torch.from_numpy(people.targets.astype(np.int64))
    kept, rival = (
        float(gains(slates_of(people.scores(shift)), targets).mean())
        for shift in (learned, length * plain)
    )
    assert kept > rival


def test_it_is_the_same_when_learned_again(people: Audience, learned: torch.Tensor) -> None:
    torch.testing.assert_close(learned_direction(people, CARRIES), learned)


def test_it_is_learned_where_nothing_but_the_newest_position_is_left(people: Audience) -> None:
    assert can_learn(people)
    assert not can_learn(audience(people.model, 1, people.histories, people.targets))


def test_a_lesson_wants_what_was_taken_and_what_was_likely(people: Audience) -> None:
    lesson = Lesson.of(people, CARRIES)
    torch.testing.assert_close(lesson.wanted.sum(1), torch.ones(200))
    column = int((lesson.items == int(people.targets[0])).nonzero())
    likely = float(torch.softmax(people.scores()[0], dim=0)[people.targets[0]])
    trust = 200 / 4_200
    assert float(lesson.wanted[0, column]) == pytest.approx(trust + (1 - trust) * likely, rel=1e-4)


def test_a_soft_share_is_near_the_share_of_well_separated_slates() -> None:
    scores = torch.tensor([[50.0] * 10 + [40.0] * 10 + [0.0] * 30])
    carries = torch.tensor([1.0] * 10 + [0.0] * 40)
    assert float(soft_share(scores, carries)) == pytest.approx(0.5, abs=0.02)


def test_a_direction_is_written_in_few_vectors_of_positive_weight(people: Audience) -> None:
    vectors = torch.randn(60, D_MODEL, generator=torch.Generator().manual_seed(1))
    direction = 2 * vectors[3] + vectors[7]
    weights = weights_along(direction, vectors, score_metric(people), 5)
    assert (weights >= 0).all()
    assert np.count_nonzero(weights) <= 5
    written = torch.from_numpy(weights).float() @ vectors
    assert torch.nn.functional.cosine_similarity(written, direction, dim=0) > 0.95


def test_the_metric_is_the_mean_squared_change_of_scores(people: Audience) -> None:
    shift = 0.01 * torch.randn(D_MODEL, generator=torch.Generator().manual_seed(2))
    weights = torch.softmax(people.scores(), dim=1).mean(0)[1:]
    model = people.model
    change = (people.final(shift) - people.final()).mean(0) @ model.item_embedding.weight[1:].T
    expected = float(weights @ (change - weights @ change).square())
    assert float((shift @ score_metric(people)).square().sum()) == pytest.approx(expected, rel=0.1)
