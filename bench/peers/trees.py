"""Processes with all their children: paused, resumed and stopped by their ids (Linux)."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STOP_TIMEOUT_S = 15.0
POLL_S = 0.05


class Tree:
    """A process that was started here, and whatever it started."""

    def __init__(self, pid: int, since: int | None = None) -> None:
        """Make it.

        Args:
            pid: of the process.
            since: when it began, as `began` says; None: whoever has this id now.
        """
        self.pid = pid
        self._since = began(pid) if since is None else since
        self._seen = {} if self._since is None else {pid: self._since}
        """When each of its processes began that lived at the last look, by id: a parent that ends
        loses its children, and an id that is free again goes to somebody else's process."""

    def pids(self) -> set[int]:
        """Its processes that live."""
        children = children_by_parent()
        found = {pid for pid, since in self._seen.items() if began(pid) == since}
        ahead = [*found]
        while ahead:
            new = [child for child in children.get(ahead.pop(), []) if child not in found]
            found.update(new)
            ahead += new
        self._seen = {pid: since for pid in found if (since := began(pid)) is not None}
        return {*self._seen}

    @property
    def is_rooted(self) -> bool:
        """Whether the process that was started still lives."""
        return self._since is not None and began(self.pid) == self._since

    def processor_s(self) -> float:
        """Processor time that its living processes have taken, in the kernel's ticks."""
        return sum(map(_processor_s, self.pids()))

    def pause(self) -> None:
        """Takes no processor time from now on."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Goes on."""
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """Asks all that is left to stop, and after a while makes it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            end = time.monotonic() + STOP_TIMEOUT_S
            while self.pids() and time.monotonic() < end:
                time.sleep(POLL_S)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@contextmanager
def started(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[Tree]:
    """A process whose output goes to a file; it ends with the block, and all its children."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    tree = Tree(process.pid)
    try:
        yield tree
    finally:
        tree.pids()
        tree.resume()
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        tree.end()
        process.wait(STOP_TIMEOUT_S)


def children_by_parent() -> dict[int, list[int]]:
    """Ids of living processes, by their parent's."""
    children: dict[int, list[int]] = {}
    for pid, (state, parent) in _processes():
        if state != "Z":
            children.setdefault(parent, []).append(pid)
    return children


def is_alive(pid: int) -> bool:
    """Whether it runs or is paused; a process that only waits to be reaped is not alive."""
    return began(pid) is not None


def began(pid: int) -> int | None:
    """When a process began, in the kernel's ticks since boot; None: none with this id is alive."""
    fields = _fields(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def _processes() -> Iterator[tuple[int, tuple[str, int]]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (found := _state_and_parent(int(entry))):
            yield int(entry), found


def _state_and_parent(pid: int) -> tuple[str, int] | None:
    fields = _fields(pid)
    return (fields[0], int(fields[1])) if fields else None


def _processor_s(pid: int) -> float:
    fields = _fields(pid)
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _fields(pid: int) -> list[str]:
    """Of proc(5)'s stat, from the state on; none where there is no such process."""
    try:
        # the name may hold spaces and parentheses; what follows it does not
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
