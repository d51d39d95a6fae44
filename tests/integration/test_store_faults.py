"""A store that cannot be read, written or opened: each cause is told with its path."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import bundles, model_variant
from cli.errors import Refused
from model_store.errors import (
    BundleCorrupt,
    BundleMissing,
    ModelStoreError,
    StoreUnreadable,
    StoreUnusable,
    StoreUnwritable,
)
from model_store.store import Store
from tests.bundles import tiny_bundle
from tests.permissions import permissions_hold

VERSION = "one"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of this test alone, with one version in production."""
    store = Store(str(tmp_path / "store"))
    store.publish(tmp_path / "made", tiny_bundle(tmp_path / "made", version=VERSION))
    store.promote("production", VERSION)
    return store


@pytest.fixture
def denied(store: Store) -> Iterator[Callable[[str], Path]]:
    """Takes every right from a place in the store, for the rest of the test."""
    root, taken = Path(store.root), list[Path]()

    def take(place: str) -> Path:
        taken.append(root / place)
        taken[-1].chmod(0)
        return taken[-1]

    with permissions_hold():
        yield take
    for path in taken:
        path.chmod(0o700)


@pytest.mark.parametrize(
    "place",
    [
        "",
        "bundles",
        f"bundles/{VERSION}",
        f"bundles/{VERSION}/manifest.json",
        f"bundles/{VERSION}/upper.onnx",
        "labels",
        "labels/production.json",
    ],
)
def test_what_may_not_be_read_is_told_and_not_missing(
    store: Store, denied: Callable[[str], Path], place: str
) -> None:
    denied(place)
    with pytest.raises(StoreUnreadable, match=f"permission denied for uid {os.getuid()}") as told:
        store.load("production")
    assert told.value.path.startswith(str(Path(store.root, place)))


@pytest.mark.parametrize("place", ["", "bundles"])
def test_a_listing_that_is_not_permitted_is_told(
    store: Store, denied: Callable[[str], Path], place: str
) -> None:
    path = denied(place)
    with pytest.raises(StoreUnreadable, match=f"{path}.* permission denied"):
        store.versions()


def test_a_version_that_may_not_be_read_is_listed(
    store: Store, denied: Callable[[str], Path]
) -> None:
    denied(f"bundles/{VERSION}")
    assert store.versions() == (VERSION,)


def test_a_label_that_cannot_be_read_hides_no_other(store: Store) -> None:
    store.promote("canary", VERSION)
    Path(store.root, "labels/canary.json").write_text("{")
    faults: list[ModelStoreError] = []
    assert (store.labels(faults.append), len(faults)) == ({"production": VERSION}, 1)


@pytest.mark.parametrize("garbage", ["", "{", "[]", '{"version": "../x"}', '{"versio": "x"}', "\0"])
def test_garbage_in_a_label_is_one_line_that_says_what_to_do(store: Store, garbage: str) -> None:
    Path(store.root, "labels/production.json").write_text(garbage)
    with pytest.raises(BundleCorrupt, match="remove the file, then `steerrec models promote`") as e:
        store.load("production")
    assert "\n" not in str(e.value)


def test_a_label_that_is_a_folder_is_told(store: Store) -> None:
    path = Path(store.root, "labels/production.json")
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreUnreadable, match="it is a folder, where a file must be"):
        store.load("production")


def test_a_folder_without_a_manifest_is_told_as_unfinished(store: Store) -> None:
    Path(store.root, "bundles/half").mkdir()
    with pytest.raises(BundleMissing, match=r"'half' is not complete: .*publish it again"):
        store.load("half")


def test_links_are_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.root)
    assert Store(str(tmp_path / "link")).load("production").version == VERSION


def test_a_circle_of_links_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").symlink_to(tmp_path / "store")
    with pytest.raises(StoreUnreadable, match="lead in a circle"):
        Store(str(tmp_path / "store")).versions()


def test_a_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(StoreUnreadable, match="a part of the path is a file"):
        Store(str(tmp_path / "store")).versions()


def test_a_size_is_checked_before_any_file_is_read(
    store: Store, denied: Callable[[str], Path]
) -> None:
    with Path(store.root, f"bundles/{VERSION}/upper.onnx").open("ab") as file:
        file.write(b"x")
    denied(f"bundles/{VERSION}/base_model.safetensors")
    with pytest.raises(BundleCorrupt, match=r"upper\.onnx: \d+ bytes, the manifest says"):
        store.load(VERSION)


