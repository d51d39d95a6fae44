"""No matrix of scores or hidden states is larger than its bound, whatever the catalogue."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model_store.manifest import BaseModelShape
from training.batches import Items
from training.dataset import Dataset, Item
from training.evaluate import drawn_pieces, ranks_on_validation
from training.imitation import effects
from training.memory import HIDDEN_BYTES, SCORES_BYTES, rows_of_hidden, rows_of_scores
from training.sasrec import Sasrec
from training.split import leave_one_out
from training.study.audience import Audience, audience
from training.study.outcomes import slates_of

N_ITEMS = 500_000
N_USERS = 100
CPU = torch.device("cpu")


class Recording(Sasrec):
    """A base model that remembers the size of every matrix of scores that it makes."""

    def __init__(self, shape: BaseModelShape) -> None:
        super().__init__(shape)
        self.sizes: list[int] = []

    def scores(self, final: Tensor) -> Tensor:
        """Those of the base model."""
        made = super().scores(final)
        self.sizes.append(made.nbytes)
        return made


def _histories(n_items: int, n_users: int = N_USERS) -> list[Items]:
    rng = np.random.default_rng(0)
    return [rng.integers(1, n_items + 1, 4).astype(np.int32) for _ in range(n_users)]


@pytest.fixture
def model() -> Recording:
    """Of a catalogue of which all users' scores exceed the bound."""
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=N_ITEMS, max_seq=4, d_model=4, n_blocks=1, n_heads=1)
    return Recording(shape).eval().requires_grad_(False)


@pytest.fixture
def people(model: Recording) -> Audience:
    """More users than have scores at once."""
    histories = _histories(N_ITEMS)
    return audience(model, 1, histories, np.ones(N_USERS, dtype=np.int32))


def _within(model: Recording) -> bool:
    return 0 < max(model.sizes) <= SCORES_BYTES and len(model.sizes) > 1


def test_a_small_catalogue_is_not_divided() -> None:
    assert rows_of_scores(12_611) > 2_000
    assert rows_of_scores(65_000) > 256


def test_the_largest_catalogue_is_scored_a_user_at_a_time() -> None:
    assert rows_of_scores(10**9) == 1


def test_slates_of_many_users_are_made_from_bounded_scores(
    model: Recording, people: Audience
) -> None:
    found = people.slates()
    assert _within(model)
    assert torch.equal(found, slates_of(people.scores()))


def test_effects_are_measured_from_bounded_scores(model: Recording, people: Audience) -> None:
    carries = np.arange(N_ITEMS + 1)[:, None] % 7 == 1
    vectors = torch.randn(2, 4)
    found = effects(people, vectors, carries)
    assert _within(model)
    plain, moved = people.scores(), people.scores(vectors[0])
    change = (torch.softmax(moved, 1) - torch.softmax(plain, 1))[:, carries[:, 0]].sum(1).mean()
    assert found.mass[0, 0] == pytest.approx(float(change), abs=1e-6)
    shown = torch.isfinite(plain)
    mean = torch.where(shown, moved - plain, 0.0).sum(0) / shown.sum(0).clamp_min(1)
    torch.testing.assert_close(torch.from_numpy(found.scores[0]), mean.double(), atol=1e-5, rtol=0)


def test_validation_ranks_from_bounded_scores(model: Recording) -> None:
    items = tuple(Item(str(i), str(i), {}) for i in range(N_ITEMS))
    users = tuple(map(str, range(N_USERS)))
    split = leave_one_out(Dataset("wide", items, users, tuple(_histories(N_ITEMS)), "0" * 64))
    ranks_on_validation(model.slate_scores, model, split, CPU)
    assert _within(model)


def test_hidden_states_beyond_the_bound_are_those_of_windows_drawn_at_random() -> None:
    pieces = _histories(50, n_users=30)
    drawn = drawn_pieces(pieces, 50)
    assert sum(map(len, drawn)) == 48
    assert len({id(piece) for piece in drawn} & {id(piece) for piece in pieces}) == 12


def test_hidden_states_within_the_bound_are_all_held() -> None:
    pieces = _histories(50, n_users=30)
    assert drawn_pieces(pieces, 120) == pieces
    assert rows_of_hidden(64) * 64 * 4 <= HIDDEN_BYTES
