"""Share against NDCG: rivals on the same users, compared at equal share."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from model_store.manifest import BaseModelShape
from training.imitation import Effects, effects
from training.sasrec import Sasrec
from training.study.audience import Audience, audience
from training.study.edits import (
    embedding_difference,
    group,
    imitation,
    item_space_projection,
)
from training.study.frontier import (
    AttributeFrontier,
    FrontierStudy,
    attribute_frontier,
    race,
    summaries,
)
from training.study.outcomes import slates_of, user_draws
from training.study.paths import DialPath, dialled_per_user, kept_at, path_along
from training.study.reranks import (
    KINDS,
    RERANK,
    Rival,
    dial,
    half_rerank,
    probability_rerank,
    rerank,
)
from training.study.rivals import LEARNED, TODAY, candidates, fixed_shift, rivals_for

N_ITEMS, D_MODEL = 60, 8
CARRIES = np.arange(N_ITEMS + 1) % 4 == 1


@pytest.fixture(scope="module")
def model() -> Sasrec:
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=N_ITEMS, max_seq=6, d_model=D_MODEL, n_blocks=2, n_heads=1)
    return Sasrec(shape).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def people(model: Sasrec) -> Audience:
    """40 users whose next item is the one that the model ranks third."""
    rng = np.random.default_rng(0)
    histories = [rng.permutation(N_ITEMS)[:9].astype(np.int32) + 1 for _ in range(40)]
    unknown = np.ones(40, dtype=np.int32)
    scores = audience(model, 2, histories, unknown).scores()
    return audience(model, 2, histories, scores.topk(3).indices[:, 2].numpy().astype(np.int32))


@pytest.fixture(scope="module")
def basis(people: Audience) -> Effects:
    """Small steps along each coordinate, up and down."""
    eye = 0.1 * torch.eye(D_MODEL)
    return effects(people, torch.cat([eye, -eye]), CARRIES[:, None])


@pytest.fixture(scope="module")
def study(people: Audience) -> FrontierStudy:
    features = torch.randn(20, D_MODEL, generator=torch.Generator().manual_seed(1))
    made_of = candidates(people, features, CARRIES[:, None], seed=0)
    rivals = rivals_for(made_of, people, CARRIES[:, None], 0)
    return _study(rivals, people)


def _study(rivals: list[Rival], people: Audience) -> FrontierStudy:
    races = [race(rivals, people, CARRIES, user_draws(40, 20, seed=0))]
    found = attribute_frontier("genre=Fourth", races[0], int(CARRIES.sum()))
    return FrontierStudy(2, 40, 40, 0.5, (found,), summaries(races))


def _path(scores: torch.Tensor, people: Audience) -> DialPath:
    return path_along([slates_of(scores)], people, CARRIES)


def test_no_shift_is_the_models_own_slate(model: Sasrec, people: Audience) -> None:
    plain = model.slate_scores(people.items)
    shown = torch.isfinite(people.scores())
    torch.testing.assert_close(people.scores(torch.zeros(D_MODEL))[shown], plain[shown])


def test_no_item_of_the_whole_history_is_recommended(people: Audience) -> None:
    scores = people.scores()
    assert all(
        torch.isneginf(scores[row, items]).all() for row, items in enumerate(people.histories)
    )


@pytest.mark.parametrize("block", [1, 2])
def test_a_shift_touches_the_newest_position_alone(model: Sasrec, block: int) -> None:
    people = audience(model, block, [np.array([1, 2, 3], dtype=np.int32)], np.array([4], np.int32))
    shifted = people.hidden.clone()
    shifted[:, -1] += 1.0
    final = model.upper(shifted, people.items, people.cut)[:, -1]
    torch.testing.assert_close(
        people.scores(torch.ones(D_MODEL))[0, 4:], model.scores(final)[0, 4:]
    )


def test_gain_and_share_are_of_each_users_slate(people: Audience) -> None:
    found = _path(people.scores(), people)
    np.testing.assert_allclose(found.gains[0], 0.5)
    slates = people.scores().topk(20).indices.numpy()
    np.testing.assert_allclose(found.shares[0], CARRIES[slates].mean(1), rtol=1e-6)


def test_kept_is_interpolated_where_the_share_is_first_reached() -> None:
    shares, gains = np.array([0.1, 0.2, 0.4, 0.1]), np.array([1.0, 0.9, 0.5, 0.2])
    assert kept_at(shares, gains, 0.3) == pytest.approx(0.7)


def test_a_share_that_is_never_reached_keeps_nothing_known() -> None:
    assert np.isnan(kept_at(np.array([0.1, 0.2]), np.array([1.0, 0.9]), 0.3))


def test_a_mass_effect_is_measured_as_added(people: Audience, basis: Effects) -> None:
    def mass(shift: torch.Tensor | None) -> float:
        return float(torch.softmax(people.scores(shift), dim=1)[:, CARRIES].sum(1).mean())

    expected = mass(basis.vectors[3]) - mass(None)
    assert basis.mass[3, 0] == pytest.approx(expected, abs=1e-6)


def test_a_group_is_of_the_largest_effects_weighted_by_them(basis: Effects) -> None:
    first, second = np.argsort(-basis.mass[:, 0])[:2]
    weights = basis.mass[[first, second], 0]
    expected = weights[0] * basis.vectors[first] + weights[1] * basis.vectors[second]
    torch.testing.assert_close(group(basis, 0, 2), expected.float(), check_dtype=False)


def test_a_uniform_group_ignores_the_size_of_effects(basis: Effects) -> None:
    members = np.argsort(-basis.mass[:, 0])[:2]
    expected = basis.vectors[members].sum(0)
    torch.testing.assert_close(group(basis, 0, 2, weighting="uniform"), expected)
    torch.testing.assert_close(group(basis, 0, 2, weighting="unit"), 10 * expected)


def test_what_some_vectors_do_exactly_is_imitated_by_them() -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((5, N_ITEMS + 1))
    scores[2] = 2 * CARRIES + 7
    vectors = torch.eye(5)
    measured = Effects(vectors, np.zeros((5, 1)), scores, np.full(N_ITEMS + 1, 1 / N_ITEMS))
    half = 0.5 * vectors[2]
    torch.testing.assert_close(imitation(measured, CARRIES), half)
    torch.testing.assert_close(item_space_projection(measured, CARRIES), half, atol=0.02, rtol=0)


@pytest.mark.parametrize("name", ["embedding", "projection", "imitation"])
def test_each_direction_raises_the_attribute(people: Audience, basis: Effects, name: str) -> None:
    shift = {
        "embedding": embedding_difference(people, CARRIES),
        "projection": item_space_projection(basis, CARRIES),
        "imitation": imitation(basis, CARRIES),
    }[name]
    step = torch.nn.functional.normalize(shift, dim=-1)
    before, after = (torch.softmax(people.scores(s), dim=1)[:, CARRIES].sum() for s in (None, step))
    assert after > before


def test_a_rerank_at_full_strength_fills_the_slate(people: Audience) -> None:
    strong = rerank(people, CARRIES, 5).slates(100.0)
    n_left = [int(CARRIES.sum() - CARRIES[items].sum()) for items in people.histories]
    shares = path_along([strong], people, CARRIES).shares[0]
    np.testing.assert_allclose(shares, [min(n, 20) / 20 for n in n_left], rtol=1e-6)


def test_half_a_rerank_beside_no_shift_is_a_rerank_of_half_the_strength(people: Audience) -> None:
    plain = rerank(people, CARRIES, 5)
    half = half_rerank("half", people, torch.zeros(D_MODEL), CARRIES, plain)
    torch.testing.assert_close(half.slates(0.3), plain.slates(0.3))
    assert half.strengths[-1] == plain.strengths[-1] / 2


def test_a_rerank_of_probabilities_adds_to_them(people: Audience) -> None:
    rival = probability_rerank(people, CARRIES, 5)
    lifted = torch.softmax(people.scores(), dim=1) + 0.01 * torch.from_numpy(CARRIES)
    torch.testing.assert_close(
        rival.slates(0.01), slates_of(lifted.masked_fill(people.read(), -torch.inf))[:, :20]
    )
    torch.testing.assert_close(rival.slates(0.0), slates_of(people.scores()))


def test_a_dial_for_each_user_gives_everybody_the_share() -> None:
    path = DialPath(
        shares=np.array([[0.0, 0.4], [0.1, 0.6], [0.5, 0.8]]),
        gains=np.array([[1.0, 1.0], [0.9, 0.5], [0.8, 0.1]]),
    )
    own = dialled_per_user(path)
    np.testing.assert_allclose(
        own.shares[[0, 2, 10, 20]], [[0, 0.4], [0.1, 0.4], [0.5, 0.6], [0.5, 0.8]]
    )
    np.testing.assert_allclose(own.gains[10], [0.8, 0.5])


def test_the_strongest_leave_out_what_lowers_the_attribute(basis: Effects) -> None:
    assert (basis.strongest(0, 100).mass > 0).all()
    assert 0 < len(basis.strongest(0, 100).vectors) < len(basis.vectors)


def test_a_rival_equal_to_the_rerank_lies_on_its_frontier(people: Audience) -> None:
    plain = rerank(people, CARRIES, 5)
    found = _study([plain, dataclasses.replace(plain, name="twin")], people)
    over = [kept.over_rerank for kept in found.attributes[0].frontiers[-1].at]
    assert {band.value for band in over if band} == {0}
    assert found.summaries[-1].at[0].n_reached == 1


@pytest.fixture
def found(study: FrontierStudy) -> AttributeFrontier:
    return study.attributes[0]


def test_every_path_starts_at_the_models_own_slates(found: AttributeFrontier) -> None:
    for frontier in found.frontiers:
        assert frontier.shares[0] == pytest.approx(found.share)
        assert frontier.kept_shares[0] == 1


def test_the_wrong_sign_loses_share(found: AttributeFrontier) -> None:
    wrong = next(f for f in found.frontiers if f.rival == "wrong sign")
    assert wrong.shares[-1] < found.share


def test_rivals_have_names_of_their_own_and_a_known_kind(found: AttributeFrontier) -> None:
    names = [f.rival for f in found.frontiers]
    assert len(set(names)) == len(names)
    assert {RERANK, TODAY, LEARNED, f"{LEARNED}, one share for all"} <= set(names)
    assert {f.kind for f in found.frontiers} <= set(KINDS)


def test_an_interval_holds_its_estimate(found: AttributeFrontier) -> None:
    bands = [kept.kept for f in found.frontiers for kept in f.at if kept.kept is not None]
    assert bands
    assert all(band.low <= band.value <= band.high for band in bands)


def test_a_fixed_shift_has_the_length_of_its_strength(people: Audience) -> None:
    vector = torch.full((D_MODEL,), 3.0)
    rival = fixed_shift("one", "probe", people, vector, norm=2.0, steps=(0.0, 0.5))
    unit = torch.full((D_MODEL,), 2.0 / D_MODEL**0.5)
    torch.testing.assert_close(rival.slates(0.5), slates_of(people.scores(0.5 * unit)))


def test_a_dial_starts_at_nothing_and_steps_further_each_time() -> None:
    steps = np.diff(dial(2.0, 6))
    assert dial(2.0, 6)[0] == 0
    assert dial(2.0, 6)[-1] == 2
    assert (np.diff(steps) > 0).all()


def test_the_study_is_json(study: FrontierStudy) -> None:
    assert json.loads(json.dumps(dataclasses.asdict(study)))["n_users"] == 40
