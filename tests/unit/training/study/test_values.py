"""Attribute values that a study asks about."""

import numpy as np

from training.dataset import Dataset, Item
from training.study.values import clusters, co_occurrence, popularity_terciles, study_values

HISTORIES = tuple(
    np.array(items, dtype=np.int32) for items in ([1, 2, 1], [2, 1], [3, 4], [4, 3], [3, 4])
)


def test_terciles_hold_a_third_of_the_interactions_each() -> None:
    history = np.repeat(np.arange(1, 8), [1, 1, 1, 3, 0, 3, 9]).astype(np.int32)
    assert popularity_terciles([history], 7).tolist() == [-1, 0, 0, 0, 0, 0, 1, 1]


def test_co_occurrence_is_the_cosine_of_readers() -> None:
    cosine = co_occurrence(HISTORIES, 5)
    np.testing.assert_allclose(cosine[1:5, 1:5], np.kron(np.eye(2), np.ones((2, 2))))
    assert cosine[5].sum() == 0


def test_clusters_are_items_that_are_read_together() -> None:
    found = clusters(co_occurrence(HISTORIES, 5), 2, seed=0)
    assert found[1] == found[2] != found[3] == found[4]
    assert found[[0, 5]].tolist() == [-1, -1]


def test_values_are_the_catalogues_then_popularity_then_clusters() -> None:
    items = tuple(Item(str(i), str(i), {"genre": ("A",) if i < 2 else ()}) for i in range(5))
    dataset = Dataset("few", items, tuple("abcde"), HISTORIES, "0" * 64)
    table = study_values(dataset, HISTORIES, min_items=2, n_clusters=2, seed=0)
    assert [value.name for value in table.values] == ["genre"] + 3 * ["popularity"] + 2 * [
        "cluster"
    ]
    assert table.carries.shape == (6, 6)
    assert not table.carries[0].any()
