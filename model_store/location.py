"""A folder on any file system that fsspec knows, with the few operations that a store needs."""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

LOCK_FILE = ".lock"


class Location:
    """Files below one root. Paths are relative to it, with "/" between their parts."""

    def __init__(self, root: str) -> None:
        """Name the root: a path or an fsspec URL, e.g. `file://...`, `memory://...`, `s3://...`."""
        self._fs, self._root = url_to_fs(root)
        self.is_local = isinstance(self._fs, LocalFileSystem)

    def names(self, folder: str) -> list[str]:
        """Sorted names of what is in `folder`; none where it does not exist."""
        self._fs.invalidate_cache()
        try:
            entries = self._fs.ls(self._absolute(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(PurePosixPath(entry).name for entry in entries)

    def read(self, path: str) -> bytes | None:
        """Contents of the file, or None where there is none."""
        try:
            return bytes(self._fs.cat_file(self._absolute(path)))
        except FileNotFoundError:
            return None

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder at `path`."""
        self._fs.invalidate_cache()
        return bool(self._fs.exists(self._absolute(path)))

    def replace(self, path: str, contents: bytes) -> None:
        """Write the whole file, so that a reader sees the old contents or the new.

        Local: a temporary file is flushed to disk and renamed over the old one. Remote: one
        upload, which object stores make visible as a whole.
        """
        self._fs.makedirs(self._parent(path), exist_ok=True)
        if not self.is_local:
            self._fs.pipe_file(self._absolute(path), contents)
            return
        temporary = Path(self._absolute(f".{uuid.uuid4().hex}.tmp"))
        try:
            _write_through(temporary, contents)
            temporary.replace(self._absolute(path))
        finally:
            temporary.unlink(missing_ok=True)

    def upload(self, source: Path, path: str) -> None:
        """Copy a local file to `path`."""
        self._fs.makedirs(self._parent(path), exist_ok=True)
        self._fs.put_file(str(source), self._absolute(path))

    def download(self, path: str, target: Path) -> None:
        """Copy the file at `path` to a local one.

        Raises:
            FileNotFoundError: there is none.
        """
        self._fs.get_file(self._absolute(path), str(target))

    def clear(self, folder: str) -> None:
        """Remove `folder` and what is in it, if it exists."""
        if self.exists(folder):
            self._fs.rm(self._absolute(folder), recursive=True)

    def local_path(self, path: str) -> Path:
        """Where `path` lies on this machine; only for a local root."""
        return Path(self._absolute(path))

    @contextmanager
    def one_writer(self) -> Iterator[None]:
        """Keep out other writers of a local root. A remote root has no lock to take."""
        if not self.is_local:
            yield
            return
        Path(self._root).mkdir(parents=True, exist_ok=True)
        with Path(self._absolute(LOCK_FILE)).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _absolute(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def _parent(self, path: str) -> str:
        return self._absolute(path).rsplit("/", 1)[0]


def _write_through(path: Path, contents: bytes) -> None:
    with path.open("wb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())
