"""What the operating system refuses, as a sentence with path and remedy."""

import errno
import os

import pytest

from cli.endings import REMEDIES, status_after, system_refusal
from cli.errors import OutputLost
from cli.exit_code import ExitCode


@pytest.mark.parametrize("number", sorted(REMEDIES))
def test_a_refusal_names_path_reason_and_remedy(number: int) -> None:
    said = system_refusal(OSError(number, os.strerror(number), "/data/x"))
    assert said == f"/data/x: {os.strerror(number)}; {REMEDIES[number]}"


def test_a_refusal_that_a_library_raised_with_words_alone_has_a_remedy() -> None:
    said = system_refusal(FileNotFoundError("bucket/x"))
    assert said == "bucket/x: No such file or directory; look at the path"


def test_a_rename_names_both_paths() -> None:
    said = system_refusal(OSError(errno.ENOSPC, "No space left on device", "/a", None, "/b"))
    assert said is not None
    assert said.startswith("/a -> /b: No space left on device; ")


def test_an_error_of_the_system_that_no_user_can_cause_is_none() -> None:
    assert system_refusal(OSError(errno.ENOTSOCK, "Socket operation on non-socket")) is None


def test_a_reader_that_has_gone_needs_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    status = status_after(OutputLost(BrokenPipeError(errno.EPIPE, "Broken pipe")), [])
    assert (status, capsys.readouterr().err) == (ExitCode.PIPE_CLOSED, "")


def test_too_little_memory_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_after(MemoryError(), []) == ExitCode.REFUSED
    assert "memory" in capsys.readouterr().err
