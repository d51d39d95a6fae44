"""The edit for many users at once is the edit that serves."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from model_store.cards import FeatureCard
from model_store.manifest import BaseModelShape, EditPositions, SaeKind, SaeShape
from steering.edit import edit
from steering.plan import Limits, plan_for
from steering.resolved import no_conditions, resolve_rules
from steering.rules import Attribute, Rule
from steering.rules import Operation as Served
from steering.space import FeatureSpace
from training.dosing import Operation, Subjects, Target
from training.sae import Sae
from training.sasrec import Sasrec
from training.study.audience import audience

GROUP = Target((5, 2, 7), (0.5, 0.3, 0.2))
GENRE = Attribute("genre", "Horror")
CARDS = [FeatureCard(feature_index=f, reference_activation=0.1 * f, density=0.5) for f in range(12)]


@pytest.fixture(scope="module")
def sae() -> Sae:
    torch.manual_seed(1)
    return Sae(SaeShape(kind=SaeKind.TOPK, d_sae=12, k=5), 16).requires_grad_(False)


def subjects(sae: Sae, positions: EditPositions) -> Subjects:
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=9, max_seq=6, d_model=16, n_blocks=2, n_heads=2)
    model = Sasrec(shape).eval().requires_grad_(False)
    histories = [np.arange(1, 3 + user, dtype=np.int32) for user in range(5)]
    people = audience(model, 1, histories, np.full(5, 9, dtype=np.int32))
    return Subjects.of(people, sae, positions, CARDS)


def served_shift(tried: Subjects, sae: Sae, rule: Rule, user: int) -> np.ndarray:
    """The shift of a user [n_edited, d_model] as the service computes it."""
    space = FeatureSpace.of(
        np.array([card.reference_activation for card in CARDS], dtype=np.float32),
        {GENRE: list(zip(GROUP.features, GROUP.weights, strict=True))},
    )
    plan = plan_for([resolve_rules([rule], space, no_conditions)], {}, Limits())
    hidden = tried.hidden[user].numpy()
    activations = sae.encode(tried.hidden[user]).numpy()
    return edit(plan, space, activations, hidden, sae.W_dec.numpy()).shift


@pytest.mark.parametrize("positions", EditPositions)
@pytest.mark.parametrize(
    ("operation", "strengths"), [("SCALE", (0.0, 3.0, 500.0)), ("ADD", (-2.0, 1.0, 60.0))]
)
@pytest.mark.parametrize("target", [GROUP, Target.one(4)])
def test_shifts_are_those_of_the_service(
    sae: Sae,
    positions: EditPositions,
    operation: Operation,
    strengths: Sequence[float],
    target: Target,
) -> None:
    tried = subjects(sae, positions)
    named = GENRE if target is GROUP else target.features[0]
    for strength in strengths:
        found = tried.shift(operation, target, strength)
        rule = Rule(Served[operation], named, strength)
        for user in range(tried.n_users):
            real = slice(-1, None) if positions is EditPositions.LAST else slice(-2 - user, None)
            expected = served_shift(tried, sae, rule, user)[real]
            np.testing.assert_allclose(found[user, real].numpy(), expected, atol=1e-5)


def test_padding_has_no_activation(sae: Sae) -> None:
    before = subjects(sae, EditPositions.ALL).before(GROUP)
    assert not before[0, :-2].any()
    assert before[0, -2:].any()


def test_a_target_without_activation_is_inactive(sae: Sae) -> None:
    tried = subjects(sae, EditPositions.LAST)
    active = tried.active(Target.one(3))
    moved = tried.shift("SCALE", Target.one(3), 4.0).flatten(1).any(1)
    assert active.tolist() == moved.tolist()


def test_the_first_users_keep_their_activations(sae: Sae) -> None:
    tried = subjects(sae, EditPositions.ALL)
    some = tried.first(2)
    assert some.n_users == 2
    assert torch.equal(some.before(GROUP), tried.before(GROUP)[:2])
