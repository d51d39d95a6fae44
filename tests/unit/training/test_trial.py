"""Doses tried on users of a small model, with a feature whose effect is known."""

import numpy as np
import pytest
import torch

from model_store.cards import AttributeValue, Band, DosePoint, FeatureCard
from model_store.manifest import BaseModelShape, EditPositions, SaeKind, SaeShape
from training.attributes import AttributeTable
from training.config import EffectsConfig
from training.dosing import Subjects, Target
from training.sae import Sae
from training.sasrec import Sasrec
from training.study.audience import audience
from training.study.outcomes import Yardstick
from training.trial import Trial, TrialSettings, doses, saturation, trial

N_ITEMS = 60
CARRIES = np.isin(np.arange(N_ITEMS + 1), np.arange(1, 21))
VALUES = (AttributeValue(name="n", value="low"), AttributeValue(name="n", value="high"))
TRIED = doses((0.0, 4.0), (-3.0, 3.0))


@pytest.fixture(scope="module")
def tried() -> Trial:
    """Feature 0 points at the first twenty items."""
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=N_ITEMS, max_seq=6, d_model=32, n_blocks=1, n_heads=2)
    model = Sasrec(shape).eval().requires_grad_(False)
    sae = Sae(SaeShape(kind=SaeKind.TOPK, d_sae=40, k=8), 32).requires_grad_(False)
    sae.W_dec[0] = torch.nn.functional.normalize(
        model.item_embedding.weight[1:21].mean(0), dim=0
    ) * float(model.item_embedding.weight.norm())
    histories = [np.arange(1 + user, 5 + user, dtype=np.int32) for user in range(40)]
    people = audience(model, 1, histories, np.arange(6, 46, dtype=np.int32))
    cards = [FeatureCard(feature_index=f, reference_activation=1, density=1) for f in range(40)]
    inside = np.arange(N_ITEMS + 1) > 0
    table = AttributeTable(VALUES, np.stack([CARRIES, ~CARRIES & inside], axis=1))
    config = EffectsConfig(random_directions=3, draws=20, off_target_add=3)
    settings = TrialSettings(table, Yardstick.of(table, histories), config, 0)
    return trial(Subjects.of(people, sae, EditPositions.LAST, cards), settings)


def test_a_feature_raises_what_it_points_at_beyond_random_directions(tried: Trial) -> None:
    _, add = tried.responses(Target.one(0), 0, TRIED)
    down, plain, up = (point.share_at_20 for point in add.points)
    assert down.high < plain.value < up.low
    assert add.random_share_at_20[2].high < up.value


def test_the_identity_changes_nothing(tried: Trial) -> None:
    for response in tried.responses(Target.one(0), 0, TRIED):
        (same,) = [p for p in response.points if p.strength in (0, 1) and p.overlap_at_20.low == 1]
        assert same.ndcg_kept_share == Band(1, 1, 1)


def test_who_is_inactive_is_not_scaled(tried: Trial) -> None:
    scale, _ = tried.responses(Target.one(0), 0, TRIED)
    assert 0 < scale.inactive_share < 1
    assert scale.points[-1].overlap_at_20.value >= scale.inactive_share


def test_what_rises_takes_from_another_attribute(tried: Trial) -> None:
    _, add = tried.responses(Target.one(0), 0, TRIED)
    (other,) = add.off_target
    assert (add.off_target_strength, other.attribute) == (3, VALUES[1])
    assert other.share_change.high < 0


def test_random_shifts_of_no_length_are_the_unsteered_slates(tried: Trial) -> None:
    band = tried.random.band(np.zeros(40), 0)
    plain = tried.responses(Target.one(0), 0, {"ADD": (0.0,)})[0].points[0]
    assert band.low == band.high == pytest.approx(plain.share_at_20.value, abs=1e-3)


def test_strengths_are_sorted_and_hold_the_identity() -> None:
    assert doses((4, 0), (2, -1)) == {"SCALE": (0, 1, 4), "ADD": (-1, 0, 2)}


def curve(*shares: float) -> list[DosePoint]:
    """Points at -1, 0, 1, ... with these shares."""
    zero = Band(0, 0, 0)
    return [
        DosePoint(place - 1.0, zero, Band(share, share, share), zero, zero, zero, zero)
        for place, share in enumerate(shares)
    ]


def test_a_curve_saturates_where_nearly_all_of_its_rise_is_reached() -> None:
    assert saturation(curve(0, 0.1, 0.3, 0.495, 0.5, 0.4), 0.0) == 2


def test_a_curve_that_rises_to_the_last_does_not_saturate() -> None:
    assert saturation(curve(0, 0.1, 0.3, 0.4), 0.0) is None


def test_a_curve_that_never_rises_does_not_saturate() -> None:
    assert saturation(curve(0, 0.1, 0.1, 0.05), 0.0) is None
