"""A bundle once more in int8 or bfloat16: made, judged, published or refused."""

from pathlib import Path

import numpy as np
import pytest

from bench.synthetic import Workload, publish
from model_store.errors import BundleCorrupt
from model_store.load import load_bundle, read_manifest
from model_store.manifest import HookPoint, Manifest, Precision
from model_store.seal import seal
from model_store.store import Store
from service.rpc.models import model_to_proto
from training.bundle_files import write_bundle_files
from training.dataset import Dataset, Item
from training.errors import OtherCatalogue, VariantOfVariant, VariantRefused
from training.likeness import drawn_histories, overlap
from training.precision import CODES, WEIGHT_LEVELS, Range
from training.sae import Sae
from training.sasrec import Sasrec
from training.variant import Least, Made, publish_variant, write_variant

WORKLOAD = Workload("T", n_items=600, d_model=32, d_sae=64, max_seq=12, k=8)
ANYTHING = Least(0, 0, 0)
LOWER = [Precision.INT8, Precision.BFLOAT16]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(str(tmp_path / "store"))
    publish(WORKLOAD, made)
    return made


def _folder(store: Store, version: str) -> Path:
    return Path(store.root) / "bundles" / version


@pytest.fixture(params=LOWER)
def made(request: pytest.FixtureRequest, store: Store) -> Made:
    return publish_variant(store, "production", request.param)


def test_a_variant_loads_and_answers_its_own_golden_request(store: Store, made: Made) -> None:
    bundle = store.load(made.manifest.version)
    assert bundle.manifest.precision is made.manifest.precision


def test_a_variant_says_what_it_was_made_of_and_what_it_keeps(store: Store, made: Made) -> None:
    variant = store.manifest(made.manifest.version).variant
    assert variant is not None
    assert (variant.of, variant.histories) == ("synthetic-t-4", "drawn by popularity")
    assert 0.95 <= variant.overlap_at_10 <= 1
    assert variant.ndcg_kept_share is None


def test_the_contract_tells_precision_and_variant(made: Made) -> None:
    model = model_to_proto(made.manifest, [])
    assert model.precision > 1
    assert model.variant.base_version == "synthetic-t-4"
    assert not model.variant.HasField("ndcg_kept_share")


def test_rules_mean_the_same(store: Store, made: Made) -> None:
    base = store.manifest("synthetic-t-4")
    assert made.manifest.feature_space == base.feature_space
    for name in ("encoder.onnx", "sae.safetensors", "feature_cards.json", "upper.onnx"):
        assert made.manifest.files[name] == base.files[name]


def test_lower_graphs_are_smaller(store: Store, made: Made) -> None:
    base = store.manifest("synthetic-t-4")
    assert made.manifest.files["lower.onnx"].size_bytes < base.files["lower.onnx"].size_bytes


def test_a_row_of_a_variant_does_not_depend_on_its_neighbours(store: Store, made: Made) -> None:
    graphs = store.load(made.manifest.version).graphs
    items = np.random.default_rng(0).integers(1, 601, (9, 12))
    together = graphs.hidden(items)
    for row in range(len(items)):
        np.testing.assert_allclose(graphs.hidden(items[[row]])[0], together[row], atol=1e-5)


@pytest.mark.parametrize("figure", ["overlap_at_10", "overlap_at_20"])
def test_a_variant_that_keeps_too_little_is_refused_by_figure(store: Store, figure: str) -> None:
    least = Least(0, 0, 0)._replace(**{figure: 1.0})
    with pytest.raises(VariantRefused) as refused:
        publish_variant(store, "production", Precision.INT8, least=least)
    assert refused.value.figure == figure
    assert f"--least-{figure.replace('_', '-')}" in str(refused.value)
    assert store.versions() == ("synthetic-t-4",)


def test_a_variant_is_not_rounded_once_more(store: Store) -> None:
    made = publish_variant(store, "production", Precision.BFLOAT16)
    with pytest.raises(VariantOfVariant, match="make variants of synthetic-t-4"):
        publish_variant(store, made.manifest.version, Precision.INT8)


def _dataset(ids: range) -> Dataset:
    items = tuple(Item(str(i), "", {}) for i in ids)
    rng = np.random.default_rng(3)
    histories = tuple(rng.integers(1, 601, 9).astype(np.int32) for _ in range(300))
    return Dataset("other", items, tuple(map(str, range(300))), histories, "0" * 64)


