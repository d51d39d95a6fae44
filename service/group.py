"""The questions of one call that asks many: their line, and what became of them."""

import asyncio
from collections import deque
from typing import TypeAlias

from service.forward import Answer, Question
from service.lines import Waiting
from service.slate import Slate

Told: TypeAlias = Answer | Slate | Exception
"""What became of a question; a slate where the model was not needed."""


class Group:
    """An asker of many questions, who takes what became of them in lots."""

    caller = None
    """Groups take turns whoever asks."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.line: deque[Waiting] = deque()
        """What waits for the model; the batcher's own."""
        self.is_gone = False
        """Whether nobody waits any more."""
        self._told: list[tuple[int, Told]] = []
        self._has_news = asyncio.Event()

    def question(self, _place: int) -> Question | None:
        """None: each was read when it was asked."""
        return None

    def tell(self, place: int, outcome: Told) -> None:
        """Keeps what became of a question until it is taken."""
        self._told.append((place, outcome))
        self._has_news.set()

    def wake(self) -> None:
        """Lets `news` return, also where there is none."""
        self._has_news.set()

    async def news(self) -> list[tuple[int, Told]]:
        """What was told since the last time; waits for it."""
        await self._has_news.wait()
        self._has_news.clear()
        told, self._told = self._told, []
        return told
