"""The two lines before the model: who goes into the next run."""

from collections import deque
from typing import Any, cast

import numpy as np
import pytest

from model_store.bundle import Bundle
from service.forward import Answer, Question
from service.group import Group
from service.lines import Asker, Lines, Waiting
from steering.plan import NO_RULES
from steering.space import FeatureSpace

ONE, OTHER = cast("Bundle", "one"), cast("Bundle", "other")
"""Bundles, as far as lines can tell."""


class Alone:
    """An asker of one question."""

    line: deque[Waiting] | None = None
    caller: object = None
    is_gone = False

    def question(self, _place: int) -> Question | None:
        """None: each was read when it was put."""
        return None

    def tell(self, place: int, outcome: Answer | Exception) -> None:
        """Takes nothing: no model runs here."""


class Queue:
    """Lines with a clock of their own; questions are told apart by their k."""

    def __init__(self) -> None:
        self.lines = Lines()
        self._now = 0.0

    def put(self, asker: Asker, *numbers: int, bundle: Bundle = ONE) -> None:
        for k in numbers:
            self._now += 1
            items: Any = np.array([1])
            question = Question(items, items, k, NO_RULES, is_full=False)
            space = cast("FeatureSpace", None)
            self.lines.put(Waiting(bundle, space, question, asker, k, None, self._now))

    def take(self, most: int) -> list[int]:
        taken = self.lines.take(most, lambda own: own.asker.is_gone)
        return [cast("Question", own.question).k for own in taken]


@pytest.fixture
def queue() -> Queue:
    return Queue()


def test_singles_alone_go_in_order(queue: Queue) -> None:
    queue.put(Alone(), 1, 2, 3)
    assert [queue.take(2), queue.take(2)] == [[1, 2], [3]]


def test_a_group_alone_fills_the_run(queue: Queue) -> None:
    queue.put(Group(), *range(10))
    assert queue.take(8) == list(range(8))


def test_where_both_wait_a_run_is_half_of_each(queue: Queue) -> None:
    queue.put(Group(), *range(100, 120))
    queue.put(Alone(), *range(20))
    assert sorted(queue.take(8)) == [0, 1, 2, 3, 100, 101, 102, 103]


def test_a_single_goes_into_the_next_run_however_large_the_group(queue: Queue) -> None:
    queue.put(Group(), *range(100, 356))
    queue.put(Alone(), 1)
    assert 1 in queue.take(8)


def test_a_group_goes_on_however_many_singles_come(queue: Queue) -> None:
    queue.put(Alone(), *range(100))
    queue.put(Group(), 200)
    assert 200 in queue.take(8)


def test_what_one_line_lacks_the_other_gets(queue: Queue) -> None:
    queue.put(Group(), 100, 101)
    queue.put(Alone(), *range(20))
    assert len(queue.take(8)) == 8


def test_runs_of_one_go_by_turns(queue: Queue) -> None:
    queue.put(Group(), 100, 101)
    queue.put(Alone(), 1, 2)
    assert sorted([queue.take(1), queue.take(1)]) == [[1], [100]]


def test_groups_take_even_parts(queue: Queue) -> None:
    first, second = Group(), Group()
    queue.put(first, *range(100))
    queue.put(second, *range(200, 300))
    assert sorted(queue.take(4)) == [0, 1, 200, 201]


def test_groups_of_few_leave_the_rest_to_others(queue: Queue) -> None:
    first, second = Group(), Group()
    queue.put(first, *range(100))
    queue.put(second, 200)
    assert sorted(queue.take(6)) == [0, 1, 2, 3, 4, 200]


