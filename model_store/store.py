"""Where bundles are kept: publish, list, label, load (ADR 0003).

Layout below the root: `bundles/<version>/<file>` and `labels/<label>.json`.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from model_store.bundle import Bundle
from model_store.causes import cause_of, faults_of
from model_store.errors import (
    BundleCorrupt,
    BundleMissing,
    LabelMalformed,
    LabelMissing,
    ModelStoreError,
    StoreUnreadable,
    VersionExists,
)
from model_store.files import file_entry
from model_store.labels import Pointer, is_label, promoted, rolled_back
from model_store.load import load_bundle, parsed_manifest
from model_store.location import Location, shown_root
from model_store.manifest import MANIFEST_FILE, PLAIN_NAME, Manifest

BUNDLES = "bundles"
LABELS = "labels"
PROMOTE_AGAIN = "remove the file, then `steerrec models promote` writes it anew"

Report = Callable[[ModelStoreError], None]
"""Takes what is wrong with a part of a store."""


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

        Raises:
            StoreUnusable: it names nothing that can be opened.
        """
        self.root = root
        self.shown_root = shown_root(root)
        """The root for messages, without a password."""
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
            StoreUnwritable: with the cause; what was copied is removed again.
        """
        with self._location.one_writer():
            self._refuse_existing(manifest.version)
            load_bundle(folder, manifest)
            place = _folder(manifest.version)
            self._location.clear(place)
            with self._cleared_where_it_fails(manifest.version):
                for name in manifest.files:
                    self._location.upload(folder / name, f"{place}/{name}")
                self._refuse_existing(manifest.version)
                contents = manifest.model_dump_json(indent=2).encode()
                self._location.replace(f"{place}/{MANIFEST_FILE}", contents)

    def check_writable(self) -> None:
        """See, before the work of making a bundle, that it can be published.

        Raises:
            StoreUnwritable: with the cause.
        """
        with self._location.one_writer():
            pass

    def is_there(self) -> bool:
        """Whether the root exists; an empty place in an object store does not.

        Raises:
            StoreUnreadable: that cannot be told.
        """
        return self._location.exists()

    def versions(self) -> tuple[str, ...]:
        """Published versions, newest first; those whose manifest cannot be read come last."""
        published = (name for name in self._location.names(BUNDLES) if self._may_be_published(name))
        return tuple(sorted(published, key=self._age_key, reverse=True))

    def manifest(self, version: str) -> Manifest:
        """What the version is.

        Raises:
            BundleMissing: no such version.
            BundleCorrupt: its manifest cannot be read, or is another version's.
        """
        if not self._is_published(version):
            raise self._missing(version)
        with self._place_named(version):
            manifest = parsed_manifest(self._location.read(_manifest_path(version)) or b"")
            if manifest.version != version:
                why = f"of {manifest.version!r}, stored as {version!r}"
                raise BundleCorrupt(MANIFEST_FILE, why)
        return manifest

    def labels(self, report: Report | None = None) -> dict[str, str]:
        """Version that each label points to, by label.

        Args:
            report: is given what keeps a label from being read, which is then left out; None:
                that is raised.
        """
        names = (name.removesuffix(".json") for name in self._location.names(LABELS))
        pointed: dict[str, str] = {}
        for label in filter(is_label, names):
            try:
                pointed[label] = self._pointer(label).version
            except ModelStoreError as error:
                if report is None:
                    raise
                report(error)
        return pointed

    def label(self, name: str) -> str | None:
        """Version that the label points to; None: there is no such label.

        Raises:
            BundleCorrupt: its file is damaged.
            StoreUnreadable: it cannot be read.
        """
        pointer = self._read_pointer(name)
        return pointer.version if pointer is not None else None

    def has(self, version: str) -> bool:
        """Whether the version is published.

        Raises:
            StoreUnreadable: that cannot be told.
        """
        return self._is_published(version)

    def identity(self, version: str) -> str:
        """What differs once a file of the version, or the right to read it, has changed."""
        return self._location.identity(_folder(version))

    def resolve(self, label_or_version: str) -> str:
        """The version meant; a label goes before a version of the same name.

        Raises:
            BundleMissing: neither a label nor a published version.
        """
        pointer = self._read_pointer(label_or_version)
        if pointer is not None:
            return pointer.version
        if not self._is_published(label_or_version):
            raise self._missing(label_or_version)
        return label_or_version

    def promote(self, label: str, version: str) -> None:
        """Point the label at a version that loads and answers its golden request.

        Raises:
            BundleMissing, BundleCorrupt, StoreUnreadable: the label stays as it was.
            StoreUnwritable: with the cause; the label stays as it was.
            LabelMalformed: see the rule there.
        """
        if not is_label(label):
            raise LabelMalformed(label)
        if not self._is_published(version):
            raise self._missing(version)
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
            StoreUnreadable: a file cannot be read, or copied into the cache; names the path.
        """
        manifest = self.manifest(self.resolve(label_or_version))
        with (
            self._place_named(manifest.version),
            self._read_faults_told(),
            self._local_folder(manifest, cache_dir) as folder,
        ):
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
        with (
            self._place_named(manifest.version),
            self._read_faults_told(),
            self._local_folder(manifest, None) as folder,
        ):
            load_bundle(folder, manifest)
        self._location.replace(_label_path(label), pointer.model_dump_json().encode())

    @contextmanager
    def _place_named(self, version: str) -> Iterator[None]:
        """Has what is wrong with a file of the version name the version's folder."""
        try:
            yield
        except BundleCorrupt as error:
            error.stored_at(self._location.shown(_folder(version)))
            raise

    @contextmanager
    def _read_faults_told(self) -> Iterator[None]:
        """Turns what the system says of a bundle's file, here or in the cache, into a sentence."""
        try:
            yield
        except OSError as error:
            named = error.filename2 or error.filename or self.shown_root
            raise StoreUnreadable(str(named), cause_of(error)) from error

    @contextmanager
    def _cleared_where_it_fails(self, version: str) -> Iterator[None]:
        """Leaves no half of a version behind; one that is published, by whomever, stays."""
        try:
            yield
        except BaseException:
            with suppress(ModelStoreError):
                if not self._is_published(version):
                    self._location.clear(_folder(version))
            raise

    @contextmanager
    def _local_folder(self, manifest: Manifest, cache_dir: Path | None) -> Iterator[Path]:
        if self._location.is_local:
            yield self._location.local_path(_folder(manifest.version))
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

    def _missing(self, version: str) -> BundleMissing:
        """That there is no such version; why, where its folder is there."""
        if not (re.fullmatch(PLAIN_NAME, version) and self._location.exists(_folder(version))):
            return BundleMissing(version)
        why = "is missing, so publishing did not finish; publish it again, or promote another"
        return BundleMissing(version, f"{self._location.shown(_manifest_path(version))} {why}")

    def _may_be_published(self, version: str) -> bool:
        """Whether it is published, as far as that can be seen."""
        try:
            return self._is_published(version)
        except StoreUnreadable:
            return True

    def _is_published(self, version: str) -> bool:
        named = re.fullmatch(PLAIN_NAME, version) is not None
        return named and self._location.exists(_manifest_path(version))

    def _age_key(self, version: str) -> tuple[float, str]:
        try:
            return self.manifest(version).created_at.timestamp(), version
        except ModelStoreError:
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
            raise BundleCorrupt(
                _label_path(label), f"{faults_of(error)}; {PROMOTE_AGAIN}"
            ) from None


def _folder(version: str) -> str:
    return f"{BUNDLES}/{version}"


def _manifest_path(version: str) -> str:
    return f"{_folder(version)}/{MANIFEST_FILE}"


def _label_path(label: str) -> str:
    return f"{LABELS}/{label}.json"
