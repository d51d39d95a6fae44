"""What the servers beside ours run on: their command line, and rows padded to the longest."""

import asyncio
from typing import cast

import numpy as np
import pytest

from bench.peers.batcher import Batcher
from bench.peers.frame import Row
from bench.peers.steered import Steered, feeds, tuning_of


def _row(items: list[int], excluded: list[int], features: list[int], k: int) -> Row:
    return Row(
        items=np.array(items),
        excluded=np.array(excluded, dtype=np.int64),
        features=np.array(features, dtype=np.int64),
        operations=np.full(len(features), 2),
        values=np.ones(len(features), dtype=np.float32),
        k=k,
    )


FEEDS = feeds([_row([4], [4, 5], [], 3), _row([1, 2, 3], [1], [7], 5)])


def test_histories_are_padded_on_the_left() -> None:
    assert FEEDS["items"].tolist() == [[0, 0, 4], [1, 2, 3]]


def test_exclusions_are_padded_on_the_right() -> None:
    assert FEEDS["excluded"].tolist() == [[4, 5], [1, 0]]


def test_no_rule_is_operation_0() -> None:
    assert FEEDS["rule_operations"].tolist() == [[0], [2]]


def test_the_longest_slate_is_asked_for() -> None:
    assert FEEDS["k"].tolist() == [5]


def test_inputs_are_of_the_graphs_types() -> None:
    types = {name: tensor.dtype.name for name, tensor in FEEDS.items()}
    values = types.pop("rule_values")
    assert (set(types.values()), values) == ({"int64"}, "float32")


def test_a_command_line_is_read() -> None:
    line = "--graph g.onnx --port 1 --workers 2 --batch 8 --wait-ms 1.5 --front fast-queue"
    tuning = tuning_of(line.split())
    assert (tuning.workers, tuning.batch, tuning.wait_ms, tuning.front) == (2, 8, 1.5, "fast-queue")


class Recorded:
    """A model that answers with the question, and remembers its batches."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.batches: list[int] = []
        self._fault = fault

    def bodies(self, bodies: list[bytes]) -> list[bytes]:
        self.batches.append(len(bodies))
        if self._fault:
            raise self._fault
        return list(bodies)


def _batcher(model: Recorded, batch: int) -> Batcher:
    return Batcher(cast("Steered", model), batch, wait_s=0)


async def test_each_caller_gets_the_answer_to_its_own_question() -> None:
    asked = [bytes([number]) for number in range(10)]
    batcher = _batcher(Recorded(), batch=4)
    assert await asyncio.gather(*map(batcher.answer, asked)) == asked


async def test_no_batch_is_larger_than_tuned() -> None:
    model = Recorded()
    await asyncio.gather(*map(_batcher(model, batch=4).answer, [b""] * 10))
    assert model.batches == [4, 4, 2]


async def test_whoever_asked_is_told_that_the_model_failed() -> None:
    with pytest.raises(ValueError, match="broken"):
        await _batcher(Recorded(ValueError("broken")), batch=4).answer(b"")
