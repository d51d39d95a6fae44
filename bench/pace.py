"""How fast a model learns: seconds of training, validation left out, and what they reached."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

FEWEST_EPOCHS = 30
"""Before these nobody is stuck: a slow learner stays at the level of popularity for a while."""


@dataclass(frozen=True)
class Reached:
    """The end of an epoch."""

    wall_s: float
    """Seconds of training so far."""
    cpu_s: float
    """Processor seconds of the same."""
    ndcg: float
    """Validation NDCG@10."""


class Pace:
    """A clock that stands still while a model is validated; prints each epoch as JSON."""

    def __init__(self, validate: Callable[[], float], max_s: float) -> None:
        """The clock starts.

        Args:
            validate: gives the validation NDCG@10 of the model as it is.
            max_s: processor seconds of training after which it is over.
        """
        self.epochs: list[Reached] = []
        self._validate = validate
        self._max_s = max_s
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def epoch_ended(self) -> bool:
        """Validates, says what was reached, and whether training is over."""
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        reached = Reached(wall_s - self._wall_s, cpu_s - self._cpu_s, self._validate())
        self.epochs.append(reached)
        print(json.dumps(asdict(reached)), flush=True)
        self._wall_s += time.perf_counter() - wall_s
        self._cpu_s += time.process_time() - cpu_s
        return is_over(self.epochs, self._max_s)


def is_over(epochs: Sequence[Reached], max_s: float) -> bool:
    """Whether the time is up, or nothing got better for as long as the best took."""
    best = max(epochs, key=lambda epoch: epoch.ndcg)
    is_stuck = len(epochs) >= FEWEST_EPOCHS and epochs[-1].cpu_s > 2 * best.cpu_s
    return is_stuck or epochs[-1].cpu_s > max_s


def first_at(epochs: Sequence[Reached], level: float) -> Reached | None:
    """The first epoch that reached the level; None: none did."""
    return next((epoch for epoch in epochs if epoch.ndcg >= level), None)
