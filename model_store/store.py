"""Where bundles are kept: publish, list, label, load (ADR 0003).

Layout below the root: `bundles/<version>/<file>` and `labels/<label>.json`.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from model_store.bundle import Bundle
from model_store.errors import (
    BundleCorrupt,
    BundleMissing,
    LabelMalformed,
    LabelMissing,
    VersionExists,
)
from model_store.files import file_entry
from model_store.labels import Pointer, is_label, promoted, rolled_back
from model_store.load import load_bundle, parsed_manifest
from model_store.location import Location
from model_store.manifest import MANIFEST_FILE, PLAIN_NAME, Manifest

BUNDLES = "bundles"
LABELS = "labels"


class Store:
    """Published bundles and the labels that point to them.

    Local roots are read in place, and writers wait for one another. On a remote root every
    file appears whole, but two concurrent promotions of one label may lose one of them from its
    history: let one job at a time write there.
    """

    def __init__(self, root: str) -> None:
        """Open the store; nothing is read or made yet.

        Args:
            root: a local path or any fsspec URL.
        """
        self.root = root
        self._location = Location(root)

    def publish(self, folder: Path, manifest: Manifest) -> None:
        """Verify the bundle, copy its files into the store, and write the manifest last.

        A run that dies before the manifest leaves nothing visible, and can be repeated.

        Args:
            folder: what `seal` made the manifest of.
            manifest: from `seal`.

        Raises:
            VersionExists: published versions are never replaced.
            BundleCorrupt: the bundle does not verify; nothing was written.
        """
        with self._location.one_writer():
            self._refuse_existing(manifest.version)
            load_bundle(folder, manifest)
            place = f"{BUNDLES}/{manifest.version}"
            self._location.clear(place)
            for name in manifest.files:
                self._location.upload(folder / name, f"{place}/{name}")
            self._refuse_existing(manifest.version)
            contents = manifest.model_dump_json(indent=2).encode()
            self._location.replace(f"{place}/{MANIFEST_FILE}", contents)

    def versions(self) -> tuple[str, ...]:
        """Published versions, newest first; those whose manifest cannot be read come last."""
        published = (name for name in self._location.names(BUNDLES) if self._is_published(name))
        return tuple(sorted(published, key=self._age_key, reverse=True))

    def manifest(self, version: str) -> Manifest:
        """What the version is.

        Raises:
            BundleMissing: no such version.
            BundleCorrupt: its manifest cannot be read, or is another version's.
        """
        if not self._is_published(version):
            raise BundleMissing(version)
        manifest = parsed_manifest(self._location.read(_manifest_path(version)) or b"")
        if manifest.version != version:
            raise BundleCorrupt(MANIFEST_FILE, f"of {manifest.version!r}, stored as {version!r}")
        return manifest

    def labels(self) -> dict[str, str]:
        """Version that each label points to, by label."""
        names = (name.removesuffix(".json") for name in self._location.names(LABELS))
        return {label: self._pointer(label).version for label in names if is_label(label)}

    def resolve(self, label_or_version: str) -> str:
        """The version meant; a label goes before a version of the same name.

        Raises:
            BundleMissing: neither a label nor a published version.
        """
        pointer = self._read_pointer(label_or_version)
        if pointer is not None:
            return pointer.version
        if not self._is_published(label_or_version):
            raise BundleMissing(label_or_version)
        return label_or_version

    def promote(self, label: str, version: str) -> None:
        """Point the label at a version that loads and answers its golden request.

        Raises:
            BundleMissing, BundleCorrupt: the label stays as it was.
            LabelMalformed: see the rule there.
        """
        if not is_label(label):
            raise LabelMalformed(label)
        with self._location.one_writer():
            self._point(label, promoted(self._read_pointer(label), version))

    def rollback(self, label: str) -> str:
        """Point the label at the version before, verified too, and return that version.

        Raises:
            LabelMissing: no such label.
            NothingToRollBackTo: it has pointed to one version only.
            BundleMissing, BundleCorrupt: the label stays as it was.
        """
        with self._location.one_writer():
            pointer = rolled_back(self._pointer(label), label)
            self._point(label, pointer)
            return pointer.version

    def load(
        self, label_or_version: str, cache_dir: Path | None = None, *, threads: int = 1
    ) -> Bundle:
        """The bundle, verified, warm and ready to answer.

        Load in the process that will serve it: ONNX Runtime sessions do not survive a fork.

        Args:
            label_or_version: e.g. "production".
            cache_dir: where copies of a remote store's bundles are kept; without one they are
                copied for this call only. Not used for a local store.
            threads: that each graph may use.

        Raises:
            BundleMissing: no such label or version.
            BundleCorrupt: the bundle does not verify; names the file.
        """
        manifest = self.manifest(self.resolve(label_or_version))
        with self._local_folder(manifest, cache_dir) as folder:
            return load_bundle(folder, manifest, threads=threads)

    @contextmanager
    def opened(self, label_or_version: str) -> Iterator[Path]:
        """A folder with the version's files, to be read only, for as long as this is held.

        Raises:
            BundleMissing: no such label or version.
            BundleCorrupt: its manifest cannot be read, or the store lacks a file.
        """
        with self._local_folder(self.manifest(self.resolve(label_or_version)), None) as folder:
            yield folder

    def _point(self, label: str, pointer: Pointer) -> None:
        manifest = self.manifest(pointer.version)
        with self._local_folder(manifest, None) as folder:
            load_bundle(folder, manifest)
        self._location.replace(_label_path(label), pointer.model_dump_json().encode())

    @contextmanager
    def _local_folder(self, manifest: Manifest, cache_dir: Path | None) -> Iterator[Path]:
        if self._location.is_local:
            yield self._location.local_path(f"{BUNDLES}/{manifest.version}")
        elif cache_dir is not None:
            yield self._copied(manifest, cache_dir)
        else:
            with tempfile.TemporaryDirectory(prefix="steerrec-") as passing:
                yield self._copied(manifest, Path(passing))

    def _copied(self, manifest: Manifest, cache_dir: Path) -> Path:
        folder = cache_dir / manifest.version
        folder.mkdir(parents=True, exist_ok=True)
        for name, entry in manifest.files.items():
            path = folder / name
            if not (path.is_file() and file_entry(path) == entry):
                self._download(f"{BUNDLES}/{manifest.version}/{name}", path)
        return folder

    def _download(self, source: str, target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=target.parent.parent, prefix=".part-") as passing:
            part = Path(passing) / target.name
            try:
                self._location.download(source, part)
            except FileNotFoundError:
                raise BundleCorrupt(target.name, "the store lacks it") from None
            part.replace(target)

    def _refuse_existing(self, version: str) -> None:
        if self._is_published(version):
            raise VersionExists(version)

    def _is_published(self, version: str) -> bool:
        named = re.fullmatch(PLAIN_NAME, version) is not None
        return named and self._location.exists(_manifest_path(version))

    def _age_key(self, version: str) -> tuple[float, str]:
        try:
            return self.manifest(version).created_at.timestamp(), version
        except BundleCorrupt:
            return float("-inf"), version

    def _pointer(self, label: str) -> Pointer:
        pointer = self._read_pointer(label)
        if pointer is None:
            raise LabelMissing(label)
        return pointer

    def _read_pointer(self, label: str) -> Pointer | None:
        contents = self._location.read(_label_path(label)) if is_label(label) else None
        if contents is None:
            return None
        try:
            return Pointer.model_validate_json(contents)
        except ValidationError as error:
            raise BundleCorrupt(_label_path(label), str(error)) from None


def _manifest_path(version: str) -> str:
    return f"{BUNDLES}/{version}/{MANIFEST_FILE}"


def _label_path(label: str) -> str:
    return f"{LABELS}/{label}.json"
