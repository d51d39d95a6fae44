"""What the system says, in a sentence."""

import errno
import os

import pytest
from pydantic import BaseModel, ValidationError

from model_store.causes import cause_of, faults_of, sentence_of


class Row(BaseModel):
    """Two numbers."""

    a: int
    b: int


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EACCES, f"permission denied for uid {os.getuid()}"),
        (errno.EPERM, f"permission denied for uid {os.getuid()}"),
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.ESTALE, "mounted anew"),
        (errno.ECONNREFUSED, "Connection refused"),
    ],
)
def test_a_cause_is_told_in_words(number: int, why: str) -> None:
    assert why in cause_of(OSError(number, os.strerror(number)))


def test_an_error_without_a_number_is_told_by_its_text() -> None:
    assert cause_of(OSError("no answer")) == "no answer"


def test_an_error_without_anything_is_told_by_its_name() -> None:
    assert cause_of(TimeoutError()) == "TimeoutError"


def test_a_path_is_told_with_its_cause() -> None:
    error = OSError(errno.ENOSPC, "x", "/data/x")
    assert sentence_of(error).startswith("/data/x: the disk is full")


def test_without_a_temporary_folder_the_variable_is_named() -> None:
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    assert sentence_of(error).endswith("set TMPDIR to a folder that can be written")


def test_fields_at_fault_are_one_line_without_values() -> None:
    with pytest.raises(ValidationError) as told:
        Row.model_validate({"a": "s3cret"})
    line = faults_of(told.value)
    assert ("\n" in line, "s3cret" in line, line.count("; ")) == (False, False, 1)