def test_more_groups_than_places_have_their_turns(queue: Queue) -> None:
    for start in (0, 100, 200):
        queue.put(Group(), *range(start, start + 10))
    taken = {number // 100 for _ in range(3) for number in queue.take(1)}
    assert taken == {0, 1, 2}


def test_a_run_is_of_the_bundle_that_has_waited_longest(queue: Queue) -> None:
    queue.put(Alone(), 1, bundle=OTHER)
    queue.put(Group(), 100, bundle=ONE)
    queue.put(Alone(), 2, bundle=OTHER)
    assert [queue.take(8), queue.take(8)] == [[1, 2], [100]]


def test_those_of_another_bundle_keep_their_places(queue: Queue) -> None:
    group = Group()
    queue.put(group, 1, bundle=ONE)
    queue.put(group, 2, bundle=OTHER)
    queue.put(group, 3, 4, bundle=ONE)
    assert [queue.take(2), queue.take(2), queue.take(2)] == [[1, 3], [2], [4]]


def test_a_group_that_leaves_takes_all_with_it(queue: Queue) -> None:
    group = Group()
    queue.put(group, 1, 2, 3)
    assert (queue.lines.drop(group), len(queue.lines), queue.take(4)) == (3, 0, [])


def test_those_who_are_gone_take_no_place(queue: Queue) -> None:
    gone = Alone()
    queue.put(gone, 1)
    queue.put(Alone(), 2, 3)
    gone.is_gone = True
    assert queue.take(2) == [2, 3]


def test_what_goes_on_comes_before_what_is_new(queue: Queue) -> None:
    group = Group()
    queue.put(group, 1, 2, 3)
    going = queue.lines.take(2, lambda own: own.asker.is_gone)
    queue.lines.put_back(going)
    assert queue.take(3) == [1, 2, 3]


def test_what_is_put_back_is_counted(queue: Queue) -> None:
    queue.put(Group(), 1, 2)
    queue.put(Alone(), 3)
    queue.lines.put_back(queue.lines.take(3, lambda own: own.asker.is_gone))
    assert (queue.lines.n_grouped, queue.lines.n_singles) == (2, 1)


def test_a_single_waits_for_singles_alone_however_many_groups_wait(queue: Queue) -> None:
    queue.put(Group(), *range(1000))
    queue.put(Alone(), *range(8))
    assert queue.lines.runs_ahead(Alone(), 8) == 2


def test_a_single_waits_for_full_runs_of_singles_where_no_group_is(queue: Queue) -> None:
    queue.put(Alone(), *range(16))
    assert queue.lines.runs_ahead(Alone(), 8) == 2


def test_a_group_waits_for_no_more_of_others_than_it_has_itself(queue: Queue) -> None:
    own, large = Group(), Group()
    queue.put(large, *range(1000))
    queue.put(own, *range(8))
    assert queue.lines.runs_ahead(own, 8) == 2


def by(caller: object) -> Alone:
    """A single question of a caller."""
    asker = Alone()
    asker.caller = caller
    return asker


def test_callers_take_even_parts(queue: Queue) -> None:
    queue.put(by("flood"), *range(100))
    queue.put(by("few"), 200, 201, 202)
    assert sorted(queue.take(8)) == [0, 1, 2, 3, 4, 200, 201, 202]


def test_each_callers_questions_go_in_order(queue: Queue) -> None:
    queue.put(by("flood"), *range(5))
    queue.put(by("few"), 200, 201)
    taken = queue.take(3) + queue.take(3) + queue.take(3)
    assert ([k for k in taken if k < 100], [k for k in taken if k > 100]) == (
        [0, 1, 2, 3, 4],
        [200, 201],
    )


def test_more_callers_than_places_have_their_turns(queue: Queue) -> None:
    for start in range(0, 500, 100):
        queue.put(by(start), *range(start, start + 10))
    assert sorted(number // 100 for _ in range(5) for number in queue.take(2)) == sorted(
        [*range(5)] * 2
    )


def test_a_caller_waits_for_no_more_of_others_than_it_has_itself(queue: Queue) -> None:
    queue.put(by("flood"), *range(1000))
    queue.put(by("few"), 2000)
    own = [queue.lines.runs_ahead_of(caller, 4) for caller in ("few", "new", "flood")]
    assert own == [0, 0, 250]


def test_a_caller_with_the_most_gives_way(queue: Queue) -> None:
    queue.put(by("flood"), 1, 2, 3)
    queue.put(by("few"), 4)
    newest = queue.lines.singles.pop_largest()
    assert (newest.place, queue.lines.n_singles) == (3, 3)


def test_a_share_is_an_even_part_of_the_room(queue: Queue) -> None:
    queue.put(by("flood"), *range(8))
    singles = queue.lines.singles
    assert [singles.is_within_share(caller, 8) for caller in ("flood", "new")] == [False, True]


def test_callers_that_have_gone_leave_nothing(queue: Queue) -> None:
    gone, there = by("gone"), by("there")
    queue.put(gone, 1, 2)
    queue.put(there, 3)
    gone.is_gone = True
    assert (queue.take(8), len(queue.lines), len(queue.lines.singles._lines)) == ([3], 0, 0)
