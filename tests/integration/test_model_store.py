"""Publishing, labelling and loading, on a local store and on one in memory."""

import shutil
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model_store.errors import (
    BundleCorrupt,
    BundleMissing,
    LabelMalformed,
    LabelMissing,
    NothingToRollBackTo,
    VersionExists,
)
from model_store.location import Location
from model_store.manifest import Manifest
from model_store.store import Store
from tests.bundles import sealed, tiny_bundle
from tests.tiny_model import TinyModel

MODEL = TinyModel()


@pytest.fixture(params=["local", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    roots = {
        "local": str(tmp_path / "store"),
        "file": f"file://{tmp_path / 'store'}",
        "memory": f"memory://{uuid.uuid4().hex}",
    }
    return Store(roots[request.param])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle")
    tiny_bundle(path, MODEL)
    return path


def manifest(folder: Path, version: str, year: int = 2026) -> Manifest:
    return sealed(folder, MODEL, version=version, created_at=datetime(year, 1, 1, tzinfo=UTC))


def publish(store: Store, folder: Path, *versions: str) -> None:
    for year, version in enumerate(versions, start=2001):
        store.publish(folder, manifest(folder, version, year))


def damage(store: Store, version: str) -> None:
    Location(store.root).replace(f"bundles/{version}/golden.json", b"{}")


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.versions() == ()
    assert store.labels() == {}


def test_a_published_bundle_loads(store: Store, folder: Path, tmp_path: Path) -> None:
    publish(store, folder, "v1")
    assert store.load("v1", tmp_path / "cache").version == "v1"


def test_a_published_manifest_reads_back(store: Store, folder: Path) -> None:
    publish(store, folder, "v1")
    assert store.manifest("v1") == manifest(folder, "v1", 2001)


def test_versions_are_newest_first(store: Store, folder: Path) -> None:
    publish(store, folder, "b", "a", "c")
    assert store.versions() == ("c", "a", "b")


def test_a_version_with_a_garbled_manifest_is_listed_last(store: Store, folder: Path) -> None:
    publish(store, folder, "v1", "v2")
    Location(store.root).replace("bundles/v2/manifest.json", b"{")
    assert store.versions() == ("v1", "v2")


def test_a_version_is_never_published_twice(store: Store, folder: Path) -> None:
    publish(store, folder, "v1")
    with pytest.raises(VersionExists, match="'v1' is published already"):
        publish(store, folder, "v1")


def test_a_bundle_that_does_not_verify_is_not_published(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / "golden.json").write_text("{}")
    with pytest.raises(BundleCorrupt, match=r"golden\.json"):
        store.publish(broken, manifest(folder, "v1"))
    assert not Location(store.root).exists("bundles/v1")


def test_a_half_published_version_is_invisible(store: Store, folder: Path) -> None:
    Location(store.root).upload(folder / "lower.onnx", "bundles/v1/lower.onnx")
    assert store.versions() == ()
    with pytest.raises(BundleMissing):
        store.load("v1")


def test_a_half_published_version_can_be_published(store: Store, folder: Path) -> None:
    Location(store.root).upload(folder / "lower.onnx", "bundles/v1/left-over.onnx")
    publish(store, folder, "v1")
    assert store.load("v1").version == "v1"


def test_a_manifest_under_another_versions_name_is_refused(store: Store, folder: Path) -> None:
    contents = manifest(folder, "v1").model_dump_json().encode()
    Location(store.root).replace("bundles/v2/manifest.json", contents)
    with pytest.raises(BundleCorrupt, match=r"manifest\.json: of 'v1', stored as 'v2'"):
        store.load("v2")


@pytest.mark.parametrize("name", ["absent", "", "..", "../labels", "a/b"])
def test_a_name_that_is_not_there_is_missing(store: Store, name: str) -> None:
    with pytest.raises(BundleMissing) as refusal:
        store.resolve(name)
    assert refusal.value.version == name


def test_a_label_resolves_to_its_version(store: Store, folder: Path) -> None:
    publish(store, folder, "v1")
    store.promote("production", "v1")
    assert store.resolve("production") == "v1"
    assert store.resolve("v1") == "v1"
    assert store.load("production").version == "v1"


def test_a_promotion_moves_the_label(store: Store, folder: Path) -> None:
    publish(store, folder, "v1", "v2")
    store.promote("production", "v1")
    store.promote("canary", "v2")
    store.promote("production", "v2")
    assert store.labels() == {"canary": "v2", "production": "v2"}


def test_a_rollback_returns_to_the_version_before(store: Store, folder: Path) -> None:
    publish(store, folder, "v1", "v2")
    store.promote("production", "v1")
    store.promote("production", "v2")
    assert store.rollback("production") == "v1"
    assert store.labels() == {"production": "v1"}


def test_a_rollback_needs_a_version_before(store: Store, folder: Path) -> None:
    publish(store, folder, "v1")
    store.promote("production", "v1")
    with pytest.raises(NothingToRollBackTo):
        store.rollback("production")


def test_a_rollback_needs_a_label(store: Store) -> None:
    with pytest.raises(LabelMissing, match="no label is named 'production'"):
        store.rollback("production")


def test_a_malformed_label_is_refused(store: Store, folder: Path) -> None:
    publish(store, folder, "v1")
    with pytest.raises(LabelMalformed, match="'Production' is no label"):
        store.promote("Production", "v1")


@pytest.mark.parametrize("version", ["v1", "", "../v1", "v 1", "x" * 300, "\ud800"])
def test_an_absent_version_is_not_promoted(store: Store, version: str) -> None:
    with pytest.raises(BundleMissing):
        store.promote("production", version)
    assert store.labels() == {}


def test_a_promotion_that_is_refused_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(BundleMissing):
        Store(str(tmp_path / "none")).promote("production", "v1")
    assert not (tmp_path / "none").exists()


def test_a_damaged_bundle_never_replaces_a_good_one(store: Store, folder: Path) -> None:
    publish(store, folder, "v1", "v2")
    store.promote("production", "v1")
    damage(store, "v2")
    with pytest.raises(BundleCorrupt, match=r"golden\.json"):
        store.promote("production", "v2")
    assert store.labels() == {"production": "v1"}


def test_a_rollback_to_a_damaged_bundle_is_refused(store: Store, folder: Path) -> None:
    publish(store, folder, "v1", "v2")
    store.promote("production", "v1")
    store.promote("production", "v2")
    damage(store, "v1")
    with pytest.raises(BundleCorrupt, match=r"golden\.json"):
        store.rollback("production")
    assert store.labels() == {"production": "v2"}


def test_a_damaged_label_is_named(store: Store) -> None:
    Location(store.root).replace("labels/production.json", b"{")
    with pytest.raises(BundleCorrupt, match=r"labels/production\.json"):
        store.resolve("production")


def test_concurrent_promotions_never_show_a_torn_label(store: Store, folder: Path) -> None:
    publish(store, folder, "v1", "v2")
    store.promote("production", "v1")

    def promote_often(version: str) -> None:
        for _ in range(5):
            store.promote("production", version)

    writers = [threading.Thread(target=promote_often, args=(v,)) for v in ("v1", "v2")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert Store(store.root).resolve("production") in {"v1", "v2"}
    for writer in writers:
        writer.join()


def test_no_concurrent_promotion_of_a_local_store_is_forgotten(
    tmp_path: Path, folder: Path
) -> None:
    store = Store(str(tmp_path / "store"))
    versions = [f"v{number}" for number in range(6)]
    publish(store, folder, *versions)
    writers = [threading.Thread(target=store.promote, args=("canary", v)) for v in versions]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    seen = [store.resolve("canary"), *(store.rollback("canary") for _ in versions[1:])]
    assert sorted(seen) == versions


def test_a_remote_bundle_is_kept_in_the_cache(folder: Path, tmp_path: Path) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}")
    publish(store, folder, "v1")
    store.load("v1", tmp_path)
    before = (tmp_path / "v1" / "lower.onnx").stat().st_mtime_ns
    store.load("v1", tmp_path)
    assert (tmp_path / "v1" / "lower.onnx").stat().st_mtime_ns == before


def test_a_damaged_copy_in_the_cache_is_fetched_again(folder: Path, tmp_path: Path) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}")
    publish(store, folder, "v1")
    store.load("v1", tmp_path)
    (tmp_path / "v1" / "lower.onnx").write_bytes(b"half of")
    assert store.load("v1", tmp_path).version == "v1"


def test_a_file_that_the_remote_store_lacks_is_named(folder: Path, tmp_path: Path) -> None:
    store = Store(f"memory://{uuid.uuid4().hex}")
    publish(store, folder, "v1")
    Location(store.root).clear("bundles/v1/upper.onnx")
    with pytest.raises(BundleCorrupt, match=r"upper\.onnx: the store lacks it"):
        store.load("v1", tmp_path)


def test_a_crash_between_files_and_manifest_leaves_the_label_alone(
    folder: Path, tmp_path: Path
) -> None:
    store = Store(str(tmp_path / "store"))
    publish(store, folder, "v1")
    store.promote("production", "v1")
    for path in folder.iterdir():
        Location(store.root).upload(path, f"bundles/v2/{path.name}")
    with pytest.raises(BundleMissing):
        store.promote("production", "v2")
    assert store.labels() == {"production": "v1"}
