"""What is kept, what goes first, and that the bytes told are the bytes taken."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.run_states import sparse_of
from service.state_cache import Sparse, State, StateCache, size_of


def state(number: int, size: int = 400) -> State:
    """One that says its number."""
    return State(number.to_bytes(2, "big") * (size // 2))


def key(number: int) -> bytes:
    return np.array([number, number + 1], dtype=np.int64).tobytes()


def room_for(count: int) -> int:
    """Bytes that so many of `state` take."""
    return count * size_of(key(0), state(0))


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = StateCache(room_for(2))
    cache.keep({key(1): state(1), key(2): state(2)})
    cache.found([key(1)])
    cache.keep({key(3): state(3)})
    assert cache.found(map(key, (1, 2, 3))).keys() == {key(1), key(3)}


def test_what_is_larger_than_the_bound_pushes_nothing_out() -> None:
    cache = StateCache(room_for(2))
    cache.keep({key(1): state(1)})
    cache.keep({key(2): state(2, size=10_000)})
    assert cache.found([key(1), key(2)]).keys() == {key(1)}


def test_a_state_takes_the_place_of_the_one_before() -> None:
    cache = StateCache(room_for(10))
    cache.keep({key(1): state(1)})
    fuller = state(1)._replace(activations=Sparse(b"1234", b"5678"))
    cache.keep({key(1): fuller})
    assert (len(cache), cache.size_bytes) == (1, size_of(key(1), fuller))


def test_nothing_is_kept_in_no_bytes() -> None:
    cache = StateCache(0)
    cache.keep({key(1): state(1)})
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_python_takes_no_more_than_is_counted() -> None:
    def entry(number: int) -> tuple[bytes, State]:
        sparse = Sparse(*(np.full(32, number, dtype=np.int32).tobytes() for _ in range(2)))
        return key(number), state(number, size=512)._replace(activations=sparse)

    cache = StateCache(10**8)
    tracemalloc.start()
    try:
        for number in range(10_000):
            cache.keep(dict([entry(number)]))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.8 * cache.size_bytes < taken <= cache.size_bytes


def test_places_count_from_each_rows_own_beginning() -> None:
    activations = np.zeros((3, 8), dtype=np.float32)
    activations[0, 3], activations[1, 7], activations[2, 1] = 1, 2, 3
    one, two = sparse_of(activations, [1, 3])
    assert one is not None
    assert two is not None
    assert np.frombuffer(one.places, dtype=np.int32).tolist() == [3]
    assert np.frombuffer(two.places, dtype=np.int32).tolist() == [7, 9]
    assert np.frombuffer(two.values, dtype=np.float32).tolist() == [2, 3]


def test_activations_of_which_many_are_not_zero_are_not_kept() -> None:
    activations = np.array([[1, 1, 1, 0], [0, 1, 0, 0]], dtype=np.float32)
    assert [own is None for own in sparse_of(activations, [1, 2])] == [True, False]


def test_threads_that_use_it_at_once_leave_it_whole() -> None:
    cache = StateCache(room_for(20))

    def use(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(0, 60, size=2_000).tolist():
            if not cache.found([key(number)]):
                cache.keep({key(number): state(number, size=100 + 4 * number)})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(use, range(4)))
    kept = cache.found(map(key, range(60)))
    assert cache.size_bytes == sum(size_of(*own) for own in kept.items())
    assert len(cache) == len(kept)
