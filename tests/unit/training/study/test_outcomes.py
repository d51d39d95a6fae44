"""What slates are worth, by hand-made slates whose worth is known."""

import numpy as np
import pytest
import torch

from model_store.cards import AttributeValue
from training.attributes import AttributeTable
from training.metrics import ndcg, ranks
from training.study.outcomes import (
    SLATE,
    Yardstick,
    dose_point,
    gains,
    mean_band,
    mean_distance,
    mean_popularity,
    outcomes,
    overlaps,
    ratio_band,
    shares,
    slates_of,
    user_draws,
)

N_ITEMS = 60


def slate(*items: int) -> torch.Tensor:
    return torch.tensor([[*items, *[0] * (SLATE - len(items))]])


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    """Odd items carry the first value, multiples of 3 the second; item i was taken i times."""
    index = np.arange(N_ITEMS + 1)
    carries = np.stack([index % 2 == 1, (index > 0) & (index % 3 == 0)], axis=1)
    values = (AttributeValue(name="n", value="odd"), AttributeValue(name="n", value="three"))
    train = [np.repeat(index, index).astype(np.int32)]
    return Yardstick.of(AttributeTable(values, carries), train)


def test_items_without_a_score_are_not_shown() -> None:
    scores = torch.full((1, 30), -torch.inf)
    scores[0, [3, 7]] = torch.tensor([1.0, 2.0])
    assert slates_of(scores).tolist() == slate(7, 3).tolist()


def test_a_share_is_of_what_is_shown(yardstick: Yardstick) -> None:
    found = shares(slate(1, 2, 3, 4), yardstick.carries)
    assert found.tolist() == [[0.5, 0.25]]


def test_an_empty_slate_has_no_share(yardstick: Yardstick) -> None:
    assert shares(slate(), yardstick.carries).tolist() == [[0.0, 0.0]]


def test_gains_are_those_of_the_metrics() -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((50, N_ITEMS + 1))
    targets = rng.integers(1, N_ITEMS + 1, 50)
    read = [rng.integers(1, N_ITEMS + 1, 5) for _ in range(50)]
    shown = scores.copy()
    shown[:, 0] = -np.inf
    for row, items in enumerate(read):
        shown[row, items] = -np.inf
    found = gains(slates_of(torch.from_numpy(shown)), torch.from_numpy(targets))
    assert float(found.mean()) == pytest.approx(ndcg(ranks(scores, targets, read), 10))


def test_overlap_is_the_part_that_stayed() -> None:
    assert overlaps(slate(4, 3, 9, 8), slate(1, 2, 3, 4)).tolist() == [0.5]


def test_popularity_goes_from_the_rarest_to_the_most_taken(yardstick: Yardstick) -> None:
    assert mean_popularity(slate(1), yardstick.popularity).tolist() == [0]
    assert mean_popularity(slate(N_ITEMS), yardstick.popularity).tolist() == [1]
    assert mean_popularity(slate(1, N_ITEMS), yardstick.popularity).tolist() == [0.5]


def test_items_alike_are_at_no_distance(yardstick: Yardstick) -> None:
    assert mean_distance(slate(1, 5, 7), yardstick).tolist() == pytest.approx([0])
    assert mean_distance(slate(1, 6), yardstick).tolist() == pytest.approx([1])
    third = 1 - 1 / np.sqrt(2)
    assert mean_distance(slate(1, 3), yardstick).tolist() == pytest.approx([third])


def test_a_slate_of_one_has_no_distance(yardstick: Yardstick) -> None:
    assert mean_distance(slate(1), yardstick).tolist() == [0]


def test_a_band_holds_the_mean_of_most_other_samples() -> None:
    rng = np.random.default_rng(0)
    weights = user_draws(100, 200, seed=0)
    bands = [mean_band(rng.standard_normal(100), weights) for _ in range(200)]
    assert np.mean([band.low <= 0 <= band.high for band in bands]) > 0.88


def test_a_ratio_is_paired() -> None:
    values = np.random.default_rng(0).random(50)
    band = ratio_band(2 * values, values, user_draws(50, 20, seed=0))
    assert (band.value, band.low, band.high) == (2, 2, 2)


def test_nothing_over_nothing_is_kept() -> None:
    assert ratio_band(np.zeros(5), np.zeros(5), user_draws(5, 3, seed=0)).value == 1


def test_unsteered_slates_change_nothing(yardstick: Yardstick) -> None:
    slates = slates_of(torch.rand(8, N_ITEMS + 1))
    targets = torch.arange(1, 9)
    plain = outcomes(slates, slates, targets, yardstick, 0)
    point = dose_point(0.0, plain, plain, user_draws(8, 10, seed=0))
    assert (point.overlap_at_20.value, point.ndcg_kept_share.value) == (1, 1)
    assert (point.popularity_shift.high, point.diversity_shift.high) == (0, 0)
