"""From a finished folder of files to its manifest."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from model_store.files import SAE_FILE, check_required, file_entry, file_names
from model_store.manifest import (
    BaseModelShape,
    DataIdentity,
    FileEntry,
    HookPoint,
    Manifest,
    Precision,
    SaeShape,
    Variant,
)


def seal(
    folder: Path,
    *,
    base_model: BaseModelShape,
    hook_point: HookPoint,
    sae: SaeShape,
    data: DataIdentity,
    metrics: Mapping[str, float],
    code_commit: str = "unknown",
    version: str | None = None,
    created_at: datetime | None = None,
    precision: Precision = Precision.FLOAT32,
    variant: Variant | None = None,
) -> Manifest:
    """Manifest of the files now in `folder`, which is left as it is.

    `Store.publish(folder, manifest)` writes it beside them.

    Args:
        folder: every file of the bundle and nothing else (ADR 0003).
        version: by default `<UTC time>-<8 hex digits of the files' checksums>`.
        created_at: by default now.
        precision: of the model's products.
        variant: what a bundle of lower precision was made of.

    Raises:
        BundleCorrupt: a required file is missing.
    """
    files = {name: file_entry(folder / name) for name in sorted(file_names(folder))}
    check_required(files.keys())
    created_at = created_at or datetime.now(UTC).replace(microsecond=0)
    return Manifest(
        version=version or default_version(created_at, files),
        created_at=created_at,
        code_commit=code_commit,
        base_model=base_model,
        hook_point=hook_point,
        sae=sae,
        feature_space=feature_space(files[SAE_FILE]),
        data=data,
        metrics=dict(metrics),
        precision=precision,
        variant=variant,
        files=files,
    )


def default_version(created_at: datetime, files: Mapping[str, FileEntry]) -> str:
    """`<yyyymmddThhmmssZ>-<first 8 hex digits of the sha256 over the sorted file checksums>`."""
    checksums = "".join(sorted(entry.sha256 for entry in files.values()))
    digest = hashlib.sha256(checksums.encode()).hexdigest()
    return f"{created_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digest[:8]}"


def feature_space(sae_file: FileEntry) -> str:
    """Identity of the SAE whose weights file this is."""
    return sae_file.sha256[:16]
