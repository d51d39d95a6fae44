"""When a bundle that could not be loaded is tried again."""

from service.refused_bundles import FIRST_PAUSE_S, LAST_PAUSE_S, RefusedBundles


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds now."""
        return self.now


def test_one_that_was_never_tried_is_due() -> None:
    assert RefusedBundles().is_due("v", "files")


def test_one_that_was_refused_is_not_due_at_once() -> None:
    refused = RefusedBundles(Clock())
    refused.add("v", "files", "why")
    assert not refused.is_due("v", "files")


def test_one_whose_files_are_others_is_due_at_once() -> None:
    refused = RefusedBundles(Clock())
    refused.add("v", "files", "why")
    assert refused.is_due("v", "other files")


def test_one_is_due_after_a_pause() -> None:
    clock = Clock()
    refused = RefusedBundles(clock)
    refused.add("v", "files", "why")
    clock.now += FIRST_PAUSE_S
    assert refused.is_due("v", "files")


def test_the_pauses_grow_up_to_a_bound() -> None:
    clock = Clock()
    refused, pauses = RefusedBundles(clock), list[float]()
    for _ in range(10):
        refused.add("v", "files", "why")
        began = clock.now
        while not refused.is_due("v", "files"):
            clock.now += 1
        pauses.append(clock.now - began)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[1], pauses[-1]) == (FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, LAST_PAUSE_S)


def test_a_refusal_for_the_same_reason_is_not_new() -> None:
    refused = RefusedBundles(Clock())
    assert [refused.add("v", "files", why) for why in ("a", "a", "b")] == [True, False, True]


def test_one_that_no_label_points_to_is_forgotten() -> None:
    refused = RefusedBundles(Clock())
    refused.add("v", "files", "why")
    refused.keep(())
    assert (refused.is_due("v", "files"), refused.why("v")) == (True, "")
