"""A folder on any file system that fsspec knows, with the few operations that a store needs."""

import fcntl
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from model_store.causes import cause_of
from model_store.errors import ModelStoreError, StoreUnreadable, StoreUnusable, StoreUnwritable

LOCK_FILE = ".lock"
PACKAGES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adlfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    **dict.fromkeys(("hdfs", "arrow_hdfs"), "pyarrow"),
    **dict.fromkeys(("webhdfs", "github"), "requests"),
    "smb": "smbprotocol",
    "oss": "ossfs",
    "oci": "ocifs",
}
"""By scheme, what to install for fsspec."""
IDENTITY: Final = ("name", "size", "ETag", "etag", "LastModified", "last_modified", "mtime")
"""What a remote file system may tell of a file that changes when the file does."""


class Location:
    """Files below one root. Paths are relative to it, with "/" between their parts."""

    def __init__(self, root: str) -> None:
        """Name the root: a path or an fsspec URL, e.g. `file://...`, `memory://...`, `s3://...`.

        Raises:
            StoreUnusable: it is blank, of an unknown scheme, of one whose package is not
                installed, or its server cannot be reached.
        """
        self._fs, self._root = _opened(root)
        self.is_local = isinstance(self._fs, LocalFileSystem)

    def names(self, folder: str) -> list[str]:
        """Sorted names of what is in `folder`; none where it does not exist.

        Raises:
            StoreUnreadable: with the cause; as from every other method that reads.
        """
        place = self._absolute(folder)
        with self._told(StoreUnreadable, place):
            try:
                if self.is_local:
                    return sorted(os.listdir(place))
                self._fs.invalidate_cache()
                entries = self._fs.ls(place, detail=False)
            except FileNotFoundError:
                return []
        return sorted(PurePosixPath(entry).name for entry in entries)

    def read(self, path: str) -> bytes | None:
        """Contents of the file, or None where there is none."""
        place = self._absolute(path)
        with self._told(StoreUnreadable, place):
            try:
                return bytes(self._fs.cat_file(place))
            except FileNotFoundError:
                return None

    def exists(self, path: str = "") -> bool:
        """Whether there is a file or folder at `path`; by default the root."""
        place = self._absolute(path) if path else self._root
        with self._told(StoreUnreadable, place):
            if not self.is_local:
                self._fs.invalidate_cache()
                return bool(self._fs.exists(place))
            try:
                os.stat(place)
            except FileNotFoundError:
                return False
            return True

    def identity(self, folder: str) -> str:
        """What differs once a file of the folder, or the right to read it, has changed."""
        place = self._absolute(folder)
        try:
            if self.is_local:
                return repr([_stat(place), *sorted(_stat(own.path) for own in os.scandir(place))])
            self._fs.invalidate_cache()
            listed = self._fs.ls(place, detail=True)
            return repr(sorted(repr([own.get(key) for key in IDENTITY]) for own in listed))
        except Exception as error:
            return repr(error)

    def replace(self, path: str, contents: bytes) -> None:
        """Write the whole file, so that a reader sees the old contents or the new.

        Local: a temporary file is flushed to disk and renamed over the old one. Remote: one
        upload, which object stores make visible as a whole.

        Raises:
            StoreUnwritable: with the cause; the old contents stay. As from every other method
                that writes.
        """
        place = self._absolute(path)
        with self._told(StoreUnwritable, place):
            self._fs.makedirs(self._parent(path), exist_ok=True)
            if not self.is_local:
                self._fs.pipe_file(place, contents)
                return
            temporary = Path(self._absolute(f".{uuid.uuid4().hex}.tmp"))
            try:
                _write_through(temporary, contents)
                temporary.replace(place)
            finally:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)

    def upload(self, source: Path, path: str) -> None:
        """Copy a local file to `path`."""
        place = self._absolute(path)
        with self._told(StoreUnwritable, place):
            self._fs.makedirs(self._parent(path), exist_ok=True)
            self._fs.put_file(str(source), place)

    def download(self, path: str, target: Path) -> None:
        """Copy the file at `path` to a local one.

        Raises:
            FileNotFoundError: there is none.
        """
        place = self._absolute(path)
        with self._told(StoreUnreadable, place):
            self._fs.get_file(place, str(target))

    def clear(self, folder: str) -> None:
        """Remove `folder` and what is in it, if it exists."""
        place = self._absolute(folder)
        with self._told(StoreUnwritable, place):
            if self.exists(folder):
                self._fs.rm(place, recursive=True)

    def local_path(self, path: str) -> Path:
        """Where `path` lies on this machine; only for a local root."""
        return Path(self._absolute(path))

    def shown(self, path: str) -> str:
        """How `path` is named in a message."""
        return self._absolute(path)

    @contextmanager
    def one_writer(self) -> Iterator[None]:
        """Keep out other writers of a local root. A remote root has no lock to take."""
        if not self.is_local:
            yield
            return
        place = self._absolute(LOCK_FILE)
        with self._told(StoreUnwritable, place):
            Path(self._root).mkdir(parents=True, exist_ok=True)
            lock = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _told(
        self, kind: type[StoreUnreadable] | type[StoreUnwritable], place: str
    ) -> Iterator[None]:
        """Turns what a file system raises into a sentence about the place.

        A file that is not there passes where something is read: that is for the caller to judge.
        """
        try:
            yield
        except ModelStoreError:
            raise
        except FileNotFoundError as error:
            if kind is StoreUnreadable:
                raise
            raise kind(place, cause_of(error)) from error
        except OSError as error:
            raise kind(self._named(error) or place, cause_of(error)) from error
        except Exception as error:  # drivers of remote stores raise what they like
            if self.is_local:
                raise
            raise kind(place, _one_line(error)) from error

    def _named(self, error: OSError) -> str:
        """The path below the root that an error names; empty: none."""
        named = (error.filename2, error.filename)
        return next((own for own in named if str(own).startswith(self._root)), "")

    def _absolute(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def _parent(self, path: str) -> str:
        return self._absolute(path).rsplit("/", 1)[0]


def shown_root(root: str) -> str:
    """The root without a password that may stand in it."""
    return re.sub(r"(://)[^/@]*@", r"\1***@", root)


def _opened(root: str) -> tuple[Any, str]:
    """The file system of a root, and the root's path there."""
    scheme = root.partition("://")[0].lower() if "://" in root else ""
    shown = shown_root(root)
    if not root.strip():
        raise StoreUnusable(shown, "the root is blank: name a folder or an fsspec URL")
    try:
        file_system, path = url_to_fs(root)
    except ImportError as error:
        remedy = f"pip install {PACKAGES[scheme]}" if scheme in PACKAGES else _one_line(error)
        raise StoreUnusable(
            shown, f"stores of {scheme}:// need a package that is not installed: {remedy}"
        ) from error
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise StoreUnusable(shown, _one_line(error)) from error
        raise StoreUnusable(
            shown, f"no file system is known as {scheme}://: name a folder, or e.g. s3:// or gs://"
        ) from error
    except OSError as error:
        raise StoreUnusable(shown, f"its server cannot be reached: {cause_of(error)}") from error
    except Exception as error:  # drivers of remote stores raise what they like
        raise StoreUnusable(shown, f"it cannot be opened: {_one_line(error)}") from error
    return file_system, str(path)


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _stat(path: str) -> tuple[str, int, int, int]:
    """Path, size, inode and time of the last change, of contents or of rights."""
    found = os.stat(path)
    return path, found.st_size, found.st_ino, found.st_ctime_ns


def _write_through(path: Path, contents: bytes) -> None:
    with path.open("wb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())
