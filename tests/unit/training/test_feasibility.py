"""What is refused before anything is trained."""

import pytest
import torch

from tests.tiny_training import TINIEST, walks
from training.config import train_config
from training.errors import DeviceAbsent, TooLarge, TooLittleData
from training.feasibility import (
    memory_errors,
    missing_for_training,
    refuse_absent,
    refuse_too_large,
    refuse_too_little,
)


def test_a_user_of_four_interactions_is_enough() -> None:
    assert missing_for_training(walks(4, n_items=2)) == ()


def test_two_interactions_of_a_short_history_are_learned_from() -> None:
    assert missing_for_training(walks(2, 3, n_items=2)) == ()


@pytest.mark.parametrize(
    ("lengths", "n_items", "missing"),
    [
        ((5, 5), 1, "there must be at least 2 items"),
        ((2, 2), 3, "there must be a user with 3 interactions or more"),
        ((3, 3), 3, "there must be a user with two interactions to learn from"),
    ],
)
def test_too_little_data_is_refused_with_what_is_missing(
    lengths: tuple[int, ...], n_items: int, missing: str
) -> None:
    with pytest.raises(TooLittleData, match=missing):
        refuse_too_little(walks(*lengths, n_items=n_items))


def test_too_little_data_is_refused_with_what_there_is() -> None:
    with pytest.raises(TooLittleData, match=r"\(1 user, 2 items, 1 interaction\)"):
        refuse_too_little(walks(1, n_items=2))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_an_absent_device_is_refused_with_the_one_that_is_there() -> None:
    with pytest.raises(DeviceAbsent, match="no CUDA device here: train with --device cpu"):
        refuse_absent("cuda")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"base": {"d_model": 2**31 - 1, "n_heads": 1}}, "base.d_model"),
        ({"base": {"n_blocks": 2**31 - 1}}, "base.n_blocks"),
        ({"base": {"max_seq": 2**31 - 1}}, "base.max_seq"),
        ({"sae": {"d_sae": 2**31 - 1}}, "sae.d_sae"),
        ({"sae": {"batch_size": 2**31 - 1}}, "sae.batch_size"),
    ],
)
def test_what_no_memory_holds_is_refused_by_its_setting(
    settings: dict[str, object], named: str
) -> None:
    with pytest.raises(TooLarge, match=named):
        refuse_too_large(train_config(settings, "test"), walks(5, 5))


def test_a_usual_config_fits() -> None:
    refuse_too_large(TINIEST, walks(5, 5))


def test_memory_that_runs_out_is_told_with_what_to_lower() -> None:
    with pytest.raises(TooLarge, match=r"lower base\.batch_size"), memory_errors():
        torch.empty(2**60, dtype=torch.uint8)


def test_other_faults_pass() -> None:
    with pytest.raises(RuntimeError, match="something else"), memory_errors():
        raise RuntimeError("something else")
