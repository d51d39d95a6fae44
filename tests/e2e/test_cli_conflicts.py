"""Who comes second is told who came first, when and with what."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.demo.replica_process import running
from cli.exit_code import ExitCode
from model_store.store import Store
from tests.e2e.cli_runs import At

pytestmark = pytest.mark.e2e

TEXT = "name: scary\nrules:\n  - {{attribute: genre=Horror, operation: ADD, value: {value}}}\n"
MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"


@pytest.fixture
def at(tiny_store: Store, tmp_path: Path) -> Iterator[At]:
    """The command, pointed at a replica of the test's own."""
    with running(tmp_path / "replica", tiny_store.root) as replica:
        yield At(replica.grpc)


def written(folder: Path, value: int) -> str:
    """A preset file."""
    path = folder / f"{value}.yaml"
    path.write_text(TEXT.format(value=value))
    return str(path)


def test_a_stale_etag_is_told_with_the_last_change(at: At, tmp_path: Path) -> None:
    at("preset", "apply", "--yes", written(tmp_path, 1), "--author", "ada", "--reason", "first")
    done = at("preset", "delete", "scary", "--etag", "old")
    assert done.code == ExitCode.CONFLICT
    assert re.search(
        rf"preset 'scary' was changed since it was read: created, revision 1, by ada at {MOMENT}, "
        "reason: first; this command wrote nothing to it",
        done.err,
    )
    assert "look at it with `steerrec preset show scary` and run the command again" in done.err
    assert "request id " in done.err
    assert "etag" not in done.err


def test_an_apply_that_waits_for_a_yes_is_told_who_was_first(at: At, tmp_path: Path) -> None:
    at("preset", "apply", "--yes", written(tmp_path, 1))
    # answers at a terminal only: script(1) gives the command one
    command = f"{sys.executable} -m cli preset apply {written(tmp_path, 2)} --address {at.address}"
    slow = subprocess.Popen(
        ["script", "-qec", command, "/dev/null"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert slow.stdin is not None
    assert slow.stdout is not None
    said = ""
    while "[y/N]" not in said:
        said += slow.stdout.read(1)
    at("preset", "apply", "--yes", written(tmp_path, 3), "--author", "bob", "--reason", "quicker")
    said += slow.communicate("y\n", timeout=60)[0]
    assert slow.returncode == ExitCode.CONFLICT
    assert "updated, revision 2, by bob at " in said
    assert "reason: quicker" in said


def test_every_time_that_is_printed_has_a_zone(at: At, tmp_path: Path) -> None:
    at("preset", "apply", "--yes", written(tmp_path, 1))
    commands = (
        ("preset", "list"),
        ("preset", "revisions", "scary"),
        ("preset", "status"),
        ("audit", "log"),
        ("preset", "show", "scary"),
    )
    for words in commands:
        done = at(*words)
        times = re.findall(r"\d\d:\d\d:\d\d.?", done.out + done.err)
        assert times, words
        assert {time[-1] for time in times} == {"Z"}, words


def test_the_author_of_a_change_is_never_the_program(at: At, tmp_path: Path) -> None:
    at("preset", "apply", "--yes", written(tmp_path, 1))
    author = at("preset", "show", "scary", "--json").json["author"]
    assert re.fullmatch(r"[^@]+@.+", author)
    assert not author.startswith("steerrec")
