"""Files that are whole or as they were, folders for one process, and system errors as sentences."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from training.errors import UnusableOutput
from training.storage import LOCK_FILE, alone, replace_file, replace_text, storage_errors

OTHERWISE = "name another"


def _broken_off(file: IO[bytes]) -> None:
    file.write(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_replaced_by_the_new_contents(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    replace_text(path, "new ä")
    assert path.read_text(encoding="utf-8") == "new ä"


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, _broken_off)
    assert path.read_text() == "old"


def test_the_error_names_the_file_and_none_beside_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as refused:
        replace_text(tmp_path / "nowhere" / "file", "")
    assert refused.value.filename == str(tmp_path / "nowhere" / "file")


def test_a_full_disk_is_told_with_path_and_remedy() -> None:
    with (
        pytest.raises(UnusableOutput) as refused,
        storage_errors("/dev/full", OTHERWISE),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")
    told = "/dev/full: No space left on device; free space there, or name another"
    assert str(refused.value) == told


def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UnusableOutput) as refused, storage_errors(tmp_path, OTHERWISE):
        (file / "base" / "more").mkdir(parents=True)
    told = f"{file}: a file, where a folder is needed; remove it, or name another"
    assert str(refused.value) == told


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.EDQUOT, "free space there, or name another"),
        (errno.EROFS, "make it writable, or name another"),
        (errno.EACCES, f"give user {os.getuid()} the right to read and write there, or name"),
        (errno.EISDIR, "remove the folder that stands in the file's place, or name another"),
        (errno.ENOENT, "if it was removed meanwhile, start again, or name another"),
        (errno.EIO, "; name another"),
    ],
)
def test_what_the_system_refuses_has_its_remedy(code: int, remedy: str) -> None:
    with pytest.raises(UnusableOutput) as refused, storage_errors("/a", OTHERWISE):
        raise OSError(code, os.strerror(code), "/a/b")
    assert str(refused.value).startswith(f"/a/b: {os.strerror(code)}; ")
    assert remedy in str(refused.value)


def test_a_second_process_is_refused_with_the_id_of_the_first(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from training.storage import alone\n"
        f"with alone(Path({str(tmp_path)!r}), 'training', 'x'):\n"
        "    print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdout.readline()
        with (
            pytest.raises(UnusableOutput) as refused,
            alone(tmp_path, "training", OTHERWISE),
        ):
            pass
        first.stdin.close()
    told = f"another training (process {first.pid}) is at work there; wait until it has ended, or"
    assert told in str(refused.value)


def test_a_folder_is_free_once_the_first_has_ended(tmp_path: Path) -> None:
    with alone(tmp_path, "training", OTHERWISE):
        pass
    with alone(tmp_path, "training", OTHERWISE):
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"


def test_a_folder_to_be_alone_in_is_made(tmp_path: Path) -> None:
    with alone(tmp_path / "a" / "b", "training", OTHERWISE):
        assert (tmp_path / "a" / "b").is_dir()


def test_a_device_where_a_folder_is_needed_is_named() -> None:
    with (
        pytest.raises(UnusableOutput, match=r"^/dev/null: a file, where a folder is needed"),
        alone(Path("/dev/null"), "training", OTHERWISE),
    ):
        pass
