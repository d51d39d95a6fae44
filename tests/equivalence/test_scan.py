"""The int8 scan answers what scoring and sorting every item answers, whatever the items are.

The reference is a dot product in float64, rounded to float32, and a stable sort of all items.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from model_store.bounds import Float32
from model_store.files import SCAN_FILE, SCAN_WEIGHTS_FILE
from model_store.graphs import Graphs, Int64, TopK
from model_store.manifest import BaseModelShape, SaeKind, SaeShape
from model_store.scan import Scan
from model_store.scanned import Rounded
from training.bundle_files import save_model
from training.export import write_graphs
from training.sae import Sae
from training.sasrec import Sasrec
from training.scan import scan_graph, write_scan

N_ITEMS, D_MODEL = 13_001, 32
"""More than one block of items, the last group not full."""
ABOVE_NORM = 2
"""Hook after the final norm of a model with one block: hidden states are final, and free."""
SEQ = np.ones((1, 1), dtype=np.int64)

Vectors = Callable[[np.random.Generator], Float32]


def _normal(rng: np.random.Generator) -> Float32:
    return rng.standard_normal((N_ITEMS, D_MODEL)).astype(np.float32)


def _near_ties(rng: np.random.Generator) -> Float32:
    """Hundreds of copies of some items, moved by about one unit in the last place."""
    copies = np.repeat(_normal(rng)[:40], N_ITEMS // 40 + 1, axis=0)[:N_ITEMS]
    return np.asarray(copies * (1 + 1e-7 * _normal(rng)), dtype=np.float32)


def _duplicates(rng: np.random.Generator) -> Float32:
    """Each item five times, far from each other."""
    return np.tile(_normal(rng)[: N_ITEMS // 5 + 1], (5, 1))[:N_ITEMS]


def _all_equal(rng: np.random.Generator) -> Float32:
    return np.repeat(_normal(rng)[:1], N_ITEMS, axis=0)


def _few_huge(rng: np.random.Generator) -> Float32:
    vectors = _normal(rng)
    vectors[rng.choice(N_ITEMS, 300, replace=False)] *= 1e6
    return vectors


def _power_law(rng: np.random.Generator) -> Float32:
    return np.asarray(_normal(rng) * rng.pareto(1, (N_ITEMS, 1)), dtype=np.float32)


def _almost_infinite(rng: np.random.Generator) -> Float32:
    vectors = _normal(rng)
    vectors[:3] *= np.float32(1e37)
    return vectors


def _almost_zero(rng: np.random.Generator) -> Float32:
    return _normal(rng) * np.float32(1e-41)


def _one_sided(rng: np.random.Generator) -> Float32:
    """One component far above the others: steps are coarse for those."""
    vectors = _normal(rng)
    vectors[:, 0] += 200
    return vectors


def _zero(rng: np.random.Generator) -> Float32:
    return np.zeros((N_ITEMS, D_MODEL), dtype=np.float32)


KINDS: list[Vectors] = [
    _normal,
    _near_ties,
    _duplicates,
    _all_equal,
    _few_huge,
    _power_law,
    _almost_infinite,
    _almost_zero,
    _one_sided,
    _zero,
]


def _model(vectors: Float32) -> Sasrec:
    shape = BaseModelShape(n_items=N_ITEMS, max_seq=1, d_model=D_MODEL, n_blocks=1, n_heads=1)
    model = Sasrec(shape).eval().requires_grad_(False)
    model.item_embedding.weight[1:] = torch.from_numpy(vectors)
    return model


def _scan(folder: Path, vectors: Float32, *, lists: bool) -> Scan:
    model = _model(vectors)
    save_model(folder / "base_model.safetensors", model)
    write_scan(folder, model, ABOVE_NORM, lists=lists)
    return Scan(folder, n_items=N_ITEMS)


class Case:
    """A scan and what it scans."""

    def __init__(self, folder: Path, kind: Vectors, *, lists: bool) -> None:
        self.folder = folder
        self.vectors = kind(np.random.default_rng(0))
        self.scan = _scan(folder, self.vectors, lists=lists)

    def scores(self, final: Float32) -> Float32:
        """[n_items + 1] of one history."""
        with np.errstate(over="ignore"):
            exact = (self.vectors.astype(np.float64) @ final.astype(np.float64)).astype(np.float32)
        return np.concatenate([[np.float32(-np.inf)], exact])


@pytest.fixture(scope="module", params=[False, True], ids=["groups' peaks", "items' scores"])
def lists(request: pytest.FixtureRequest) -> bool:
    """What the copies tell."""
    return bool(request.param)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__[1:])
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, *, lists: bool
) -> Case:
    return Case(tmp_path_factory.mktemp("scan"), request.param, lists=lists)


def _asked(scan: Scan, final: Float32, excluded: Int64, k: int) -> TopK:
    return scan.top_k(final[:, np.newaxis], SEQ.repeat(len(final), axis=0), excluded, k)


def _expected(scores: Float32, excluded: Int64, k: int) -> tuple[Int64, Float32]:
    left = scores.copy()
    left[excluded] = -np.inf
    best = np.argsort(-left, kind="stable")[:k]
    best = best[~np.isneginf(left[best])]
    return best, left[best]


def _assert_exact(case: Case, final: Float32, excluded: Int64, k: int) -> None:
    answer = _asked(case.scan, final, excluded, k)
    for row, own in enumerate(final):
        items, scores = _expected(case.scores(own), excluded[row], k)
        # float64 sums in another order may differ in the last bit of float32, and only there
        np.testing.assert_allclose(answer.scores[row, : len(scores)], scores, rtol=2e-7, atol=1e-44)
        swapped = answer.items[row, : len(items)] != items
        exact = case.scores(own)
        np.testing.assert_allclose(
            exact[answer.items[row, : len(items)][swapped]], exact[items[swapped]], rtol=2e-7
        )


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_scan_is_exact(case: Case, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    batch, k = data.draw(st.integers(1, 5)), data.draw(st.sampled_from([1, 5, 20, 150, 1000]))
    size = data.draw(st.sampled_from([1e-3, 1.0, 30.0]))
    final = (size * rng.standard_normal((batch, D_MODEL))).astype(np.float32)
    excluded = rng.integers(0, N_ITEMS + 1, (batch, data.draw(st.sampled_from([0, 1, 60]))))
    _assert_exact(case, final, excluded, k)


def test_the_best_may_all_be_excluded(case: Case) -> None:
    final = np.random.default_rng(5).standard_normal((3, D_MODEL)).astype(np.float32)
    excluded = np.stack([_expected(case.scores(own), np.array([0]), 400)[0] for own in final])
    _assert_exact(case, final, excluded, 20)


def test_a_history_of_zeros_scores_every_item_alike(case: Case) -> None:
    final = np.zeros((1, D_MODEL), dtype=np.float32)
    answer = _asked(case.scan, final, np.array([[2]]), 4)
    assert answer.items.tolist() == [[1, 3, 4, 5]]


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory, *, lists: bool) -> Case:
    return Case(tmp_path_factory.mktemp("scan"), _normal, lists=lists)


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory, *, lists: bool) -> Case:
    return Case(tmp_path_factory.mktemp("scan"), _all_equal, lists=lists)


FINAL = np.random.default_rng(7).standard_normal((4, D_MODEL)).astype(np.float32)
NOTHING = np.zeros((4, 0), dtype=np.int64)


def test_the_shortlist_of_ordinary_items_is_short(normal: Case) -> None:
    scanned = normal.scan.scanned(FINAL[:, np.newaxis], SEQ.repeat(4, axis=0))
    found = normal.scan.shortlist(scanned, NOTHING, 20)
    assert not found.whole.size
    assert len(found.scores.item) < 4 * 100


def test_where_too_many_items_could_be_best_all_are_scored(equal: Case) -> None:
    scanned = equal.scan.scanned(FINAL[:, np.newaxis], SEQ.repeat(4, axis=0))
    assert equal.scan.shortlist(scanned, NOTHING, 20).whole.tolist() == [0, 1, 2, 3]
    assert _asked(equal.scan, FINAL, NOTHING, 3).items.tolist() == [[1, 2, 3]] * 4


def test_where_most_places_are_asked_for_all_items_are_scored(normal: Case) -> None:
    scanned = normal.scan.scanned(FINAL[:, np.newaxis], SEQ.repeat(4, axis=0))
    assert len(normal.scan.shortlist(scanned, NOTHING, 1000).whole) == len(FINAL)
    _assert_exact(normal, FINAL, NOTHING, 1000)


def test_a_row_does_not_depend_on_its_neighbours(normal: Case) -> None:
    together = _asked(normal.scan, FINAL, NOTHING, 20)
    for row in range(len(FINAL)):
        alone = _asked(normal.scan, FINAL[[row]], NOTHING[[row]], 20)
        np.testing.assert_array_equal(alone.items[0], together.items[row])
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])


def test_places_that_no_item_is_left_for_score_minus_infinity(normal: Case) -> None:
    excluded = np.arange(3, N_ITEMS + 1)[np.newaxis]
    answer = _asked(normal.scan, FINAL[:1], excluded, 4)
    assert sorted(answer.items[0, :2].tolist()) == [1, 2]
    assert np.isneginf(answer.scores[0, 2:]).all()


def test_no_promise_is_broken(case: Case) -> None:
    """What the best item of a group scores is never more than the group's peak lets it."""
    scanned = case.scan.scanned(FINAL[:, np.newaxis], SEQ.repeat(4, axis=0))
    groups = np.arange(case.scan.n_groups)
    for row, own in enumerate(FINAL):
        best = np.maximum.reduceat(case.scores(own), groups * 32).astype(np.float64)
        rounded = Rounded(*(of[row].repeat(len(groups)) for of in scanned.rounded()))
        step = scanned.step[row].repeat(len(groups))
        with np.errstate(over="ignore", invalid="ignore"):
            lowest = rounded.lowest(best, step, case.scan.bounds.table).diagonal()
        assert not (scanned.peaks[row] < lowest).any()


