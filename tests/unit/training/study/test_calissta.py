"""Calibration after CALISSTA: lists of concepts, interleaved by a target mix."""

import numpy as np
import pytest
import torch

from model_store.manifest import BaseModelShape, SaeKind, SaeShape
from training.sae import Sae
from training.sasrec import Sasrec
from training.study.audience import Audience, audience
from training.study.calissta import Calibration, calibration

N_ITEMS, D_MODEL = 60, 8
CONCEPTS = np.arange(N_ITEMS + 1)[:, None] % 3 == np.arange(3)
CONCEPTS[0] = False


@pytest.fixture(scope="module")
def people() -> Audience:
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=N_ITEMS, max_seq=6, d_model=D_MODEL, n_blocks=2, n_heads=1)
    model = Sasrec(shape).eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    histories = [rng.permutation(N_ITEMS)[:9].astype(np.int32) + 1 for _ in range(10)]
    return audience(model, 2, histories, np.ones(10, dtype=np.int32))


@pytest.fixture(scope="module")
def sae() -> Sae:
    torch.manual_seed(1)
    return Sae(SaeShape(kind=SaeKind.TOPK, d_sae=16, k=4), D_MODEL).requires_grad_(False)


@pytest.fixture(scope="module")
def steered(people: Audience, sae: Sae) -> Calibration:
    return calibration(people, sae, CONCEPTS, 0.5)


def test_without_steering_every_concepts_list_is_the_models_own(people: Audience, sae: Sae) -> None:
    lists = calibration(people, sae, CONCEPTS, 0.0).candidates
    own = people.scores().topk(lists.shape[2]).indices.numpy()
    n_left = N_ITEMS - 9
    assert all((lists[:, concept, :n_left] == own[:, :n_left]).all() for concept in range(3))


def test_a_mix_of_one_concept_is_the_beginning_of_its_list(steered: Calibration) -> None:
    np.testing.assert_array_equal(steered.slates(1, 1.0), steered.candidates[:, 1, :20])


def test_a_slate_holds_no_item_twice_and_none_of_the_history(
    people: Audience, steered: Calibration
) -> None:
    for history, slate in zip(people.histories, steered.slates(2, 0.4).tolist(), strict=True):
        assert len(set(slate)) == 20
        assert not set(slate) & set(history.tolist())


def test_proportions_are_of_the_history(people: Audience, steered: Calibration) -> None:
    expected = [CONCEPTS[items].mean(0) for items in people.histories]
    np.testing.assert_allclose(steered.proportions, expected)
