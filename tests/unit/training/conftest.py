"""What training tests share."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small tensors: a second thread costs more than it computes."""
    torch.set_num_threads(1)
