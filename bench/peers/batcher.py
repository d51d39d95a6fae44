"""Batches for a server that runs on asyncio and has no batcher of its own in the process."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.peers.steered import Steered


class Batcher:
    """Runs what waits as one batch whenever the model is free, and waits only if told to."""

    def __init__(self, steered: Steered, batch: int, wait_s: float) -> None:
        """One run at a time, in a thread: the loop takes requests meanwhile."""
        self._steered = steered
        self._batch = batch
        self._wait_s = wait_s
        self._waiting: list[tuple[bytes, asyncio.Future[bytes]]] = []
        self._thread = ThreadPoolExecutor(1)
        self._running: asyncio.Task[None] | None = None

    async def answer(self, body: bytes) -> bytes:
        """The answer to one question, in the bytes of `frame`."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            if len(self._waiting) < self._batch and self._wait_s:
                await asyncio.sleep(self._wait_s)
            own, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
            await self._run_one(own)

    async def _run_one(self, own: Sequence[tuple[bytes, "asyncio.Future[bytes]"]]) -> None:
        loop = asyncio.get_running_loop()
        bodies = [body for body, _ in own]
        answers: Sequence[bytes | Exception]
        try:
            answers = await loop.run_in_executor(self._thread, self._steered.bodies, bodies)
        except Exception as error:  # whoever asked is told
            answers = [error] * len(own)
        for (_, waiting), answer in zip(own, answers, strict=True):
            if waiting.done():
                continue
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)
