"""The largest part of an edit inside a budget, against trying every part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steering.budget import FINEST, Budget, Kept, LargestPart, Relevance

SCORES = np.array([-np.inf, 3.0, 2.0, 1.0, 0.0, -1.0], dtype=np.float32)
"""Of padding and five items."""


def found(edge: float, *, is_whole_known: bool = False) -> float:
    """The part found where everything up to `edge` is inside."""
    search = LargestPart(is_whole_known=is_whole_known)
    while not search.is_done:
        search.read(search.proposals, search.proposals <= edge)
    return search.largest


@settings(deadline=None)
@given(st.floats(0, 1))
def test_the_largest_part_inside_is_found_as_finely_as_is_said(edge: float) -> None:
    assert edge - FINEST <= found(edge) <= edge


@settings(deadline=None)
@given(st.floats(0, 1, exclude_max=True))
def test_it_is_found_where_the_whole_was_tried_before(edge: float) -> None:
    assert edge - FINEST <= found(edge, is_whole_known=True) <= edge


def test_where_nothing_but_nothing_is_inside_nothing_is_carried_out() -> None:
    assert found(0.0) == 0.0


def test_a_whole_edit_inside_takes_one_round() -> None:
    search = LargestPart()
    search.read(search.proposals, np.ones(len(search.proposals), dtype=bool))
    assert (search.is_done, search.largest) == (True, 1.0)


def test_the_larger_of_two_stretches_inside_counts() -> None:
    search = LargestPart()
    while not search.is_done:
        parts = search.proposals
        search.read(parts, (parts < 0.2) | ((parts > 0.6) & (parts < 0.8)))
    assert 0.6 < search.largest < 0.8


def test_the_unsteered_slate_keeps_everything() -> None:
    items = np.array([1, 2, 3])
    assert Relevance(items, SCORES, 3).kept(items) == Kept(1.0, 1.0)


def test_order_does_not_count() -> None:
    assert Relevance(np.array([1, 2, 3]), SCORES, 3).kept(np.array([3, 1, 2])) == Kept(1.0, 1.0)


def test_relevance_is_the_share_of_unsteered_probability() -> None:
    kept = Relevance(np.array([1, 2]), SCORES, 2).kept(np.array([1, 4]))
    expected = (np.exp(3) + np.exp(0)) / (np.exp(3) + np.exp(2))
    assert [kept.overlap, kept.score_retained] == pytest.approx([0.5, expected])


def test_only_the_first_places_are_compared() -> None:
    kept = Relevance(np.array([1, 2, 3]), SCORES, 2).kept(np.array([2, 1, 5]))
    assert kept == Kept(1.0, 1.0)


def test_each_bound_holds_on_its_own() -> None:
    kept = Kept(overlap=0.5, score_retained=0.9)
    bounds = [Budget(0.6, 0.0, 10), Budget(0.0, 0.95, 10), Budget(0.5, 0.9, 10)]
    assert [budget.allows(kept) for budget in bounds] == [False, False, True]