def test_where_data_is_given_ndcg_is_compared_on_validation_users(store: Store) -> None:
    made = publish_variant(
        store, "production", Precision.BFLOAT16, dataset=_dataset(range(1, 601)), least=ANYTHING
    )
    assert made.judged.histories == "validation users of other"
    assert made.judged.ndcg_kept_share == pytest.approx(1, abs=0.2)


def test_data_of_another_catalogue_is_refused(store: Store) -> None:
    with pytest.raises(OtherCatalogue, match="trained on synthetic"):
        publish_variant(store, "production", Precision.INT8, dataset=_dataset(range(2, 602)))


@pytest.mark.parametrize("precision", LOWER)
@pytest.mark.parametrize("block", [1, 2, 3])
def test_every_hook_point_can_be_lowered(
    store: Store, tmp_path: Path, block: int, precision: Precision
) -> None:
    source = _cut_after(block, store, tmp_path / "source")
    bundle = load_bundle(source)
    seen = drawn_histories(bundle.catalogue, 12, 64, seed=0)
    write_variant(source, tmp_path / "variant", precision, seen)
    lowered = load_bundle(tmp_path / "variant", _sealed(tmp_path / "variant", bundle.manifest))
    items = np.random.default_rng(0).integers(1, 601, (20, 12))
    before, after = (
        own.graphs.top_k(own.graphs.hidden(items), items, items, 20).items
        for own in (bundle, lowered)
    )
    assert 0.9 < overlap(before, after, 20) <= 1


def _cut_after(block: int, store: Store, folder: Path) -> Path:
    """The store's bundle, trained anew with another hook point."""
    manifest = store.manifest("synthetic-t-4")
    cards = store.load("production").cards
    items = tuple(Item(str(i), "", {}) for i in range(1, 601))
    users = tuple(np.random.default_rng(5).integers(1, 601, (50, 12)).astype(np.int32))
    dataset = Dataset("synthetic", items, tuple(map(str, range(50))), users, "0" * 64)
    folder.mkdir()
    sae = Sae(manifest.sae, WORKLOAD.d_model)
    write_bundle_files(folder, Sasrec(manifest.base_model), sae, block, cards, dataset, users)
    hook = HookPoint(block=block, positions=manifest.hook_point.positions)
    sealed = _sealed(folder, manifest.model_copy(update={"hook_point": hook}))
    (folder / "manifest.json").write_text(sealed.model_dump_json())
    return folder


def _sealed(folder: Path, like: Manifest) -> Manifest:
    names = ("base_model", "hook_point", "sae", "data", "metrics")
    return seal(folder, **{name: getattr(like, name) for name in names})


def test_a_float32_manifest_is_one_that_older_replicas_read(store: Store) -> None:
    text = (_folder(store, "synthetic-t-4") / "manifest.json").read_text()
    assert "precision" not in text
    assert "variant" not in text
    assert read_manifest(_folder(store, "synthetic-t-4")).precision is Precision.FLOAT32


def test_an_altered_int8_graph_is_refused(store: Store) -> None:
    made = publish_variant(store, "production", Precision.INT8)
    path = _folder(store, made.manifest.version) / "lower.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleCorrupt, match=r"lower\.onnx"):
        store.load(made.manifest.version)


def test_int8_products_never_overflow_16_bits() -> None:
    assert np.iinfo(np.int16).max >= 2 * CODES * WEIGHT_LEVELS


def test_the_code_of_0_is_exact() -> None:
    seen = Range.of(np.array([0.3, 2.0], dtype=np.float32))
    assert (seen.lowest, seen.zero) == (0.0, 0)
    assert Range.of(np.array([-1.0, 3.0], dtype=np.float32)).zero == 64


def test_a_value_that_is_always_0_has_a_step() -> None:
    assert Range(0.0, 0.0).step == 1.0


def test_overlap_counts_items_and_not_places() -> None:
    before = np.array([[1, 2, 3, 4]])
    assert overlap(before, np.array([[2, 1, 9, 3]]), 2) == 1.0
    assert overlap(before, np.array([[2, 1, 9, 3]]), 3) == pytest.approx(2 / 3)
