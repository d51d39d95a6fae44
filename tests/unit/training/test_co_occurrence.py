"""Items that the same users read."""

import numpy as np

from training.co_occurrence import clusters, co_occurrence, readers

HISTORIES = tuple(
    np.array(items, dtype=np.int32) for items in ([1, 2, 1], [2, 1], [3, 4], [4, 3], [3, 4])
)


def test_co_occurrence_is_the_cosine_of_readers() -> None:
    cosine = co_occurrence(readers(HISTORIES, 5), np.arange(1, 6))
    np.testing.assert_allclose(cosine[:4, :4], np.kron(np.eye(2), np.ones((2, 2))), rtol=1e-6)
    assert cosine[4].sum() == 0


def test_clusters_are_items_that_are_read_together() -> None:
    found = clusters(readers(HISTORIES, 5), 2, seed=0)
    assert found[1] == found[2] != found[3] == found[4]
    assert found[[0, 5]].tolist() == [-1, -1]


def test_clusters_are_the_same_by_the_same_seed() -> None:
    rng = np.random.default_rng(0)
    histories = [rng.permutation(60)[:20].astype(np.int32) + 1 for _ in range(80)]
    read = readers(histories, 60)
    assert (clusters(read, 5, seed=3) == clusters(read, 5, seed=3)).all()
