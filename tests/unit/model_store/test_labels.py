"""Where a label points, before and after."""

import pytest

from model_store.errors import NothingToRollBackTo
from model_store.labels import Pointer, is_label, promoted, rolled_back


def test_a_first_promotion_has_no_history() -> None:
    assert promoted(None, "v1") == Pointer(version="v1")


def test_a_promotion_remembers_the_version_before() -> None:
    assert promoted(Pointer(version="v1"), "v2") == Pointer(version="v2", history=("v1",))


def test_promoting_what_is_promoted_changes_nothing() -> None:
    pointer = Pointer(version="v2", history=("v1",))
    assert promoted(pointer, "v2") == pointer


def test_a_rollback_undoes_a_promotion() -> None:
    pointer = Pointer(version="v2", history=("v0", "v1"))
    assert rolled_back(promoted(pointer, "v3"), "production") == pointer


def test_a_rollback_needs_a_version_before() -> None:
    with pytest.raises(NothingToRollBackTo, match="'production' has pointed to 'v1' only"):
        rolled_back(Pointer(version="v1"), "production")


@pytest.mark.parametrize("name", ["production", "canary", "a", "shop-2"])
def test_names_that_may_be_labels(name: str) -> None:
    assert is_label(name)


@pytest.mark.parametrize("name", ["", "2shop", "Production", "a/b", "..", "a\n", "a" * 41])
def test_names_that_may_not(name: str) -> None:
    assert not is_label(name)