def test_a_scan_that_tells_every_score_has_one_block(normal: Case, *, lists: bool) -> None:
    with safe_open(normal.folder / SCAN_WEIGHTS_FILE, "numpy") as stored:
        blocks = [name for name in stored.keys() if name.startswith("codes_")]  # noqa: SIM118
    assert len(blocks) == (1 if lists else 2)


def test_every_score_may_be_told_of_several_blocks(tmp_path: Path) -> None:
    """As in bundles that were trained before all items made one block."""
    vectors = _normal(np.random.default_rng(0))
    scan = _scan(tmp_path, vectors, lists=False)
    graph = scan_graph(_model(vectors), ABOVE_NORM, tmp_path / SCAN_WEIGHTS_FILE, lists=True)
    onnx.save(graph, tmp_path / SCAN_FILE)
    listing = Scan(tmp_path, n_items=N_ITEMS)
    assert listing.graph.outputs.keys() - scan.graph.outputs.keys() == {"scores"}
    expected, answer = _asked(scan, FINAL, NOTHING, 20), _asked(listing, FINAL, NOTHING, 20)
    np.testing.assert_array_equal(expected.items, answer.items)
    np.testing.assert_array_equal(expected.scores, answer.scores)


@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("is_mapped", [True, False], ids=["shared vectors", "own vectors"])
def test_the_scan_answers_as_the_upper_graph(
    tmp_path: Path, block: int, *, is_mapped: bool
) -> None:
    torch.manual_seed(0)
    shape = BaseModelShape(n_items=13_001, max_seq=12, d_model=32, n_blocks=2, n_heads=2)
    model = Sasrec(shape).eval().requires_grad_(False)
    sae = Sae(SaeShape(kind=SaeKind.TOPK, d_sae=64, k=8), shape.d_model).eval()
    path = tmp_path / "base_model.safetensors"
    save_model(path, model)
    write_graphs(tmp_path, model, sae, block, path if is_mapped else None)
    write_scan(tmp_path, model, block)
    scan = Scan(tmp_path, n_items=shape.n_items)
    graphs = Graphs(tmp_path, n_items=shape.n_items)
    items = np.random.default_rng(0).integers(1, shape.n_items + 1, (40, 12))
    hidden = graphs.hidden(items)
    full, scanned = graphs.top_k(hidden, items, items, 20), scan.top_k(hidden, items, items, 20)
    np.testing.assert_array_equal(full.items, scanned.items)
    np.testing.assert_allclose(full.scores, scanned.scores, atol=2e-5)
