"""What a study ran on."""

import torch

from training.study.machine import machine, processor


def test_the_processor_is_the_first_model_name() -> None:
    assert processor("flags : x\nmodel name\t: A CPU @ 2 GHz\nmodel name: B\n") == "A CPU @ 2 GHz"


def test_a_system_without_a_model_name_has_some_name() -> None:
    assert processor("")


def test_the_line_holds_the_version_of_torch() -> None:
    assert machine().endswith(f"torch {torch.__version__}")
