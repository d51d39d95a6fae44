"""Our ranking metrics are those of ranx: on random scores, and on real ones full of ties."""

import warnings

import numpy as np
import numpy.typing as npt
import pytest

from training.dataset import Dataset
from training.metrics import hit_rate, mrr, ndcg, popularity_scores, ranks
from training.split import leave_one_out

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # numba, which ranx compiles with, warns of its own changes
    from ranx import Qrels, Run, evaluate

Case = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
Excluded = list[npt.NDArray[np.int64]]

N_USERS, N_ITEMS = 300, 120


@pytest.fixture(scope="module")
def case() -> Case:
    """Scores without ties [n, n_items + 1], and targets [n]."""
    random = np.random.default_rng(7)
    order = [random.permutation(N_ITEMS + 1) for _ in range(N_USERS)]
    return np.array(order, dtype=np.float32), random.integers(1, N_ITEMS + 1, N_USERS)


@pytest.fixture(scope="module")
def excluded() -> Excluded:
    random = np.random.default_rng(8)
    return [random.integers(1, N_ITEMS + 1, random.integers(0, 9)) for _ in range(N_USERS)]


def reference(
    scores: npt.NDArray[np.float32],
    targets: npt.NDArray[np.int64],
    excluded: Excluded,
    metric: str,
) -> float:
    """What ranx says of the same runs, excluded items not handed in."""
    wanted = {str(user): {str(target): 1} for user, target in enumerate(targets)}
    run = {
        str(user): {
            str(item): float(scores[user, item])
            for item in range(1, scores.shape[1])
            if item not in excluded[user]
        }
        for user in range(len(scores))
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(evaluate(Qrels(wanted), Run(run), metric))


@pytest.mark.parametrize("k", [1, 10, N_ITEMS])
def test_hit_rate_is_that_of_ranx(case: Case, excluded: Excluded, k: int) -> None:
    places = ranks(*case, excluded)
    assert hit_rate(places, k) == pytest.approx(reference(*case, excluded, f"hit_rate@{k}"))


@pytest.mark.parametrize("k", [1, 10, N_ITEMS])
def test_ndcg_is_that_of_ranx(case: Case, excluded: Excluded, k: int) -> None:
    places = ranks(*case, excluded)
    assert ndcg(places, k) == pytest.approx(reference(*case, excluded, f"ndcg@{k}"))


@pytest.mark.parametrize("k", [10, None])
def test_mrr_is_that_of_ranx(case: Case, excluded: Excluded, k: int | None) -> None:
    places = ranks(*case, excluded)
    name = "mrr" if k is None else f"mrr@{k}"
    assert mrr(places, k) == pytest.approx(reference(*case, excluded, name))


N_REAL_USERS = 150


def without_ties(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scores of the same order, a tie won by the smaller item index: ranx leaves ties to chance."""
    order = np.argsort(-scores, axis=1, kind="stable")
    distinct = np.empty_like(scores)
    np.put_along_axis(distinct, order, np.arange(scores.shape[1], 0, -1)[None].astype("f4"), 1)
    return distinct


@pytest.mark.parametrize("metric", ["hit_rate", "ndcg"])
def test_full_catalogue_rankings_with_ties_are_those_of_ranx(ml100k: Dataset, metric: str) -> None:
    split = leave_one_out(ml100k)
    counts = popularity_scores(split.train, ml100k.n_items)
    scores = np.repeat(counts[None], N_REAL_USERS, axis=0)
    rows = slice(N_REAL_USERS)
    targets = split.test_targets[rows].astype(np.int64)
    history = [items.astype(np.int64) for items in split.test_inputs[rows]]
    assert len(np.unique(counts)) < ml100k.n_items / 4
    ours = {"hit_rate": hit_rate, "ndcg": ndcg}[metric](ranks(scores, targets, history), 10)
    theirs = reference(without_ties(scores), targets, history, f"{metric}@10")
    assert ours == pytest.approx(theirs)
    assert 0 < ours < 1
