"""Servers of the bench are paused and stopped with all that they started."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.peers.trees import Tree, began, is_alive, started

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
child.wait()
"""
DEADLINE_S = 10.0


def child_of(log: Path) -> int:
    """The id that the parent printed."""
    end = time.monotonic() + DEADLINE_S
    while not (printed := log.read_text()):
        assert time.monotonic() < end, "the parent printed nothing"
        time.sleep(0.02)
    return int(printed)


def is_soon(pid: int, states: str) -> bool:
    """Whether the kernel soon names its state so: T is stopped, S sleeps, R runs."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in states:
            return True
        time.sleep(0.02)
    return False


def test_a_block_ends_its_process_and_its_children(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started([sys.executable, "-c", PARENT], log, {}) as tree:
        child = child_of(log)
        assert {tree.pid, child} <= tree.pids()
    assert not is_alive(tree.pid)
    assert not is_alive(child)


def test_a_child_whose_parent_was_killed_is_ended_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started([sys.executable, "-c", PARENT], log, {}) as tree:
        child = child_of(log)
        tree.pids()
        subprocess.run(["kill", "-KILL", str(tree.pid)], check=True)
    assert not is_alive(child)


def test_a_pause_stops_children_and_going_on_wakes_them(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started([sys.executable, "-c", PARENT], log, {}) as tree:
        child = child_of(log)
        tree.pause()
        assert is_soon(child, "T")
        tree.resume()
        assert is_soon(child, "RS")


def test_a_paused_tree_ends_with_its_block(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started([sys.executable, "-c", PARENT], log, {}) as tree:
        child = child_of(log)
        tree.pause()
    assert not is_alive(child)


def test_a_process_that_ended_by_itself_is_no_root(tmp_path: Path) -> None:
    with started([sys.executable, "-c", ""], tmp_path / "log", {}) as tree:
        end = time.monotonic() + DEADLINE_S
        while tree.is_rooted and time.monotonic() < end:
            time.sleep(0.02)
        assert not tree.is_rooted


@pytest.mark.parametrize("pid", [2**22 + 1])
def test_a_process_that_never_was_is_not_alive(pid: int) -> None:
    assert not is_alive(pid)
    assert Tree(pid).pids() == set()


def test_a_process_that_got_the_id_of_an_earlier_one_is_left_alone(tmp_path: Path) -> None:
    with started([sys.executable, "-c", PARENT], tmp_path / "log", {}) as other:
        since = began(other.pid)
        assert since is not None
        earlier = Tree(other.pid, since - 1)
        assert not earlier.is_rooted
        assert earlier.pids() == set()
        earlier.end()
        assert other.is_rooted


def test_a_tree_takes_the_processor_time_of_its_children(tmp_path: Path) -> None:
    log = tmp_path / "log"
    busy = PARENT.replace("import time; time.sleep(600)", "while True: pass")
    with started([sys.executable, "-c", busy], log, {}) as tree:
        child_of(log)
        before, end = tree.processor_s(), time.monotonic() + DEADLINE_S
        while tree.processor_s() - before < 0.1 and time.monotonic() < end:
            time.sleep(0.02)
        assert tree.processor_s() - before >= 0.1
