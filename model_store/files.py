"""Which files a bundle consists of, and that they are what the manifest says."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from model_store.cards import CARDS_FILE
from model_store.errors import BundleCorrupt
from model_store.manifest import MANIFEST_FILE, FileEntry, Manifest

LOWER_FILE = "lower.onnx"
ENCODER_FILE = "encoder.onnx"
UPPER_FILE = "upper.onnx"
BASE_MODEL_FILE = "base_model.safetensors"
ITEM_VECTORS = "item_embedding.weight"
"""Tensor of the base model's file, [n_items + 1, d_model]: a score is an item's row times the final
hidden state."""
SAE_FILE = "sae.safetensors"
CATALOGUE_FILE = "catalogue.jsonl"
CATALOGUE_COLUMNS_FILE = "catalogue.safetensors"
"""Only in bundles of large catalogues: CATALOGUE_FILE once more, quicker to read."""
GOLDEN_FILE = "golden.json"
SCAN_FILE = "scan.onnx"
"""Only in bundles of large catalogues, with SCAN_WEIGHTS_FILE."""
SCAN_WEIGHTS_FILE = "scan.safetensors"

REQUIRED_FILES = (
    LOWER_FILE,
    ENCODER_FILE,
    UPPER_FILE,
    BASE_MODEL_FILE,
    SAE_FILE,
    CATALOGUE_FILE,
    CARDS_FILE,
    GOLDEN_FILE,
)
"""What every bundle holds beside its manifest."""


def file_entry(path: Path) -> FileEntry:
    """Checksum and size of the file at `path`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(sha256=digest, size_bytes=file.tell())


def file_names(folder: Path) -> set[str]:
    """Names of everything in `folder` except the manifest."""
    return {path.name for path in folder.iterdir()} - {MANIFEST_FILE}


def check_files(folder: Path, manifest: Manifest) -> None:
    """Refuse a folder that does not hold exactly the manifest's files.

    Raises:
        BundleCorrupt: a file is missing, unexpected, of another size or of another checksum.
    """
    check_required(manifest.files.keys())
    present = file_names(folder)
    for name in sorted(manifest.files.keys() - present):
        raise BundleCorrupt(name, "the manifest lists it, the folder lacks it")
    for name in sorted(present - manifest.files.keys()):
        raise BundleCorrupt(name, "the manifest does not list it")
    for name, entry in manifest.files.items():
        _check_size(folder / name, entry)
    for name, entry in manifest.files.items():
        _check_contents(folder / name, entry)


def check_required(names: Collection[str]) -> None:
    """Refuse a bundle whose files do not include those that every bundle has.

    Raises:
        BundleCorrupt: naming the absent file.
    """
    for name in REQUIRED_FILES:
        if name not in names:
            raise BundleCorrupt(name, "every bundle has it, this one does not")


def _check_size(path: Path, expected: FileEntry) -> None:
    """Refuse a file that is still being copied, say, before any is read."""
    if not path.is_file():
        raise BundleCorrupt(path.name, "is not a file")
    size_bytes = path.stat().st_size
    if size_bytes != expected.size_bytes:
        raise BundleCorrupt(
            path.name, f"{size_bytes} bytes, the manifest says {expected.size_bytes}"
        )


def _check_contents(path: Path, expected: FileEntry) -> None:
    actual = file_entry(path)
    if actual.sha256 != expected.sha256:
        raise BundleCorrupt(
            path.name, f"sha256 {actual.sha256}, the manifest says {expected.sha256}"
        )
