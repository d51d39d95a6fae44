"""Runs a load in processes of its own, so that printing does not disturb sending."""

import asyncio
import multiprocessing
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from loadtest.connections import connected
from loadtest.errors import GeneratorDied, LoadtestError
from loadtest.generator import Generator, now, numbers_of, share_of
from loadtest.levels import send_times
from loadtest.load import Load
from loadtest.result import Part, Result, result_of, windows_of
from loadtest.tally import OK

LOOK_S = 0.25
"""Between two looks at progress."""
START_IN_S = 0.1
"""From when all processes are connected to the first call: every one has heard of it by then."""
LAST_WORD_S = 5.0
"""For a process to end once it has said all."""


class Progress(NamedTuple):
    """How far a process, or all of them, are."""

    ended: int = 0
    """Calls with an answer or an error."""
    ok: int = 0
    """Of them, with an answer."""
    dropped: int = 0
    """Calls that were not sent."""
    in_flight: int = 0
    """Calls without an answer yet."""


Watch = Callable[[Progress, float], None]
"""Told the progress, and the seconds since the start."""
Word = Progress | Part | LoadtestError | str | None
"""What a process says: progress, its result, why it failed; None: it is connected."""


def run(load: Load, watch: Watch = lambda *_: None) -> Result:
    """Sends a load and says what came of it; SIGINT ends it early, with what was measured.

    Raises:
        Unreachable: nothing was sent, as no service answers.
        LoadRefused: a certificate cannot be read.
        GeneratorDied: a process of the generator ended by itself.
    """
    with _children(load) as children, _interrupt() as interrupted:
        _hear_all(children)  # each is connected
        start = now() + START_IN_S
        for child in children:
            child.pipe.send(start)
        parts = _parts(children, interrupted, lambda own: watch(own, max(0.0, now() - start)))
        return result_of(load, parts, is_cancelled=interrupted.is_set())


@dataclass
class _Child:
    """A process of the generator."""

    process: BaseProcess
    pipe: Connection
    progress: Progress = field(default=Progress())
    part: Part | None = None

    def hear(self) -> Word:
        """What it says next; what went wrong with it is raised."""
        try:
            word: Word = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(LAST_WORD_S)
            raise GeneratorDied(f"exit status {self.process.exitcode}") from None
        if isinstance(word, LoadtestError):
            raise word
        if isinstance(word, str):
            raise GeneratorDied(word)
        return word


@contextmanager
def _children(load: Load) -> Iterator[list[_Child]]:
    """The processes, started and, whatever happens, ended."""
    children: list[_Child] = []
    # Ctrl-C goes to every process of a terminal: only the parent heeds it
    heeded = signal.signal(signal.SIGINT, signal.SIG_IGN) if _is_main_thread() else None
    try:
        for index in range(load.processes):
            children.append(_started(load, index))  # noqa: PERF401 - those before end in any case
        if heeded is not None:
            signal.signal(signal.SIGINT, heeded)
        yield children
    finally:
        if heeded is not None:
            signal.signal(signal.SIGINT, heeded)
        for child in children:
            child.pipe.close()
            child.process.join(LAST_WORD_S if child.part else 0)
            child.process.kill()
            child.process.join()


def _started(load: Load, index: int) -> _Child:
    # a fork would copy the threads' locks of gRPC
    context = multiprocessing.get_context("spawn")
    own, theirs = context.Pipe()
    process = context.Process(target=_work, args=(load, index, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Child(process, own)


@contextmanager
def _interrupt() -> Iterator[threading.Event]:
    """Set by the first SIGINT; the second is Python's own again."""
    interrupted = threading.Event()
    if not _is_main_thread():
        yield interrupted
        return

    def heed(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, heed)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _hear_all(children: Sequence[_Child]) -> None:
    for child in children:
        child.hear()


def _parts(
    children: Sequence[_Child], interrupted: threading.Event, watch: Callable[[Progress], None]
) -> list[Part]:
    """What each process measured, once all have."""
    is_told = False
    while pending := [child for child in children if child.part is None]:
        if interrupted.is_set() and not is_told:
            is_told = True
            _stop(pending)
        for pipe in wait([child.pipe for child in pending], LOOK_S):
            _note(next(child for child in pending if child.pipe is pipe))
        watch(Progress(*map(sum, zip(*(child.progress for child in children), strict=True))))
    return [child.part for child in children if child.part is not None]


def _stop(children: Sequence[_Child]) -> None:
    for child in children:
        with suppress(OSError):  # it has just ended by itself
            child.pipe.send(None)


def _note(child: _Child) -> None:
    word = child.hear()
    if isinstance(word, Part):
        child.part = word
    elif isinstance(word, Progress):
        child.progress = word


def _work(load: Load, index: int, pipe: Connection) -> None:
    """A process's whole life: connect, wait for the start, send, tell."""
    # select() sleeps to the microsecond, epoll to the millisecond: calls would be sent late
    with (
        suppress(BrokenPipeError),
        asyncio.Runner(
            loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
        ) as runner,
    ):
        try:
            pipe.send(runner.run(_part(load, index, pipe)))
        except LoadtestError as error:
            pipe.send(error)
        except EOFError:
            return  # the parent is gone, and with it the question
        except Exception as error:  # whatever it is, the parent must hear of it
            pipe.send(f"{type(error).__name__}: {error}")


async def _part(load: Load, index: int, pipe: Connection) -> Part:
    async with connected(load, index=index) as call:
        windows = windows_of(load)
        generator = Generator(
            call,
            [window.start_s for window in windows],
            end_s=windows[-1].end_s,
            skip_first=load.skip_first,
            count_errors=load.count_errors,
        )
        pipe.send(None)
        start: float = pipe.recv()
        asyncio.get_running_loop().add_reader(pipe.fileno(), _stop_at_word, generator, pipe)
        teller = asyncio.create_task(_tell(generator, pipe))
        own_s = time.process_time()
        await _send(load, index, generator, start)
        total_s, own_s = now() - start, time.process_time() - own_s
        teller.cancel()
    return Part(generator.tallies, total_s, generator.most_in_flight, own_s / total_s)


async def _send(load: Load, index: int, generator: Generator, start: float) -> None:
    own_share = max(1, load.in_flight // load.processes)
    if load.is_open:
        sends = share_of(send_times(load.levels), index, load.processes)
        await generator.open_loop(sends, start, own_share)
    else:
        numbers = numbers_of(load.total, index, load.processes)
        await generator.closed_loop(numbers, start, callers=own_share, duration_s=load.duration_s)


def _stop_at_word(generator: Generator, pipe: Connection) -> None:
    """The parent says only one thing, or is gone."""
    asyncio.get_running_loop().remove_reader(pipe.fileno())
    generator.is_stopped = True


async def _tell(generator: Generator, pipe: Connection) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        tallies = generator.tallies
        progress = Progress(
            ended=sum(tally.count for tally in tallies),
            ok=sum(tally.statuses[OK] for tally in tallies),
            dropped=sum(tally.dropped for tally in tallies),
            in_flight=generator.in_flight,
        )
        with suppress(BrokenPipeError):
            pipe.send(progress)
