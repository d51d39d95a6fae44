"""Doses at a hook: groups made on the spot, and controls of equal norm."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from model_store.manifest import BaseModelShape, EditPositions, SaeKind, SaeShape
from training.sae import Sae
from training.sasrec import Sasrec
from training.study.audience import audience
from training.study.doses import (
    EDITS,
    AttributeDoses,
    Controls,
    DoseCurve,
    DosesSettings,
    DosesStudy,
    attribute_doses,
    replaced,
)
from training.study.hooks import Hook, dimension_at, group_at, mean_gradient, references

N_ITEMS, D_MODEL = 60, 8
CARRIES = np.arange(N_ITEMS + 1) % 4 == 1


def hook_of(block: int) -> Hook:
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=N_ITEMS, max_seq=6, d_model=D_MODEL, n_blocks=2, n_heads=1)
    model = Sasrec(shape).eval().requires_grad_(False)
    sae = Sae(SaeShape(kind=SaeKind.TOPK, d_sae=32, k=6), D_MODEL).requires_grad_(False)
    rng = np.random.default_rng(0)
    histories = [rng.permutation(N_ITEMS)[:9].astype(np.int32) + 1 for _ in range(40)]
    people = audience(model, block, histories, np.ones(40, dtype=np.int32))
    return Hook(block, sae, people, people, references(sae.encode(people.newest)))


@pytest.fixture(scope="module", params=[1, 2, 3])
def hook(request: pytest.FixtureRequest) -> Hook:
    return hook_of(int(request.param))


@pytest.fixture(scope="module")
def found(hook: Hook) -> AttributeDoses:
    target = group_at(hook, CARRIES)
    assert target is not None
    settings = DosesSettings(add_strengths=(1, 8), scale_strengths=(1, 4), n_random=2, draws=10)
    return attribute_doses("genre=Fourth", hook, target, CARRIES, settings)


def curve_of(found: AttributeDoses, operation: str, edit: str) -> DoseCurve:
    return next(c for c in found.curves if (c.operation, c.edit) == (operation, edit))


def test_a_group_raises_its_attribute_and_the_wrong_sign_lowers_it(found: AttributeDoses) -> None:
    assert curve_of(found, "ADD", "group").shares[1].value > found.share
    assert curve_of(found, "ADD", "wrong sign").shares[1].value < found.share


def test_a_factor_of_one_changes_nothing(found: AttributeDoses) -> None:
    curve = curve_of(found, "SCALE", "group")
    assert curve.norm_shares[0] == 0
    assert curve.shares[0].value == pytest.approx(found.share, abs=1e-5)


@pytest.mark.parametrize("edit", EDITS)
def test_a_control_is_as_long_as_the_group_for_each_user_and_position(edit: str) -> None:
    shift = torch.randn(5, 3, D_MODEL)
    units = torch.nn.functional.normalize(torch.randn(3, D_MODEL), dim=1)
    for instead in replaced(shift, edit, Controls(units[:2], units[2])):
        torch.testing.assert_close(instead.norm(dim=2), shift.norm(dim=2))


def test_all_positions_are_edited_only_below_the_last_block(found: AttributeDoses) -> None:
    expected = ["last", "all"] if found.block == 1 else ["last"]
    assert list(dict.fromkeys(curve.positions for curve in found.curves)) == expected
    assert len(found.curves) == 2 * len(EDITS) * len(expected)


def test_an_edit_of_all_positions_gives_other_slates_than_one_of_the_last() -> None:
    hook = hook_of(1)
    shift = torch.ones(40, hook.people.hidden.shape[1], D_MODEL)
    assert hook.people.edited(EditPositions.ALL).shape == shift.shape
    everywhere, newest = hook.people.scores(shift), hook.people.scores(shift[:, -1:])
    assert not torch.allclose(everywhere, newest)


def test_the_gradient_is_that_of_small_steps(hook: Hook) -> None:
    step = 0.01 * torch.nn.functional.normalize(torch.ones(D_MODEL), dim=0)

    def log_odds(sign: int) -> float:
        mass = torch.softmax(hook.people.scores(sign * step), dim=1)[:, CARRIES].sum(1)
        return float(torch.logit(mass).mean())

    expected = float(mean_gradient(hook.people, CARRIES) @ step)
    assert log_odds(1) - log_odds(-1) == pytest.approx(2 * expected, rel=0.05, abs=1e-5)


def test_the_hidden_dimension_raises_the_attribute(hook: Hook) -> None:
    direction = dimension_at(hook, CARRIES)
    assert torch.count_nonzero(direction) == 1
    before, after = (
        torch.softmax(hook.people.scores(shift), dim=1)[:, CARRIES].sum()
        for shift in (None, 0.1 * direction)
    )
    assert after > before


def test_a_reference_is_of_what_fires() -> None:
    activations = torch.tensor([[0.0, 1.0], [0.0, 3.0], [0.0, 0.0]])
    torch.testing.assert_close(references(activations), torch.tensor([0.0, 2.98]))


def test_the_study_is_json(found: AttributeDoses) -> None:
    study = DosesStudy(40, 2, (found,))
    assert json.loads(json.dumps(dataclasses.asdict(study)))["n_blocks"] == 2
