"""However a command ends: no traceback, and a status that docs/cli.md lists."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

HIDDEN = "hunter2"
STEERREC = f"{sys.executable} -m cli"


def shell(line: str, folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Runs a line of bash in which $S is the command; the folder is its temp folder."""
    return subprocess.run(
        ["bash", "-c", line],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        env={**os.environ, "S": STEERREC, "TMPDIR": str(folder), "COLUMNS": "80", **environ},
    )


def ended_with(statement: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """A command in which importing a package runs the statement, as a damaged install would."""
    package = folder / "shadow" / "grpc"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(statement)
    paths = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    return shell("$S features list", folder, PYTHONPATH=paths, SOME_TOKEN=HIDDEN)


@pytest.mark.parametrize(
    "statement",
    [
        "1/0",
        "def f(): f()\nf()",
        "'\\ud800'.encode()",
        "raise ImportError('no symbol')",
        "import no_such_package",
        "raise OSError(88, 'Socket operation on non-socket')",
        "class Odd(BaseException): pass\nraise Odd",
    ],
)
def test_a_fault_of_steerrec_is_a_sentence_and_a_report(statement: str, tmp_path: Path) -> None:
    done = ended_with(statement, tmp_path)
    [path] = tmp_path.glob("steerrec-fault-*.txt")
    assert done.returncode == 70
    assert "this is a fault of steerrec, not of your input" in done.stderr
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in path.read_text()


def test_a_report_holds_no_secret(tmp_path: Path) -> None:
    done = ended_with("raise RuntimeError('redis://u:pw1234@h refused hunter2')", tmp_path)
    [path] = tmp_path.glob("steerrec-fault-*.txt")
    said = done.stderr + path.read_text()
    assert "pw1234" not in said.replace("raise RuntimeError", "")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("statement", "status", "said"),
    [
        ("raise MemoryError", 1, "the memory was not enough"),
        ("open('/nowhere/x')", 1, "/nowhere/x: No such file or directory; look at the path"),
        ("raise OSError(28, 'No space left on device', '/x')", 1, "make room on the disk"),
        ("raise BrokenPipeError(32, 'Broken pipe')", 1, "a process that this command had started"),
        ("raise KeyboardInterrupt", 130, ""),
    ],
)
def test_what_is_no_fault_of_steerrec_is_a_sentence(
    statement: str, status: int, said: str, tmp_path: Path
) -> None:
    done = ended_with(statement, tmp_path)
    assert (done.returncode, said in done.stderr) == (status, True)
    assert "Traceback" not in done.stderr
    assert not [*tmp_path.glob("steerrec-fault-*")]


def test_a_full_stdout_is_a_sentence(tmp_path: Path) -> None:
    done = shell("$S --help >/dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "error: stdout cannot be written: No space left on device; send the output elsewhere\n"
    )


def test_a_closed_stdout_is_a_sentence(tmp_path: Path) -> None:
    done = shell("$S --help >&-", tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr == "error: stdout cannot be written: it is closed; send the output elsewhere\n"
    )


def test_a_reader_that_has_gone_ends_the_command_as_it_ends_others(tmp_path: Path) -> None:
    done = shell("$S --help | true; echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.stdout, done.stderr) == ("141\n", "")


@pytest.mark.parametrize("where", ["/dev/full", "&-"])
def test_a_stderr_that_cannot_be_written_leaves_the_status(where: str, tmp_path: Path) -> None:
    assert shell(f"$S preset check none.yaml 2>{where}", tmp_path).returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_terminal_that_lacks_the_characters_gets_the_help(encoding: str, tmp_path: Path) -> None:
    done = shell("$S recommend --help", tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["C", "POSIX"])
def test_a_file_name_that_no_locale_spells_is_told(name: str, tmp_path: Path) -> None:
    done = shell("$S preset check $'\\xff\\u20ac.yaml'", tmp_path, LC_ALL=name)
    assert done.returncode == 1
    assert ".yaml: cannot be read: No such file or directory" in done.stderr


def test_a_wrong_command_line_is_one_line_that_names_its_help(tmp_path: Path) -> None:
    done = shell("$S recommend -k 99999999999999999999", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: Invalid value for '-k': \"99999999999999999999\" is not a number up to 1000 "
        "(`steerrec recommend --help`)\n"
    )


@pytest.mark.parametrize("words", ["", "preset", "preset store"])
def test_a_command_without_words_prints_its_help(words: str, tmp_path: Path) -> None:
    done = shell(f"$S {words}", tmp_path)
    assert (done.returncode, done.stderr, "Usage: steerrec" in done.stdout) == (2, "", True)