def test_a_damaged_bundle_names_its_folder_and_how_to_go_on(store: Store) -> None:
    folder = Path(store.root, f"bundles/{VERSION}")
    (folder / "upper.onnx").write_bytes(b"x")
    for act in (store.load, lambda version: store.promote("canary", version)):
        with pytest.raises(BundleCorrupt) as refused:
            act(VERSION)
        assert str(folder) in str(refused.value)
        assert "copy or publish the bundle again, or promote another" in str(refused.value)


def test_a_manifest_that_is_no_json_names_its_folder(store: Store) -> None:
    folder = Path(store.root, f"bundles/{VERSION}")
    (folder / "manifest.json").write_bytes(b"")
    with pytest.raises(BundleCorrupt, match=rf"manifest\.json: .*\(in {re.escape(str(folder))}\)"):
        store.manifest(VERSION)


# writing


def test_a_label_is_not_moved_where_nothing_may_be_written(store: Store) -> None:
    root = Path(store.root)
    (root / ".lock").chmod(0o400)
    with (
        permissions_hold(),
        pytest.raises(StoreUnwritable, match=r"\.lock cannot be written: permission denied"),
    ):
        store.promote("canary", VERSION)
    assert store.labels() == {"production": VERSION}


def test_a_label_is_not_moved_where_its_folder_may_not_be_written(store: Store) -> None:
    labels = Path(store.root, "labels")
    labels.chmod(0o500)
    with permissions_hold(), pytest.raises(StoreUnwritable, match="permission denied"):
        store.promote("canary", VERSION)
    labels.chmod(0o700)
    assert [path.name for path in labels.iterdir()] == ["production.json"]


LIMITED = """
import resource, signal, sys
from pathlib import Path
from model_store.errors import StoreUnwritable
from model_store.store import Store
from tests.bundles import tiny_bundle

folder, root = Path(sys.argv[1]), sys.argv[2]
manifest = tiny_bundle(folder, version="two")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # as a disk that is soon full
try:
    Store(root).publish(folder, manifest)
except StoreUnwritable as error:
    print(error)
"""


def test_a_version_that_does_not_fit_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "two"), store.root],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "cannot be written: it would be larger than" in done.stdout
    assert [path.name for path in Path(store.root, "bundles").iterdir()] == [VERSION]


# opening


@pytest.mark.parametrize(
    ("root", "why"),
    [
        ("", "the root is blank"),
        (" ", "the root is blank"),
        ("foo://x", "no file system is known as foo://"),
        ("gs://bucket", "pip install gcsfs"),
        ("s3://bucket/x", "pip install s3fs"),
        ("ftp://127.0.0.1:1/x", "its server cannot be reached: Connection refused"),
    ],
)
def test_a_root_that_cannot_be_opened_says_why(root: str, why: str) -> None:
    with pytest.raises(StoreUnusable, match=why):
        Store(root)


def test_a_password_in_a_root_is_not_told() -> None:
    with pytest.raises(StoreUnusable) as told:
        Store("foo://ada:hunter2@host/x")
    assert "hunter2" not in str(told.value)


# commands


def test_a_promotion_in_a_read_only_store_ends_in_a_sentence(store: Store) -> None:
    Path(store.root, ".lock").chmod(0o400)
    with permissions_hold(), pytest.raises(Refused, match=r"\.lock cannot be written"):
        bundles.promote(store, "production", VERSION, as_json=False)


def test_a_rollback_in_a_read_only_store_ends_in_a_sentence(store: Store) -> None:
    Path(store.root, ".lock").chmod(0o400)
    with permissions_hold(), pytest.raises(Refused, match=r"\.lock cannot be written"):
        bundles.roll_back(store, "production", as_json=False)


def test_a_variant_for_a_read_only_store_is_refused_before_it_is_made(store: Store) -> None:
    Path(store.root, ".lock").chmod(0o400)
    with permissions_hold(), pytest.raises(Refused, match=r"\.lock cannot be written"):
        model_variant.publish(
            *("production", "int8"),
            data=None,
            files=None,
            least=(0.0, 0.0, 0.0),
            store_url=store.root,
            as_json=True,
        )


@pytest.mark.parametrize("root", ["", "foo://x", "s3://bucket/x"])
def test_a_store_that_cannot_be_opened_ends_in_a_sentence(root: str) -> None:
    with pytest.raises(Refused, match="model store "):
        bundles.store_at(root)


def test_a_bundle_that_cannot_be_read_is_left_out_of_the_list(
    store: Store, denied: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    denied(f"bundles/{VERSION}")
    bundles.show_bundles(store, as_json=True)
    printed = capsys.readouterr()
    assert (printed.out, f"version {VERSION} is left out" in printed.err) == ("[]\n", True)
