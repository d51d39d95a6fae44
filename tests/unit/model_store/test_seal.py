"""The manifest of a folder."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from model_store.errors import BundleCorrupt
from model_store.files import REQUIRED_FILES
from model_store.manifest import FileEntry
from model_store.seal import default_version
from tests.bundles import sealed
from tests.tiny_model import TinyModel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in REQUIRED_FILES:
        (tmp_path / name).write_text(name)
    return tmp_path


def test_every_file_is_listed_with_checksum_and_size(folder: Path) -> None:
    (folder / "upper.int8.onnx").write_bytes(b"more")
    entries = sealed(folder, TinyModel()).files
    assert set(entries) == {*REQUIRED_FILES, "upper.int8.onnx"}
    assert entries["upper.int8.onnx"] == FileEntry(
        sha256=hashlib.sha256(b"more").hexdigest(), size_bytes=4
    )


def test_the_manifest_does_not_list_itself(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")
    assert "manifest.json" not in sealed(folder, TinyModel()).files


def test_the_feature_space_is_that_of_the_sae_file(folder: Path) -> None:
    digest = hashlib.sha256(b"sae.safetensors").hexdigest()
    assert sealed(folder, TinyModel()).feature_space == digest[:16]


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_folder_without_a_required_file_is_not_sealed(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleCorrupt) as refusal:
        sealed(folder, TinyModel())
    assert refusal.value.file == name


def test_the_version_is_named_by_time_and_contents() -> None:
    entry = FileEntry(sha256="0" * 64, size_bytes=0)
    digest = hashlib.sha256(b"0" * 64).hexdigest()[:8]
    made = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert default_version(made, {"a": entry}) == f"20260304T050607Z-{digest}"
