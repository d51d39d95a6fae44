"""A bundle of a large catalogue: its files, its loading, and what it answers."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bench.synthetic import Workload, publish
from model_store.bundle import Bundle
from model_store.catalogue import read_catalogue
from model_store.errors import BundleCorrupt
from model_store.graphs import Int64
from model_store.load import load_bundle, read_manifest
from model_store.manifest import BaseModelShape, Manifest
from model_store.seal import seal
from model_store.store import Store
from training.bundle_files import LARGE_CATALOGUE, is_scanned

WORKLOAD = Workload("T", n_items=LARGE_CATALOGUE, d_model=8, d_sae=32, max_seq=8, k=4)
K = 20


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    version = publish(WORKLOAD, Store(str(root)))
    return root / "bundles" / version


@pytest.fixture(scope="module")
def bundle(published: Path) -> Bundle:
    return load_bundle(published)


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    return shutil.copytree(published, tmp_path / "bundle")


def _histories() -> Int64:
    return np.random.default_rng(3).integers(1, WORKLOAD.n_items + 1, (40, WORKLOAD.max_seq))


def test_its_best_items_are_the_best_of_all_scores(bundle: Bundle) -> None:
    items = _histories()
    hidden = bundle.graphs.hidden(items)
    ranked = bundle.graphs.top_k(hidden, items, items, K)
    full = bundle.graphs.top_k_and_scores(hidden, items, items, K)
    # items whose scores round alike may change places
    own = np.take_along_axis(full.all_scores, ranked.items, axis=1)
    np.testing.assert_allclose(own, full.scores, atol=1e-5)
    np.testing.assert_allclose(ranked.scores, full.scores, atol=1e-4)


@pytest.mark.parametrize(
    ("n_items", "d_model", "is_it"),
    [
        (59_999, 16, False),
        (60_000, 16, True),
        (27_000, 128, True),
        (19_999, 256, False),
        (26_000, 128, False),
    ],
)
def test_what_is_scanned_is_a_question_of_items_and_of_their_width(
    n_items: int, d_model: int, *, is_it: bool
) -> None:
    shape = BaseModelShape(n_items=n_items, max_seq=8, d_model=d_model, n_blocks=1, n_heads=1)
    assert is_scanned(shape) == is_it


def test_a_history_alone_gets_the_slate_it_gets_among_others(bundle: Bundle) -> None:
    items = _histories()
    hidden = bundle.graphs.hidden(items)
    together = bundle.graphs.top_k(hidden, items, items, K)
    alone = bundle.graphs.top_k(hidden[:1], items[:1], items[:1], K)
    np.testing.assert_allclose(alone.scores[0], together.scores[0], atol=1e-5)
    assert len(set(alone.items[0]) & set(together.items[0])) >= K - 1


def test_its_catalogue_by_columns_is_that_of_the_lines(published: Path, bundle: Bundle) -> None:
    lines = read_catalogue(published / "catalogue.jsonl")
    assert bundle.catalogue.index_of == lines.index_of
    assert tuple(bundle.catalogue.titles) == lines.titles
    assert tuple(bundle.catalogue.attributes) == lines.attributes


def test_a_bundle_without_columns_loads(folder: Path, bundle: Bundle) -> None:
    (folder / "catalogue.safetensors").unlink()
    assert load_bundle(folder, _sealed(folder)).catalogue.item_ids == bundle.catalogue.item_ids


def test_columns_of_other_lines_are_refused(folder: Path) -> None:
    lines = (folder / "catalogue.jsonl").read_text()
    (folder / "catalogue.jsonl").write_text(lines.replace("Item 7", "Item seven"))
    with pytest.raises(BundleCorrupt, match=r"not made of the catalogue\.jsonl"):
        load_bundle(folder, _sealed(folder))


def test_its_graphs_hold_no_copy_of_the_item_vectors(published: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in published.iterdir()}
    vectors = 4 * WORKLOAD.n_items * WORKLOAD.d_model
    assert sizes["base_model.safetensors"] > vectors
    assert sizes["lower.onnx"] + sizes["upper.onnx"] + sizes["scan.onnx"] < vectors / 10


def _without(name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / "scan.safetensors")
        del tensors[name]
        save_file(tensors, folder / "scan.safetensors")

    return edit


def _too_sure(folder: Path) -> None:
    """Bounds of 0, and every other item copied as 0."""
    tensors = load_file(folder / "scan.safetensors")
    for name in tensors:
        if name in {"error", "norm"}:
            tensors[name] = np.zeros_like(tensors[name])
        elif name.startswith("codes"):
            tensors[name][:, ::2] = 0
    save_file(tensors, folder / "scan.safetensors")


def _negative(folder: Path) -> None:
    tensors = load_file(folder / "scan.safetensors")
    tensors["error"][3] = -1
    save_file(tensors, folder / "scan.safetensors")


def _no_weights(folder: Path) -> None:
    (folder / "scan.safetensors").unlink()


def _other_graph(folder: Path) -> None:
    shutil.copy(folder / "encoder.onnx", folder / "scan.onnx")


@pytest.mark.parametrize(
    ("edit", "file", "reason"),
    [
        (_without("error"), "scan.safetensors", "lacks the float32 tensor error"),
        (_negative, "scan.safetensors", "error holds a value that is not >= 0"),
        (_no_weights, "scan.safetensors", "every bundle with scan.onnx has it"),
        (_without("codes_0"), "scan.onnx", "ONNX Runtime refuses it"),
        (_other_graph, "scan.onnx", "outputs are"),
        (_too_sure, "golden.json", "the ranked scores are off"),
    ],
)
def test_a_scan_that_cannot_be_trusted_is_refused(
    folder: Path, edit: Callable[[Path], None], file: str, reason: str
) -> None:
    edit(folder)
    with pytest.raises(BundleCorrupt, match=reason) as refused:
        load_bundle(folder, _sealed(folder))
    assert refused.value.file == file


def _sealed(folder: Path) -> Manifest:
    """The manifest that says what is in the folder now."""
    old = read_manifest(folder)
    return seal(
        folder,
        base_model=old.base_model,
        hook_point=old.hook_point,
        sae=old.sae,
        data=old.data,
        metrics={},
    )
