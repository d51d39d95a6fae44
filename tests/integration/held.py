"""The real model, held still until a test lets it go."""

import asyncio
import threading
from collections.abc import Sequence

from model_store.bundle import Bundle
from service.forward import Answer, Ongoing, Question, StageSeconds, forward
from steering.space import FeatureSpace


class HeldModel:
    """Stands where the batcher calls `forward`; remembers the k of each run's questions."""

    def __init__(self, seconds: StageSeconds | None = None) -> None:
        """`seconds` is the time that each run says it took; None: what it took."""
        self.seconds = seconds
        self.runs: list[list[int]] = []
        self._is_running = threading.Event()
        self._may_go = threading.Event()

    def __call__(
        self, bundle: Bundle, space: FeatureSpace, asked: Sequence[Question | Ongoing]
    ) -> tuple[Sequence[Answer | Ongoing], StageSeconds]:
        """As `forward`, once it may go."""
        self.runs.append([own.k for own in asked])
        self._is_running.set()
        assert self._may_go.wait(10)
        answers, seconds = forward(bundle, space, asked)
        return answers, self.seconds or seconds

    async def is_busy(self) -> None:
        """Waits until a run has begun."""
        await asyncio.to_thread(self._is_running.wait, 10)

    def let_go(self) -> None:
        """This run and every later one goes on."""
        self._may_go.set()

    def hold(self) -> None:
        """The next run is held again."""
        self._may_go.clear()
        self._is_running.clear()
