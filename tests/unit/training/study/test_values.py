"""Attribute values that a study asks about."""

import numpy as np

from training.dataset import Dataset, Item
from training.study.values import popularity_terciles, study_values

HISTORIES = tuple(
    np.array(items, dtype=np.int32) for items in ([1, 2, 1], [2, 1], [3, 4], [4, 3], [3, 4])
)


def test_terciles_hold_a_third_of_the_interactions_each() -> None:
    history = np.repeat(np.arange(1, 8), [1, 1, 1, 3, 0, 3, 9]).astype(np.int32)
    assert popularity_terciles([history], 7).tolist() == [-1, 0, 0, 0, 0, 0, 1, 1]


def test_values_are_the_catalogues_then_popularity_then_clusters() -> None:
    items = tuple(Item(str(i), str(i), {"genre": ("A",) if i < 2 else ()}) for i in range(5))
    dataset = Dataset("few", items, tuple("abcde"), HISTORIES, "0" * 64)
    table, _ = study_values(dataset, HISTORIES, min_items=2, max_values=9, n_clusters=2, seed=0)
    assert [value.name for value in table.values] == ["genre"] + 3 * ["popularity"] + 2 * [
        "cluster"
    ]
    assert table.carries.shape == (6, 6)
    assert not table.carries[0].any()


def test_the_values_that_are_read_most_are_kept_and_the_rest_counted() -> None:
    genres = ["Rare", "Rare", "Often", "Often", "Common", "Common"]
    items = tuple(Item(str(i), str(i), {"genre": (genre,)}) for i, genre in enumerate(genres))
    histories = [np.array([1, 3, 3, 4, 5, 6], dtype=np.int32)]
    dataset = Dataset("few", items, ("a",), tuple(histories), "0" * 64)
    table, left_out = study_values(
        dataset, histories, min_items=2, max_values=2, n_clusters=0, seed=0
    )
    assert [value.value for value in table.values][:2] == ["Common", "Often"]
    assert left_out == 1
