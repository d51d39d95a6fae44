"""The base model: causality, padding, ages, cuts."""

import pytest
import torch
from torch import Tensor

from model_store.manifest import BaseModelShape
from training.sasrec import Cut, Sasrec

SHAPE = BaseModelShape(n_items=40, max_seq=8, d_model=16, n_blocks=2, n_heads=2)
HISTORY = [3, 17, 5, 29]
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def model() -> Sasrec:
    torch.manual_seed(0)
    model = Sasrec(SHAPE, dropout=0.5).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
        model.item_embedding.weight[0].zero_()
    return model.requires_grad_(False)


def _padded(history: list[int], seq: int) -> Tensor:
    return torch.tensor([[0] * (seq - len(history)) + history])


def test_padding_does_not_change_an_answer(model: Sasrec) -> None:
    alone = model.slate_scores(_padded(HISTORY, 4))
    padded = model.slate_scores(_padded(HISTORY, 8))
    torch.testing.assert_close(alone, padded, atol=TOLERANCE, rtol=0)


def test_a_position_does_not_see_newer_items(model: Sasrec) -> None:
    changed = _padded(HISTORY, 4)
    changed[0, -1] = 11
    before, after = model(_padded(HISTORY, 4)), model(changed)
    torch.testing.assert_close(before[:, :-1], after[:, :-1], atol=0, rtol=0)
    assert not torch.allclose(before[:, -1], after[:, -1])


def test_order_matters(model: Sasrec) -> None:
    forward, backward = _padded(HISTORY, 4), _padded(HISTORY[::-1], 4)
    assert not torch.allclose(model.slate_scores(forward), model.slate_scores(backward))


def test_a_row_of_padding_alone_gives_finite_scores(model: Sasrec) -> None:
    assert model.slate_scores(torch.zeros(1, 5, dtype=torch.long))[:, 1:].isfinite().all()


def test_the_newest_position_alone_is_what_the_whole_sequence_gives(model: Sasrec) -> None:
    items = _padded(HISTORY, 6)
    expected = model.scores(model(items)[:, -1])
    torch.testing.assert_close(model.slate_scores(items), expected, atol=TOLERANCE, rtol=0)


def test_rows_aligned_to_the_left_give_what_rows_aligned_to_the_right_do(model: Sasrec) -> None:
    padded = torch.tensor([[*HISTORY, 0, 0]])
    found = model.left_aligned(padded)[:, : len(HISTORY)]
    torch.testing.assert_close(found, model(_padded(HISTORY, 4)), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_lower_then_upper_is_the_whole_model(model: Sasrec, block: int) -> None:
    items, cut = _padded(HISTORY, 6), Cut(block)
    final = model.upper(model.lower(items, cut), items, cut)
    torch.testing.assert_close(final[:, -1], model(items)[:, -1], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("block", "positions"), [(1, 6), (2, 1), (3, 1)])
def test_the_last_block_keeps_the_newest_position(
    model: Sasrec, block: int, positions: int
) -> None:
    assert model.lower(_padded(HISTORY, 6), Cut(block)).shape == (1, positions, 16)


def test_the_last_hook_is_the_final_hidden_state_itself(model: Sasrec) -> None:
    items = _padded(HISTORY, 6)
    final = model.lower(items, Cut(SHAPE.n_blocks + 1, newest_only=False))
    assert torch.equal(final, model(items))
    assert model.upper(final, items, Cut(SHAPE.n_blocks + 1)) is final


def test_padding_is_never_the_best_item(model: Sasrec) -> None:
    assert model.slate_scores(_padded(HISTORY, 4))[0, 0] == -torch.inf
